"""What the tests of every room share: the local Google Cloud, which is the one stand-in for Google that they use."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = "acme-gemini-local"


@contextmanager
def running_emulator(state: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """The local Google Cloud on `state`, and what it wrote about itself into emulator.json."""
    command = [sys.executable, "-m", "emulator", "--state", str(state), "--images", str(ROOT / "cloudbuild" / "images.yaml"), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "is ready" in process.stdout.readline(), "the emulator did not start; its message stands above"
            yield json.loads((state / "emulator.json").read_text())
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def google_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A local Google Cloud for the whole session; this process and its children are led to it by their environment."""
    with running_emulator(tmp_path_factory.mktemp("google-cloud")) as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        patch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        yield described
