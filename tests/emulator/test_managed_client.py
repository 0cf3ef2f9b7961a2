"""Managed datasets, batch predictions and explanations by Vertex AI's own SDK, through the gateway; and a job under a true SIGKILL."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.emulator.test_vertex_client import IMAGES, running

HERE = Path(__file__).parent


def client(environment: dict[str, str], *parts: str) -> None:
    command = [sys.executable, str(HERE / "managed_client.py"), *parts]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert ended.stdout.splitlines()[-1:] == ["all done"], ended.stderr[-3000:]


@pytest.mark.long
def test_the_sdk_imports_exports_predicts_in_batches_and_explains_unmodified(tmp_path: Path) -> None:
    with running(tmp_path) as environment:
        client(environment, "datasets", "predictions")


@pytest.mark.long
def test_a_batch_job_goes_on_after_the_emulator_was_killed(tmp_path: Path) -> None:
    images, state = tmp_path / "images.yaml", tmp_path / "state"
    images.write_text(IMAGES)
    command = [sys.executable, "-m", "emulator", "--state", str(state), "--images", str(images)]
    for part, end in (("submitted", signal.SIGKILL), ("finished", signal.SIGTERM)):
        (state / "emulator.json").unlink(missing_ok=True)
        with subprocess.Popen(command) as emulator:
            deadline = time.monotonic() + 60
            while not (state / "emulator.json").exists():
                assert emulator.poll() is None, "the emulator did not start; its message stands above"
                assert time.monotonic() < deadline, "the emulator did not become ready"
                time.sleep(0.02)
            environment = json.loads((state / "emulator.json").read_text())["environment"]
            try:
                client({**os.environ, **environment, "GOOGLE_CLOUD_PROJECT": "acme-test"}, part)
            finally:
                emulator.send_signal(end)
