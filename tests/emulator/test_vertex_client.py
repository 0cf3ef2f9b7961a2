"""Vertex AI's own SDK, over gRPC, through the gateway."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
IMAGES = f"""
images:
  pipelines: {{entry_point: [python, -m, kfp.dsl.executor_main], preload: [kfp.dsl.executor_main]}}
  server: {{entry_point: [python, {HERE / "model_server.py"}]}}
  shell: {{entry_point: [sh]}}
"""


@pytest.mark.long
def test_the_sdk_trains_registers_deploys_and_predicts_unmodified(tmp_path: Path) -> None:
    images, state = tmp_path / "images.yaml", tmp_path / "state"
    images.write_text(IMAGES)
    with subprocess.Popen([sys.executable, "-m", "emulator", "--state", str(state), "--images", str(images)]) as emulator:
        try:
            deadline = time.monotonic() + 30
            while not (state / "emulator.json").exists():
                assert emulator.poll() is None, "the emulator did not start; its message stands above"
                assert time.monotonic() < deadline, "the emulator did not become ready"
                time.sleep(0.02)
            environment = json.loads((state / "emulator.json").read_text())["environment"]
            client = subprocess.run(
                [sys.executable, str(HERE / "vertex_client.py"), str(tmp_path)],
                env={**os.environ, **environment, "GOOGLE_CLOUD_PROJECT": "acme-test"},
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
        finally:
            emulator.terminate()
    assert client.stdout.splitlines()[-1:] == ["all done JOB_STATE_SUCCEEDED"], client.stderr[-3000:]
