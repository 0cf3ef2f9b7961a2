"""The submit command fails with what mends it, never with a traceback."""

from pathlib import Path

import pytest

from pipelines import submit


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["submit", "--rows", "gs://bucket/rows.parquet", *arguments])
    return submit.main()


def test_an_unknown_task_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--task", "juggling") == 2
    assert "no task is called 'juggling'" in capsys.readouterr().err


def test_without_credentials_the_command_that_has_them_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", f"{tmp_path}/missing.json")
    assert run(monkeypatch, "--env", "local", "--task", "vision") == 1
    assert "playbook run --env local -- python -m pipelines.submit" in capsys.readouterr().err
