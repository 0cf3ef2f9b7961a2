"""The loop's second half as a whole: drift, retraining, canary, promotion and rollback, also when it is killed in the middle."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from playbook import ROOT
from tests.conftest import PROJECT, running_emulator
from tests.end_to_end import loops
from tests.end_to_end.traffic import Traffic, watched

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TASK = "nlp"


@dataclass(frozen=True)
class Loop:
    """A user's table, and the folders in which a loop over it alone runs."""

    data: Path
    folder: Path
    state: Path


@dataclass(frozen=True)
class Closed:
    """A loop that has come to its end."""

    loop: Loop
    report: dict[str, Any]
    served: dict[str, Any]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """Little more than the 50 validation rows without which a monitor says nothing."""
    folder = tmp_path_factory.mktemp("loop")
    return Loop(loops.table(folder / "tickets.csv", 20, 60), loops.one_task(folder / "one", TASK), folder / "state")


@pytest.fixture(scope="module")
def undisturbed(prepared: Loop) -> Closed:
    with watched(prepared.state, TASK) as traffic:
        report = loops.finished(prepared.state, prepared.data, folder=prepared.folder)
    assert [shares for shares in traffic.seen if len(shares) == 2][:1] == [(50, 50)], "the Node server shared the traffic"
    assert (10, 90) in traffic.seen, "a canary began with little traffic"
    with running_emulator(prepared.state / "emulator") as described:
        return Closed(prepared, report, found(described))


def found(described: dict[str, Any]) -> dict[str, Any]:
    """What serves the task."""
    return dict(json.loads(said(described, "tests.end_to_end.served", TASK).splitlines()[-1]))  # the SDK speaks, too


def said(described: dict[str, Any], *command: str) -> str:
    """What `python -m …` prints."""
    environment = {**os.environ, **described["environment"], "GOOGLE_CLOUD_PROJECT": PROJECT}
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def closing(report: dict[str, Any]) -> set[str]:
    """The steps of what was watched, retrained and sabotaged, whose names begin with more than the task's."""
    return {step["name"] for step in report["steps"] if step["name"].startswith(f"{TASK} ") and not step["name"].startswith(f"{TASK} · ")}


def lineage(closed: Closed) -> tuple[str, str, str]:
    """The versions of the retrained model, of the mislabelled and of the permuted one; each must have met its fate."""
    rollout, served = closed.report["rollout"][TASK], closed.served
    retrained, refused, permuted = (rollout[name]["version"] for name in ("retrained", "refused", "rolled_back"))
    trained = closed.report["models"][TASK]["registration"]["version"]
    assert closed.report["outcome"] == "passed"
    assert (served["champion"], served["previous"], served["page"]) == (retrained, trained, [retrained])
    assert served["traffic"] == {retrained: 100}, "what was tried beside the champion is gone"
    verdicts = served["verdicts"]
    assert (verdicts[trained], verdicts[retrained]) == (["passed", None], ["passed", None])
    assert verdicts[refused][0] == rollout["refused"]["outcome"] == "refused"
    assert (verdicts[permuted], rollout["rolled_back"]["outcome"]) == (["passed", "worse-answers"], "rolled back")
    assert len(verdicts) == 5, "trained, for the Node server, retrained, mislabelled, permuted: no version is registered twice"
    return retrained, refused, permuted


def test_drift_leads_to_a_retrained_champion_and_a_rollback_moves_alias_traffic_and_page_back_together(undisturbed: Closed) -> None:
    retrained, _, permuted = lineage(undisturbed)
    drift = undisturbed.report["drift"][TASK]
    assert (drift["control"]["status"], drift["shifted"]["status"]) == ("silent", "shifted")
    assert undisturbed.report["rollout"][TASK]["retrained"]["event_id"] == drift["shifted"]["event_id"]

    with watched(undisturbed.loop.state, TASK) as traffic, running_emulator(undisturbed.loop.state / "emulator") as described:
        shown = said(described, "serving.rollout", "rollback", "--env", "local", "--task", TASK, "--reason", "Complaints!")
        after = found(described)
    assert "version 1 is the champion again" in shown
    assert "version 1: 100 % of the traffic" in shown
    assert (after["champion"], after["traffic"], after["page"]) == ("1", {"1": 100}, ["1"])
    assert after["verdicts"][retrained] == ["passed", "complaints"]
    assert after["verdicts"][permuted] == ["passed", "worse-answers"]
    assert set(traffic.seen) == {(100,)}, "nobody was without an answer"


def reached(when: Callable[[str, Traffic], bool], traffic: Traffic, heard: str) -> bool:
    """Whether it is time to kill."""
    return when(heard, traffic)


KILLS: list[tuple[str, Callable[[str, Traffic], bool]]] = [
    ("two servers share the traffic", lambda said, traffic: traffic.shares == (50, 50)),
    ("shifted traffic", lambda said, traffic: "· control traffic" in said),
    ("the permuted artifact is in the canary", lambda said, traffic: "label the window" in said and len(traffic.shares) == 2),
    ("the monitor has seen the shift and raises the alarm", lambda said, traffic: "shifted · monitor" in said),
    ("both challengers learn", lambda said, traffic: "retrained · preprocess" in said and "mislabelled · preprocess" in said),
    # It learns on when the cloud starts again, and nothing else shares the traffic in this run.
    ("the challenger is in the canary", lambda said, traffic: len(traffic.shares) == 2),
    ("the report", lambda said, traffic: "retrained · write-features" in said),
]
"""Where the loop is killed, in this order; what is said is what has ended."""


def test_a_loop_that_is_killed_at_every_step_of_its_second_half_ends_like_one_that_was_not(undisturbed: Closed, tmp_path: Path) -> None:
    loop, state = undisturbed.loop, tmp_path / "state"
    right = next(step["detail"] for step in undisturbed.report["steps"] if step["name"] == f"{TASK} · predict")
    with watched(state, TASK) as traffic:
        for what, when in KILLS:
            heard = loops.killed(state, loop.data, when=partial(reached, when, traffic), folder=loop.folder)
            asked = f"{TASK} · predict" in heard
            assert right in heard or not asked, f"a challenger that a kill had left in a canary answered before this one: {what}"
        report = loops.finished(state, loop.data, folder=loop.folder)
    with running_emulator(state / "emulator") as described:
        closed = Closed(Loop(loop.data, loop.folder, state), report, found(described))

    lineage(closed)
    assert report.keys() == undisturbed.report.keys()
    assert closing(report) == closing(undisturbed.report)
    again, before = report["rollout"][TASK], undisturbed.report["rollout"][TASK]
    assert again["retrained"]["rows"] == before["retrained"]["rows"], "the same rows were learned from"
    assert (state / "report" / "report.html").stat().st_size > 10_000
