"""The report of the loop's second half: engines, drift and rollouts, also where a run ended in the middle of them."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.runs import Run
from playbook.loop.closing import Closed
from playbook.loop.parity import NODE
from playbook.loop.results import Result
from playbook.loop.watching import Kind
from playbook.report import page, tracks
from playbook.report.summary import fallbacks, summarise
from tests.playbook.results import SENT, STRANGER, challenger, compared, rollout, trained, whole
from tests.playbook.test_report import Page


def test_report_json_holds_the_numbers_of_the_steps(tmp_path: Path) -> None:
    found = whole(tmp_path)
    summary = json.loads(json.dumps(summarise(found)))
    parity, drift, rolled = (summary[part]["vision"] for part in ("parity", "drift", "rollout"))
    assert parity["engines"] == json.loads(json.dumps(found.parity["vision"]["engines"]))
    assert parity["variants"]["int8"] == {"accuracy": 0.868, "bytes": 167_000}
    assert parity["node_server"]["same"] == 50
    assert (drift["control"]["status"], drift["shifted"]["status"]) == ("silent", "shifted")
    assert drift["shifted"]["p"] == 0.002
    assert drift["shifted"]["harm"]["estimated_accuracy"] == 0.6543
    assert drift["shifted"]["alert"]["messages"] == {"alerts": "1", "retraining": "2"}
    assert rolled["retrained"]["event_id"] == drift["shifted"]["event_id"]
    assert rolled["retrained"]["comparison"]["frozen"]["verdict"] == "not worse"
    assert [step["share"] for step in rolled["retrained"]["canary"]] == [10, 50, 100]
    assert (rolled["refused"]["outcome"], rolled["refused"]["gate"]["reasons"]) == ("refused", ["worse on 900 frozen rows"])
    assert (rolled["rolled_back"]["version"], rolled["rolled_back"]["outcome"]) == ("6", "rolled back")
    assert rolled["serving"]["version"] == "4"
    assert summary["models"]["vision"]["accuracy"] == 0.9123, "of the training, whatever was trained since"


def test_what_users_sent_is_on_the_page_and_never_in_report_json(tmp_path: Path) -> None:
    written = page.write(whole(tmp_path), tmp_path / "out").read_text(encoding="utf-8")
    numbers = (tmp_path / "out" / "report.json").read_text(encoding="utf-8")
    for content in (SENT, STRANGER):
        assert content in written
        assert content not in numbers


NUMBERS: list[tuple[tuple[Any, ...], Any, str]] = [
    (("parity", "vision", "engines", NODE, "largest_difference"), 4.5e-3, "4.5e-03"),
    (("parity", "vision", "engines", NODE, "same_label"), 0.1234, "12.34%"),
    (("parity", "vision", "variants", "int8", "accuracy"), 0.111, "0.111"),
    (("parity", "vision", "variants", "int8", "bytes"), 777_000, "777 kB"),
    (("parity", "vision", "node_server", "same"), 41, "41 of 50 rows"),
    (("drift", "vision", "shifted", "tests", 1, "adjusted"), 0.0077, "shifted 0.0077"),
    (("drift", "vision", "shifted", "reason"), "p = 0.00123", "p = 0.00123"),
    (("drift", "vision", "shifted", "harm", "estimated_accuracy"), 0.321, "0.321"),
    (("rollout", "vision", "retrained", "comparison", "frozen", "challenger_accuracy"), 0.765, "0.765"),
    (("rollout", "vision", "retrained", "comparison", "new", "interval"), [-0.123, 0.045], "-0.123 to +0.045"),
    (("rollout", "vision", "retrained", "canary", 0, "challenger", "accuracy"), 0.4375, "0.4375"),
    (("rollout", "vision", "refused", "gate", "reasons"), ["lost 12.5 points"], "lost 12.5 points"),
    (("rollout", "vision", "rolled_back", "text"), "odds of 999 to 1", "odds of 999 to 1"),
    (("rollout", "vision", "traffic", 1, "text"), "7 of 9 requests", "7 of 9 requests"),
    (("rollout", "vision", "serving", "version"), "88", "version 88 serves"),
]


@pytest.mark.parametrize(("keys", "number", "shown"), NUMBERS, ids=lambda value: str(value)[:60])
def test_the_page_shows_the_numbers_of_report_json(tmp_path: Path, keys: tuple[Any, ...], number: Any, shown: str) -> None:
    found = whole(tmp_path)
    summary = json.loads(json.dumps(summarise(found)))
    assert shown not in page.render(found, summary)
    inner = summary
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = number
    assert shown in page.render(found, summary)


def _cut_off(found: Result) -> Iterator[tuple[str, Result]]:
    """The run without each of its parts, and as it stood before each of them."""
    closed = found.closed["vision"]
    earlier = closed
    for part in ("rolled_back", "refused", "retrained", "watched", "windows", "node"):
        missing: dict[str, Any] = {part: {} if part in ("watched", "windows") else None}
        yield f"without {part}", replace(found, closed={"vision": replace(closed, **missing)})
        earlier = replace(earlier, **missing)
        yield f"before {part}", replace(found, closed={"vision": earlier})
    for part in ("closed", "parity", "answers", "runs", "uploaded", "rows"):
        nothing: dict[str, Any] = {part: {}}
        yield f"without {part}", replace(found, **nothing)
    yield "without provisioned", replace(found, provisioned=None)
    for part in ("retrained", "refused"):
        run = getattr(closed, part)
        for step in run.documents:
            left = replace(run, documents={name: one for name, one in run.documents.items() if name != step})
            yield f"{part} without {step}", replace(found, closed={"vision": replace(closed, **{part: left})})
    for kind, run in closed.watched.items():
        for step in run.documents:
            left = replace(run, documents={name: one for name, one in run.documents.items() if name != step})
            yield f"{kind} without {step}", replace(found, closed={"vision": replace(closed, watched={**closed.watched, kind: left})})
    training = found.runs["vision"]
    for step in training.documents:
        left = replace(training, documents={name: one for name, one in training.documents.items() if name != step})
        yield f"training without {step}", replace(found, runs={"vision": left})


def test_a_run_that_ended_anywhere_is_reported_as_far_as_it_went(tmp_path: Path) -> None:
    for _, found in _cut_off(whole(tmp_path)):
        found.failure = "killed"
        parsed = Page()
        parsed.feed(page.write(found, tmp_path / "out").read_text(encoding="utf-8"))
        assert not parsed.open
        assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["failure"] == "killed"


def test_a_window_of_too_few_rows_is_said_and_not_drawn(tmp_path: Path) -> None:
    found = whole(tmp_path)
    few = copy.deepcopy(dict(found.closed["vision"].watched["shifted"].documents["monitor"]))
    few |= {
        "status": "not enough data",
        "reason": "12 distinct rows",
        "p": None,
        "tests": (),
        "drivers": (),
        "separation": {},
        "harm": None,
    }
    watched: dict[Kind, Run] = {"shifted": replace(found.closed["vision"].watched["shifted"], documents={"monitor": few})}
    found.closed["vision"] = Closed(sabotage=(), windows=found.closed["vision"].windows, watched=watched, skipped="12 distinct rows")
    written = page.render(found, summarise(found))
    assert "nothing was retrained" in written
    assert "✗ shifted: not enough data" in written


def test_a_challenger_that_the_canary_sends_back_is_no_success(tmp_path: Path) -> None:
    found = whole(tmp_path)
    sent_back = challenger("4", True, rollout("3", "4", (10,), "rolled back"))
    found.closed["vision"] = replace(found.closed["vision"], retrained=sent_back, rolled_back=None)
    summary = summarise(found)
    assert summary["rollout"]["vision"]["serving"]["version"] == "3"
    assert "✗ rolled back" in page.render(found, summary)


def test_traffic_sums_to_a_hundred_in_every_state_and_each_challenger_ends_as_it_was_decided(tmp_path: Path) -> None:
    states = summarise(whole(tmp_path))["rollout"]["vision"]["traffic"]
    assert all(sum(state["split"].values()) == 100 for state in states)
    assert [state["split"] for state in states if state["name"].startswith("retrained")] == [
        {"3": 90, "4": 10},
        {"3": 50, "4": 50},
        {"4": 100},
    ]
    after = {state["name"]: state["split"] for state in states}
    assert after["promoted"] == {"4": 100}
    assert after["rolled back"] == {"4": 100}
    assert after["Node server beside"] == {"3": 50, "2": 50}
    began = [state["began"] for state in states]
    assert began == [None, *sorted(began[1:])]


def test_a_missing_chromium_is_a_fallback(tmp_path: Path) -> None:
    found = whole(tmp_path)
    assert not any(line.startswith("Chromium") for line in fallbacks(found))
    found.parity["vision"] = compared([NODE])
    assert any(line.startswith("Chromium") for line in fallbacks(found))
    assert any("local inbox" in line for line in fallbacks(found))


def test_only_what_was_reached_counts_as_evidence(tmp_path: Path) -> None:
    half = {line["result"] for line in summarise(trained(tmp_path, ["a", "b"]))["evidence"]}
    assert {"Parity of the engines", "Drift", "Canary, promotion, rollback"} == {
        line["result"] for line in summarise(whole(tmp_path))["evidence"]
    } - half


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.001, 0.5, 1.0])
def test_any_p_lies_on_its_scale(p: float) -> None:
    drawn = tracks.p_values(["embedding"], {"control": {"embedding": p}}, 0.01)
    assert all(0 <= float(left) <= 100 for left in re.findall(r"left:([0-9.-]+)%", drawn))


@pytest.mark.parametrize(
    ("before", "after", "interval"), [(0.0, 0.0, (-1.0, 1.0)), (1.0, 1.0, (0.0, 0.0)), (0.5, 0.9, (0.3, 0.5)), (0.9, 0.1, (-0.9, -0.7))]
)
def test_any_change_lies_on_its_scale(before: float, after: float, interval: tuple[float, float]) -> None:
    drawn = tracks.dumbbells([tracks.Change("frozen rows", before, after, interval, "")], 0.02)
    assert all(-0.05 <= float(left) <= 100.05 for left in re.findall(r"left:([0-9.-]+)%", drawn))
    assert all(float(width) >= 0 for width in re.findall(r"width:([0-9.-]+)%", drawn))


def test_drawings_of_nothing_are_empty_and_not_broken() -> None:
    assert "nan" not in tracks.histogram([0.0, 1.0], [0], [0], 0.0)
    assert tracks.dumbbells([], 0.02)
    assert tracks.bars([])
    assert tracks.traffic([])
