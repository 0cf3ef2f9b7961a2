"""An apply of approved plans that is killed: the rerun goes on with the same plans, or says what was left half-way and what mends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from environments.clients import Clients
from infra.terraform.stack import Counts
from releases import ledger
from tests.conftest import ROOT
from tests.releases.test_apply import consent, deployed, errors

pytestmark = pytest.mark.long

PROGRAM = """
import sys
from pathlib import Path
from infra.terraform import apply, runner, wrapped
runner.ROOT = wrapped.ROOT = Path(sys.argv[1])
apply("staging", sys.argv[3:], Path(sys.argv[2]), lambda line: print(line, flush=True), rehearsal=True)
"""


def killed(checkout: Path, folder: Path, stacks: list[str], when: str) -> str:
    """Apply in a process of its own, which is killed as soon as it has said `when`; what it had said."""
    command = [sys.executable, "-c", PROGRAM, str(checkout), str(folder), *stacks]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        said = ""
        for line in run.stdout:
            said += line
            if when in line:
                run.send_signal(signal.SIGKILL)
                break
        run.wait()
    assert run.returncode == -signal.SIGKILL, f"it ended before it said {when!r}: {said}"
    return said


def told(stack: str) -> list[str]:
    """What the ledger says became of a stack, oldest first."""
    entries = ledger.entries(Clients.of("staging"))
    return [entry.body["outcome"] for entry in entries if entry.kind == "apply" and entry.body["stack"] == stack]


def test_killed_within_a_stack_the_rerun_refuses_what_moved_and_a_new_approval_finishes_it(checkout: Path, tmp_path: Path) -> None:
    consent(checkout, tmp_path / "planner", ["data"], keep=True)
    killed(checkout, tmp_path / "applier", ["data"], when=" created")
    assert told("staging-data") == ["begun"]

    # Terraform outlives who started it for as long as it takes to save its state, and the rerun waits for that.
    [error] = errors(deployed(tmp_path / "applier", ["data"]))
    assert "was left half-way" in error
    assert "make diff ENV=staging" in error

    consent(checkout, tmp_path / "again", ["data"], keep=True)
    [finished] = deployed(tmp_path / "applier", ["data"])
    assert finished.error == ""
    assert finished.counts.added, "the rest was still to be made"
    assert told("staging-data") == ["begun", "begun", "done"]
    consent(checkout, tmp_path / "nothing", ["data"], keep=False)
    assert [result.counts for result in deployed(tmp_path / "nothing", ["data"])] == [Counts()]


def test_killed_between_two_stacks_the_rerun_goes_on_with_the_same_plans(checkout: Path, tmp_path: Path) -> None:
    consent(checkout, tmp_path / "planner", ["features", "training"], keep=True)
    said = killed(checkout, tmp_path / "applier", ["features", "training"], when="✓ staging-")
    [first] = [stack for stack in ("features", "training") if f"✓ staging-{stack}" in said]
    other = {"features": "training", "training": "features"}[first]

    results = {result.stack: result for result in deployed(tmp_path / "applier", ["features", "training"])}
    done = results[f"staging-{first}"]
    assert (done.error, done.counts) == ("", Counts()), f"what is done is not done again: {said}"
    rest = results[f"staging-{other}"]
    # Both are applied at a time, so that the other one had begun already.
    assert not rest.error or "was left half-way" in rest.error
    assert told(f"staging-{first}") == ["begun", "done"]
