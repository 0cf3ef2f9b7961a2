"""Vertex AI's own SDK, over gRPC, through the gateway."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
IMAGES = f"""
images:
  pipelines: {{entry_point: [python, -m, kfp.dsl.executor_main], preload: [kfp.dsl.executor_main]}}
  server: {{entry_point: [python, {HERE / "model_server.py"}]}}
  shell: {{entry_point: [sh]}}
"""


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """An emulator on a new state; yields the environment of its clients."""
    images, state = folder / "images.yaml", folder / "state"
    images.write_text(IMAGES)
    with subprocess.Popen([sys.executable, "-m", "emulator", "--state", str(state), "--images", str(images)]) as emulator:
        try:
            deadline = time.monotonic() + 30
            while not (state / "emulator.json").exists():
                assert emulator.poll() is None, "the emulator did not start; its message stands above"
                assert time.monotonic() < deadline, "the emulator did not become ready"
                time.sleep(0.02)
            environment = json.loads((state / "emulator.json").read_text())["environment"]
            yield {**os.environ, **environment, "GOOGLE_CLOUD_PROJECT": "acme-test"}
        finally:
            emulator.terminate()


@pytest.mark.long
def test_the_sdk_trains_registers_deploys_and_predicts_unmodified(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "vertex_client.py"), str(tmp_path)]
    with running(tmp_path) as environment:
        client = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert client.stdout.splitlines()[-1:] == ["all done JOB_STATE_SUCCEEDED"], client.stderr[-3000:]


@pytest.mark.long
def test_the_sdk_trains_from_scripts_packages_and_containers_and_tunes_unmodified(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "training_client.py"), str(tmp_path)]
    with running(tmp_path) as environment:
        client = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert client.stdout.splitlines()[-1].startswith("all done "), client.stderr[-3000:]


@pytest.mark.long
def test_jobs_that_are_submitted_at_one_moment_each_belong_to_their_experiment(tmp_path: Path) -> None:
    container = {"image": "acme/shell", "command": ["sh", "-c"], "args": ["true"]}
    specification = {
        "pipelineInfo": {"name": "p"},
        "deploymentSpec": {"executors": {"e": {"container": container}}},
        "components": {"c": {"executorLabel": "e"}},
        "root": {"dag": {"tasks": {"step": {"taskInfo": {"name": "step"}, "componentRef": {"name": "c"}}}}},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
    }
    path = tmp_path / "p.json"
    path.write_text(json.dumps(specification))
    make = "from google.cloud import storage; storage.Client().create_bucket('acme-at-once', location='EU')"
    with running(tmp_path) as environment:
        subprocess.run([sys.executable, "-c", make], env=environment, timeout=60, check=True)
        moment = str(time.time() + 8)
        command = [sys.executable, str(HERE / "submitting_client.py")]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        clients = [subprocess.Popen([*command, name, "acme-at-once", str(path), moment, "6"], env=environment, **pipes) for name in "ab"]
        ends = [client.communicate(timeout=100) for client in clients]
    for output, problem in ends:
        assert output.splitlines()[-1:] == ["all done PIPELINE_STATE_SUCCEEDED"], problem[-3000:]
