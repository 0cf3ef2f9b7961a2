"""The clock: when schedules are due, and that each time fires once, after a restart too."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from emulator.clock import written
from emulator.engines import clockwork, cron

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from tests.emulator.conftest import Local

START = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)
"""A Saturday."""


def times(text: str, zone: str = "", after: datetime = START, count: int = 3) -> list[str]:
    schedule, found = cron.parse(text, zone), []
    for _ in range(count):
        after = schedule.after(after)
        found.append(after.strftime("%Y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("* * * * *", ["2026-11-28 12:01", "2026-11-28 12:02", "2026-11-28 12:03"]),
        ("*/20 * * * *", ["2026-11-28 12:20", "2026-11-28 12:40", "2026-11-28 13:00"]),
        ("0 9 * * MON-FRI", ["2026-11-30 09:00", "2026-12-01 09:00", "2026-12-02 09:00"]),
        ("30 8,20 1 jan *", ["2027-01-01 08:30", "2027-01-01 20:30", "2028-01-01 08:30"]),
        ("0 0 * * 7", ["2026-11-29 00:00", "2026-12-06 00:00", "2026-12-13 00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
        ("5 4-8/2 * * *", ["2026-11-29 04:05", "2026-11-29 06:05", "2026-11-29 08:05"]),
        # Where both days are restricted, either is enough; `*/2` does not restrict in that sense.
        ("0 0 13 * FRI", ["2026-12-04 00:00", "2026-12-11 00:00", "2026-12-13 00:00"]),
        ("0 0 */10 * SUN", ["2027-01-31 00:00", "2027-02-21 00:00", "2027-03-21 00:00"]),
        ("every 5 minutes", ["2026-11-28 12:05", "2026-11-28 12:10", "2026-11-28 12:15"]),
        ("every 2 hours synchronized", ["2026-11-28 14:00", "2026-11-28 16:00", "2026-11-28 18:00"]),
        ("every 30 mins from 22:30 to 00:10", ["2026-11-28 22:30", "2026-11-28 23:00", "2026-11-28 23:30"]),
        ("every monday,wednesday of dec 09:00", ["2026-12-02 09:00", "2026-12-07 09:00", "2026-12-09 09:00"]),
        ("every day 00:00", ["2026-11-29 00:00", "2026-11-30 00:00", "2026-12-01 00:00"]),
    ],
)
def test_a_schedule_is_due_when_its_format_says(text: str, wanted: list[str]) -> None:
    assert times(text) == wanted


def test_a_time_that_the_clocks_leave_out_does_not_happen() -> None:
    # 29 March 2026, 02:00 becomes 03:00 in Berlin.
    before = datetime(2026, 3, 28, 0, 0, tzinfo=UTC)
    assert times("30 2 * * *", "Europe/Berlin", before) == ["2026-03-28 01:30", "2026-03-30 00:30", "2026-03-31 00:30"]
    # 05:00 is an hour nearer to midnight from then on.
    assert times("0 5 * * *", "Europe/Berlin", before) == ["2026-03-28 04:00", "2026-03-29 03:00", "2026-03-30 03:00"]


def test_a_time_that_the_clocks_repeat_happens_twice() -> None:
    # 25 October 2026, 03:00 becomes 02:00 in Berlin.
    before = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert times("30 2 * * *", "Europe/Berlin", before) == ["2026-10-25 00:30", "2026-10-25 01:30", "2026-10-26 01:30"]
    assert times("*/30 2 25 10 *", "Europe/Berlin", before, 4)[:4] == [
        f"2026-10-25 0{hour}:{minute}" for hour in (0, 1) for minute in ("00", "30")
    ]


def test_midnight_comes_where_the_clocks_leave_it_out() -> None:
    # In Beirut, 29 March 2026 begins at 01:00: days are still told apart.
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert times("0 12 29 3 *", "Asia/Beirut", before, 1) == ["2026-03-29 09:00"]
    assert times("0 0 * * *", "Asia/Beirut", before, 2) == ["2026-03-29 21:00", "2026-03-30 21:00"]


def test_a_schedule_agrees_with_a_look_at_every_minute() -> None:
    schedule = cron.parse("*/7 1-3,22 * * SUN", "Australia/Lord_Howe")
    one = datetime(2026, 4, 3, tzinfo=UTC)
    minutes = [one + timedelta(minutes=number) for number in range(4 * 24 * 60)]
    walls = [(minute, minute.astimezone(cron.zone_of("Australia/Lord_Howe"))) for minute in minutes]
    wanted = [minute for minute, wall in walls if wall.minute % 7 == 0 and wall.hour in (1, 2, 3, 22) and wall.isoweekday() == 7]
    found, moment = [], one - timedelta(minutes=1)
    while (moment := schedule.after(moment)) <= minutes[-1]:
        found.append(moment)
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "zone", "problem"),
    [
        ("", "", "0 fields"),
        ("* * * *", "", "4 fields"),
        ("60 * * * *", "", "minute '60' is not within 0-59"),
        ("* 5-2 * * *", "", "hour '5-2' is not within"),
        ("5/15 * * * *", "", "a step follows a range"),
        ("*/0 * * * *", "", "minute"),
        ("* * ? * *", "", "day of month '\\?'"),
        ("* * * FOO *", "", "month 'FOO'"),
        ("* * * * 8", "", "day of week '8'"),
        ("0 0 30 2 *", "", "never comes"),
        ("every 0 minutes", "", "at least a minute"),
        ("every 7 minutes synchronized", "", "does not divide"),
        ("every moonday 09:00", "", "'moo' is no day|'moonday'"),
        ("every day 25:00", "", "no time of day"),
        ("every now and then", "", "is read as|is no day"),
        ("* * * * *", "Mars/Olympus", "no time zone"),
        ("* * * * *", "../etc/passwd", "no time zone"),
        ("* * * * *", "Europe", "no time zone"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(text: str, zone: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        cron.parse(text, zone)


def test_a_schedule_ends_before_the_calendar_does() -> None:
    with pytest.raises(ValueError, match="after the year"):
        cron.parse("* * * * *").after(datetime(9999, 12, 31, tzinfo=UTC))


AHEAD = datetime(2099, 11, 28, 12, 0, 30, tzinfo=UTC)
"""What the cloud's own clock does not reach while it runs beside a test."""
FIRED: list[tuple[str, datetime]] = []


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> list[clockwork.Source]:
    """No kinds of resources but the test's own."""
    monkeypatch.setattr(clockwork, "SOURCES", [])
    FIRED.clear()
    return clockwork.SOURCES


async def hourly(cloud: Cloud, name: str, moment: datetime) -> None:
    FIRED.append((name, moment))
    kept = cloud.store.of("clocks")
    kept.put(name, "Clock", {"next": written(moment + timedelta(hours=1))})


def skipped(cloud: Cloud, name: str, moment: datetime) -> None:
    cloud.store.of("clocks").put(name, "Clock", {"next": written(moment + timedelta(hours=1))})


def due(resource: dict[str, Any]) -> str:
    return str(resource["next"])


def test_each_time_of_a_resource_fires_once(local: Local, sources: list[clockwork.Source]) -> None:
    clockwork.fires("clocks", "Clock", due)(hourly)
    clock, kept = local.cloud.clockwork, local.cloud.store.of("clocks")
    kept.put("a/b", "Clock", {"next": written(AHEAD)})
    assert clock.due(AHEAD - timedelta(seconds=1)) == []
    assert [tick.name for tick in clock.due(AHEAD)] == ["a/b"]
    for minutes in (0, 1, 59):
        local.run(clock.fire(AHEAD + timedelta(minutes=minutes)))
    assert FIRED == [("a/b", AHEAD)]
    local.run(clock.fire(AHEAD + timedelta(minutes=60)))
    assert len(FIRED) == 2


def test_what_fails_does_not_fire_again_for_the_same_time(local: Local, sources: list[clockwork.Source]) -> None:
    async def broken(cloud: Cloud, name: str, moment: datetime) -> None:
        FIRED.append((name, moment))
        raise RuntimeError("this clock is broken")

    clockwork.fires("clocks", "Clock", due)(broken)
    local.cloud.store.of("clocks").put("a/broken", "Clock", {"next": written(AHEAD)})
    for _ in range(3):
        local.run(local.cloud.clockwork.fire(AHEAD))
    assert [name for name, _ in FIRED if name == "a/broken"] == ["a/broken"]
    assert "this clock is broken" in local.cloud.store.last_lines("faults", 1)[0][2]


def test_the_clock_fires_by_itself_and_is_woken_by_what_comes_before_its_next_time(local: Local, sources: list[clockwork.Source]) -> None:
    happened = asyncio.Event()

    async def once(cloud: Cloud, name: str, moment: datetime) -> None:
        happened.set()
        cloud.store.of("alarms").remove(name)

    clockwork.fires("alarms", "Alarm", due)(once)

    async def alarmed() -> None:
        # By now the clock sleeps.
        await asyncio.sleep(0)
        local.cloud.store.of("alarms").put("a/b", "Alarm", {"next": written(datetime.now(UTC) + timedelta(milliseconds=20))})
        local.cloud.clockwork.wake()
        await asyncio.wait_for(happened.wait(), 10)

    local.run(alarmed())


def test_what_was_due_while_nothing_ran_is_passed_over_or_comes_late_but_never_twice(local: Local, sources: list[clockwork.Source]) -> None:
    clockwork.fires("clocks", "Clock", due, skipped)(hourly)
    clockwork.fires("late", "Clock", due)(hourly)
    for service, name in (("clocks", "a/missed"), ("late", "a/late")):
        local.cloud.store.of(service).put(name, "Clock", {"next": written(datetime.now(UTC) - timedelta(hours=3))})
    local.restart()
    moment = datetime.now(UTC)
    local.run(local.cloud.clockwork.fire(moment))
    assert [name for name, _ in FIRED] == ["a/late"]
    assert datetime.fromisoformat(due(local.cloud.store.of("clocks").get("a/missed") or {})) > moment
