"""When a schedule is due: unix-cron, and the English of App Engine as far as `every 5 minutes` and `every monday 09:00`.

Schedules go by the clock on the wall, as Google's do: what falls into the hour that is left out in spring does not happen, and what falls
into the hour that comes twice in autumn happens twice.
https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY_MINUTES = 24 * 60
HORIZON = timedelta(days=9 * 366)
"""The rarest date, a 29 February, may be eight years away."""
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")
INTERVAL = re.compile(
    r"every (?P<count>\d{1,4}) (?P<unit>min(?:ute)?s?|hours?)(?: from (?P<first>\S+) to (?P<last>\S+)| (?P<even>synchronized))?"
)
WEEKLY = re.compile(r"every (?P<days>[a-z,]+)(?: of (?P<months>[a-z,]+))? (?P<time>\S+)")
TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Schedule:
    """Minutes at which something is due."""

    zone: tzinfo
    times: frozenset[int] = frozenset(range(DAY_MINUTES))
    """Minutes after midnight, by the clock on the wall."""
    days: frozenset[int] = frozenset(range(1, 32))
    months: frozenset[int] = frozenset(range(1, 13))
    weekdays: frozenset[int] = frozenset(range(7))
    """From Sunday, 0."""
    either: bool = False
    """Whether a day of the month or a day of the week is enough: where both are restricted."""
    interval: timedelta | None = None
    """In place of all that: so long after the time before."""

    def after(self, moment: datetime) -> datetime:
        """The first time that is later than `moment`, in UTC.

        Raises:
            ValueError: There is none.
        """
        if self.interval is not None:
            return moment.astimezone(UTC).replace(microsecond=0) + self.interval
        one = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        hours, end = {time // 60 for time in self.times}, one + HORIZON
        while one < end:
            wall = one.astimezone(self.zone)
            if not self._on(wall):
                tomorrow = (wall + timedelta(days=1)).replace(hour=0, minute=0, fold=0)
                one = max(tomorrow.astimezone(UTC), one + timedelta(minutes=1))
            elif wall.hour not in hours:
                one += timedelta(minutes=60 - wall.minute)
            elif wall.hour * 60 + wall.minute not in self.times:
                one += timedelta(minutes=1)
            else:
                return one
        raise ValueError("it names a date that never comes")

    def _on(self, wall: datetime) -> bool:
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return wall.month in self.months and ((day or weekday) if self.either else (day and weekday))


def parse(text: str, zone: str = "") -> Schedule:
    """Reads a schedule.

    Args:
        text: `0 9 * * MON-FRI`, or `every 5 minutes`.
        zone: Name in the tz database; empty for UTC.

    Raises:
        ValueError: What is wrong with it.
    """
    where = zone_of(zone)
    fields = text.split()
    schedule = _english(" ".join(fields).lower(), where) if fields[:1] == ["every"] else _cron(fields, where)
    schedule.after(datetime.now(UTC))
    return schedule


def zone_of(name: str) -> tzinfo:
    """A time zone by its name.

    Raises:
        ValueError: There is none of that name.
    """
    if name.upper() in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name[:80]!r} is no time zone of the tz database, as 'Europe/Berlin' is") from None


def _cron(fields: list[str], zone: tzinfo) -> Schedule:
    if len(fields) != 5:
        raise ValueError(f"it has {len(fields)} fields, and unix-cron has five: minute, hour, day of month, month, day of week")
    minutes = _values("minute", fields[0], 0, 59)
    hours = _values("hour", fields[1], 0, 23)
    return Schedule(
        zone,
        frozenset(hour * 60 + minute for hour in hours for minute in minutes),
        frozenset(_values("day of month", fields[2], 1, 31)),
        frozenset(_values("month", fields[3], 1, 12, MONTHS)),
        frozenset(day % 7 for day in _values("day of week", fields[4], 0, 7, DAYS)),
        not fields[2].startswith("*") and not fields[4].startswith("*"),
    )


def _values(field: str, text: str, first: int, last: int, names: tuple[str, ...] = ()) -> set[int]:
    """The numbers that a field of unix-cron stands for."""
    found: set[int] = set()
    for part in text.split(","):
        match = PART.fullmatch(part)
        if match is None or (match[4] and not match[1] and not match[3]):
            raise ValueError(f"the {field} {text[:80]!r} is no list of numbers and ranges; a step follows a range, as in */2 or 0-23/2")
        # Both ends of a week are Sunday, but `*` is each day once.
        everything = (first, 6 if names is DAYS else last)
        low, high = everything if match[1] else (_number(match[2], first, names), _number(match[3] or match[2], first, names))
        step = int(match[4] or 1)
        if not first <= low <= high <= last or step < 1:
            raise ValueError(f"the {field} {text[:80]!r} is not within {first}-{last}")
        found.update(range(low, high + 1, step))
    return found


def _number(text: str, first: int, names: tuple[str, ...]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + first
    return int(text) if text.isascii() and text.isdigit() else -1


def _english(text: str, zone: tzinfo) -> Schedule:
    """https://cloud.google.com/appengine/docs/standard/scheduling-jobs-with-cron-yaml#formatting_the_schedule"""
    if match := INTERVAL.fullmatch(text):
        step = int(match["count"]) * (60 if match["unit"].startswith("h") else 1)
        if not step:
            raise ValueError("an interval is at least a minute")
        if match["even"] and DAY_MINUTES % step:
            raise ValueError(f"a day does not divide into intervals of {step} minutes, and only such are synchronized")
        if match["even"]:
            return Schedule(zone, frozenset(range(0, DAY_MINUTES, step)))
        if not match["first"]:
            return Schedule(zone, interval=timedelta(minutes=step))
        first, last = _time(match["first"]), _time(match["last"])
        span = (last - first) % DAY_MINUTES
        return Schedule(zone, frozenset((first + minute) % DAY_MINUTES for minute in range(0, span + 1, step)))
    if match := WEEKLY.fullmatch(text):
        days = _named("day", match["days"], "day", DAYS, 0)
        months = _named("month", match["months"] or "month", "month", MONTHS, 1)
        return Schedule(zone, frozenset((_time(match["time"]),)), months=months, weekdays=days)
    raise ValueError("'every …' is read as 'every 5 minutes [from 9:00 to 17:00 | synchronized]' or 'every monday,friday [of jan] 09:00'")


def _named(field: str, text: str, every: str, names: tuple[str, ...], first: int) -> frozenset[int]:
    if text == every:
        return frozenset(range(first, first + len(names)))
    short = [part[:3].upper() for part in text.split(",")]
    if unknown := [part for part in short if part not in names]:
        raise ValueError(f"{unknown[0].lower()!r} is no {field}")
    return frozenset(names.index(part) + first for part in short)


def _time(text: str) -> int:
    match = TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no time of day")
    return int(match[1]) * 60 + int(match[2])
