"""Who may work on a state: the lock on the working folder, which the kernel keeps, and the one that colleagues see."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import storage

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
    here.mkdir()
    elsewhere.mkdir()

    def lock(folder: Path, said: list[str]) -> Any:
        return state.state_lock(client, names, stack, "apply", "1.9.0", folder, said.append)

    said: list[str] = []
    with lock(here, said):
        with pytest.raises(TerraformFailed, match="is locked by"), lock(elsewhere, said):
            pass
        assert said == []
        with lock(here, said):
            assert said == [f"released the lock on {stack}: its holder, process {os.getpid()} of this folder, is dead"]
    assert not client.bucket(names.state_bucket).blob(f"{stack}/default.tflock").exists()


def test_a_copy_of_a_working_folder_does_not_release_the_locks_of_the_original(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    bootstrap("local")
    clients = Clients.of("local")
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()

    def lock(folder: Path) -> Any:
        return state.state_lock(clients.storage(), clients.names, "local-lock-copy", "apply", "1.9.0", folder, print)

    with lock(original):
        shutil.copytree(original, copy)
        # As in another container of the same name, with the same path in it.
        moved = tmp_path / "moved"
        original.rename(moved)
        copy.rename(original)
        with pytest.raises(TerraformFailed, match="is locked by"), lock(original):
            pass
        with lock(moved):
            pass


def test_a_lock_that_is_released_while_it_is_looked_at_is_taken(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    bootstrap("local")
    clients = Clients.of("local")
    client, stack = clients.storage(), "local-lock-race"

    class Released:
        """Cloud Storage, where the holder lets go as soon as its lock has been met."""

        def bucket(self, name: str) -> Any:
            bucket = client.bucket(name)
            blob = bucket.blob(f"{stack}/default.tflock")
            upload = blob.upload_from_string

            def met(*arguments: Any, **settings: Any) -> None:
                try:
                    upload(*arguments, **settings)
                except PreconditionFailed:
                    bucket.blob(blob.name).delete()
                    raise

            blob.upload_from_string = met
            bucket.blob = lambda path: blob if path == blob.name else storage.Blob(path, bucket)
            return bucket

    client.bucket(clients.names.state_bucket).blob(f"{stack}/default.tflock").upload_from_string("{}")
    said: list[str] = []
    with state.state_lock(Released(), clients.names, stack, "apply", "1.9.0", tmp_path, said.append):
        assert client.bucket(clients.names.state_bucket).blob(f"{stack}/default.tflock").exists()
    assert said == []


def test_without_a_state_bucket_the_way_to_make_it_is_said(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    clients = Clients.of("staging")
    with contextlib.suppress(NotFound):
        clients.storage().bucket(clients.names.state_bucket).delete(force=True)
    with (
        pytest.raises(TerraformFailed, match="make bootstrap ENV=staging"),
        state.state_lock(clients.storage(), clients.names, "staging-network", "plan", "1.9.0", tmp_path, print),
    ):
        pass
