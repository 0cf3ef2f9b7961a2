"""Who may work on a state: the lock on the working folder, which the kernel keeps, and the one that colleagues see."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from infra.terraform import TerraformFailed, bootstrap, state

HOLD = """
import sys
from pathlib import Path
from infra.terraform import state
with state.folder_lock(Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_a_living_process_works_in_is_refused(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TerraformFailed, match=f"process {other.pid} is working in"), state.folder_lock(tmp_path, print):
            pass
        other.communicate()
    with state.folder_lock(tmp_path, print):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_killed_run_is_waited_for_while_its_terraform_saves(tmp_path: Path) -> None:
    # The child outlives its starter and holds the descriptor for as long as its input is open, as Terraform does while it saves.
    outlives = HOLD.replace(
        "    print(",
        "    import subprocess\n    subprocess.Popen(['sleep', '0.5'], pass_fds=[descriptor], stdout=subprocess.DEVNULL)\n    print(",
    ).replace("print):", "print) as descriptor:")
    with subprocess.Popen([sys.executable, "-c", outlives, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "held\n"
        run.kill()
    said: list[str] = []
    with state.folder_lock(tmp_path, said.append):
        assert said == ["waiting for the Terraform of a killed run to save its state"]


def test_a_lock_of_this_folder_is_released_and_one_of_another_folder_is_not(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    bootstrap("local")
    clients = Clients.of("local")
    client, names, stack = clients.storage(), clients.names, "local-lock-test"
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"

    def lock(folder: Path, said: list[str]) -> Any:
        return state.state_lock(client, names, stack, "apply", "1.9.0", folder, said.append)

    said: list[str] = []
    with lock(here, said):
        with pytest.raises(TerraformFailed, match="is locked by"), lock(elsewhere, said):
            pass
        assert said == []
        with lock(here, said):
            assert said == [f"released the lock on {stack}: its holder, process {os.getpid()} on this host, is dead"]
    assert not client.bucket(names.state_bucket).blob(f"{stack}/default.tflock").exists()


def test_without_a_state_bucket_the_way_to_make_it_is_said(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    clients = Clients.of("prod")
    with (
        pytest.raises(TerraformFailed, match=r"python -m infra\.terraform bootstrap --env prod"),
        state.state_lock(clients.storage(), clients.names, "prod-network", "plan", "1.9.0", tmp_path, print),
    ):
        pass
