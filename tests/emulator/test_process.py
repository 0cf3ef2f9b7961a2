"""The emulator as a process: what it leaves behind, what it refuses to start with, and what a kill loses."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator.store import is_full

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "emulator", "--images", str(ROOT / "cloudbuild" / "images.yaml"), "--state"]


@contextmanager
def running(state: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*COMMAND, str(state)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "is ready" in process.stdout.readline()
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def refused(*arguments: str) -> str:
    ended = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    return ended.stderr


def asked(state: Path, code: str) -> str:
    """What a process prints that finds the emulator through its environment alone."""
    environment = json.loads((state / "emulator.json").read_text())["environment"]
    variables = {**os.environ, **environment, "GOOGLE_CLOUD_PROJECT": "acme-test"}
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_second_emulator_on_one_state_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        assert str(first.pid) in refused(str(tmp_path))


def test_a_clean_end_takes_its_address_away(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        described = json.loads((tmp_path / "emulator.json").read_text())
        assert described["pid"] == process.pid
        assert described["environment"]["SSL_CERT_FILE"] == described["ca"]
    assert process.returncode == 0
    assert not (tmp_path / "emulator.json").exists()


def test_a_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} is in use" in refused(str(tmp_path), "--port", str(port))


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_number_that_is_no_port_is_told_in_one_line(tmp_path: Path, port: str) -> None:
    assert "is no port" in refused(str(tmp_path), f"--port={port}")


def test_a_state_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "--state" in refused(str(tmp_path / "file" / "state"))


def test_a_table_of_images_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_text("images: [serving]")
    assert "images.yaml" in refused(str(tmp_path / "state"), "--images", str(tmp_path / "images.yaml"))


def test_a_damaged_state_file_is_told_in_one_line_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    assert "state.db is damaged" in refused(str(tmp_path))
    assert (tmp_path / "state.db").read_bytes() == b"no database" * 1000


def test_a_damaged_file_of_one_engine_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "messages.db").write_bytes(b"no database" * 1000)
    code = """
import google.auth
from google.auth.transport.requests import AuthorizedSession
session = AuthorizedSession(google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0])
topic = "https://pubsub.googleapis.com/v1/projects/acme-test/topics/t"
print(session.put(topic, json={}).status_code)
answer = session.post(topic + ":publish", json={"messages": [{"data": "aGk="}]})
print(answer.status_code, "messages.db is damaged" in answer.json()["error"]["message"])
print(session.get(topic).status_code)
"""
    with running(tmp_path):
        assert asked(tmp_path, code).splitlines() == ["200", "500 True", "200"]


def test_a_full_disk_is_known_from_the_file_system_and_from_sqlite() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space") as caught:
        full.write(b"state")
    assert is_full(caught.value)
    assert not is_full(OSError("something else"))


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(state):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        for name in ("ca.key", "key.json"):
            assert stat.S_IMODE((state / name).stat().st_mode) == 0o600


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    write = "from google.cloud import storage; b = storage.Client().create_bucket('kept'); b.blob('a/b').upload_from_string('kept')"
    read = "from google.cloud import storage; print(storage.Client().bucket('kept').blob('a/b').download_as_text())"
    with running(tmp_path) as process:
        authority = (tmp_path / "ca.pem").read_bytes()
        asked(tmp_path, write)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    with running(tmp_path):
        assert asked(tmp_path, read).strip() == "kept"
        assert (tmp_path / "ca.pem").read_bytes() == authority
