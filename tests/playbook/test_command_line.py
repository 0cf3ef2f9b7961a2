"""The command line: instant, one clear message for what a person can mend, the right address."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from playbook import ROOT, address, children
from playbook.__main__ import COMMANDS, explanation, main

PLAYBOOK = [sys.executable, "-m", "playbook"]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PLAYBOOK, *arguments], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **variables}, timeout=60)


def test_help_lists_every_command_and_imports_no_package() -> None:
    code = "import sys; from playbook.__main__ import main\ntry: main(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert all(command in done.stdout for command in COMMANDS)
    assert not {"pydantic", "yaml", "google.auth", "numpy", "tensorflow", "environments"} & set(done.stderr.split())


def test_help_starts_within_three_tenths_of_a_second() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        run("--help")
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) <= 0.3


def test_an_unknown_environment_is_one_clear_message() -> None:
    done = run("env", "--env", "nowhere")
    assert done.returncode == 1
    assert "there is no environment 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr


def test_googles_address_needs_no_variable_but_the_project() -> None:
    assert run("env", "--env", "prod").stdout == "export GOOGLE_CLOUD_PROJECT=acme-gemini-prod\n"


def test_where_no_local_google_cloud_runs_env_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(address.AddressError, match="make emulator"):
        address.variables("local", folder=tmp_path)
    with pytest.raises(address.AddressError, match="make emulator"):
        address.variables("prod", emulator=True, folder=tmp_path)


def test_a_state_folder_whose_server_was_killed_counts_as_not_running(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "emulator.json").write_text(json.dumps({"pid": ended.pid, "port": 1, "environment": {}}))
    assert address.running(tmp_path) is None


def test_run_hands_on_the_exit_code_and_the_project() -> None:
    done = run(
        "run", "--env", "dev", "--", sys.executable, "-c", "import os; print(os.environ['GOOGLE_CLOUD_PROJECT']); raise SystemExit(7)"
    )
    assert (done.returncode, done.stdout) == (7, "acme-gemini-dev\n")


def test_run_without_a_command_or_with_an_unknown_one_says_so() -> None:
    assert "No command is given" in run("run", "--env", "dev").stderr
    unknown = run("run", "--env", "dev", "--", "no-such-program")
    assert (unknown.returncode, "not found on the path" in unknown.stderr) == (127, True)


def test_a_full_disk_is_explained_and_a_fault_of_ours_is_not() -> None:
    assert "disk is full" in str(explanation(OSError(28, "No space left on device")))
    assert explanation(ValueError("a fault in the code")) is None


def test_a_broken_connection_is_explained() -> None:
    assert "did not answer" in str(explanation(requests.ConnectionError("reset")))


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playbook.address.variables", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["env", "--env", "dev"])


def test_a_child_does_not_survive_its_killed_parent(tmp_path: Path) -> None:
    code = (
        f"from playbook import children; import time; print(children.start(['sleep', '60']).pid, flush=True); time.sleep(60)  # {tmp_path}"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert select.select([child], [], [], 10)[0], "the child outlived its parent"
    os.close(child)


def test_an_end_is_asked_for_first_and_then_forced() -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    stubborn = children.start([sys.executable, "-c", code], output=subprocess.PIPE)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    children.end(stubborn, patience=0.1)
    stubborn.stdout.close()
    assert stubborn.returncode == -signal.SIGKILL


def test_the_local_google_cloud_is_started_for_a_command_and_ended_after_it(tmp_path: Path) -> None:
    with address.reached("local", folder=tmp_path) as variables:
        found = address.running(tmp_path)
        assert found is not None
        assert variables["HTTPS_PROXY"] == f"http://127.0.0.1:{found['port']}"
        assert variables["GOOGLE_CLOUD_PROJECT"] == "acme-gemini-local"
        with address.reached("prod", emulator=True, folder=tmp_path) as rehearsal:
            assert rehearsal["HTTPS_PROXY"] == variables["HTTPS_PROXY"]
        assert address.running(tmp_path) == found, "who did not start it does not end it"
    assert address.running(tmp_path) is None
    with pytest.raises(ProcessLookupError):
        os.kill(found["pid"], 0)


def test_a_local_google_cloud_that_cannot_start_speaks_for_itself(tmp_path: Path) -> None:
    with address.reached("local", folder=tmp_path):
        (tmp_path / "emulator.json").unlink()
        # In a process of its own: a fork of one in which gRPC runs says things of its own into the log.
        code = (
            f"from pathlib import Path; from playbook import address; address.reached('local', folder=Path({str(tmp_path)!r})).__enter__()"
        )
        ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    said = ended.stderr.partition("AddressError: ")[2]
    assert said.startswith("The local Google Cloud did not start:\n")
    assert "runs already" in said
