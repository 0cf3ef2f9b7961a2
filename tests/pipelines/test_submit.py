"""The submit command fails with what mends it, never with a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import submit


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["submit", "--rows", "gs://bucket/rows.parquet", *arguments])
    return submit.main()


def test_an_unknown_task_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--task", "juggling") == 2
    assert "no task is called 'juggling'" in capsys.readouterr().err


def test_without_credentials_the_command_that_has_them_is_named(tmp_path: Path) -> None:
    # A process of its own: Vertex AI's library keeps the credentials that the first caller of a process had.
    command = [sys.executable, "-m", "pipelines.submit", "--env", "local", "--task", "vision", "--rows", "gs://bucket/rows.parquet"]
    environment = os.environ | {"GOOGLE_APPLICATION_CREDENTIALS": f"{tmp_path}/missing.json"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert finished.returncode == 1
    assert "playbook run --env local -- python -m pipelines.submit" in finished.stderr
    assert "Traceback" not in finished.stderr
