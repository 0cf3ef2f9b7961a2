"""An apply that is killed: whatever was killed, the same command goes on from there."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

APPLY = (sys.executable, "-m", "infra.terraform", "apply", "--env", "dev", "--stack", "data", "--rehearsal")

CREATED = 3
"""Resources before the kill."""

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", autouse=True)
def state_bucket(google_cloud: dict[str, Any]) -> None:
    subprocess.run([sys.executable, "-m", "infra.terraform", "bootstrap", "--env", "dev"], check=True)


def killed(folder: Path, everything: bool) -> None:
    """An apply, killed after its first resources: its process group alone, or every process that it started as well."""
    process = subprocess.Popen([*APPLY, "--folder", str(folder)], stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    created = 0
    for line in process.stderr:
        created += line.endswith(" created\n")
        if created == CREATED:
            break
    else:
        raise AssertionError("the apply ended before it could be killed")
    if everything:
        # Stopped first, so that no child can notice that its parent is gone.
        family = [process.pid, *descendants(process.pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        for pid in family:
            os.kill(pid, signal.SIGKILL)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return [descendant for child in children for descendant in (child, *descendants(child))]


def apply(folder: Path) -> str:
    done = subprocess.run([*APPLY, "--folder", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def destroy(folder: Path) -> None:
    verb = [word if word != "apply" else "destroy" for word in APPLY]
    subprocess.run([*verb, "--folder", str(folder)], check=True)


def test_terraform_saves_its_state_when_the_runner_is_killed(tmp_path: Path) -> None:
    killed(tmp_path, everything=False)
    again = apply(tmp_path)
    assert "released the lock" in again
    assert "adopted" not in again
    added = re.search(r"(\d+) added", again)
    assert added
    declared = json.loads((tmp_path / "dev" / "stacks" / "dev-data" / "cdk.tf.json").read_text())["resource"]
    assert int(added[1]) <= sum(map(len, declared.values())) - CREATED
    assert "no changes" in apply(tmp_path)
    destroy(tmp_path)


def test_what_a_hard_kill_left_behind_is_adopted(tmp_path: Path) -> None:
    killed(tmp_path, everything=True)
    again = apply(tmp_path)
    assert "released the lock" in again
    assert "exists already, so it is adopted" in again
    assert "no changes" in apply(tmp_path)
    destroy(tmp_path)
