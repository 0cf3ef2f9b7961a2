"""A stranger's scripts run as they are, each as a process of its own, led to the local Google Cloud by `playbook run` alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.loading import catalogue
from playbook import address
from tests.conftest import PROJECT, ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
FOLDER = Path(__file__).with_name("tutorials")
IMAGE = f"europe-west4-docker.pkg.dev/{PROJECT}/images/pipelines"
GEMINI = {model.alias: model.id for model in catalogue().models}
SCRIPTS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "storage_upload_download": ((), ["['hello.txt']", "Hello, bucket!"]),
    "bigquery_query": ((), ["brave: 7", "new: 2"]),
    "pubsub_publish_pull": ((), ["Message number 1 python-sample"]),
    "vertex_custom_job": ((IMAGE,), ["It has ended: JOB_STATE_SUCCEEDED"]),
    "pipeline_submit": ((IMAGE,), ["Hello, World!"]),
    "model_deploy_predict": ((IMAGE,), ["[2.0, 4.0, 6.0]"]),
    "gemini_generate_stream_embed": ((GEMINI["flash"], GEMINI["embedding"]), ["positive", "negative", "128"]),
    "feature_store_online_read": ((), ["{'string_value': 'gold'}"]),
    "secret_manager": ((), ["s3cr3t"]),
    "logging_write_read": ((), ["None Hello, world!", "WARNING Goodbye, world!"]),
}
"""Script → its arguments after the prefix of its names, and what it prints."""


@pytest.fixture(scope="module")
def prefix() -> Iterator[str]:
    """Begins the names of a run; the local Google Cloud of this checkout runs meanwhile, so that not every script has to start one."""
    with address.reached("local"):
        yield f"t{int(time.time()):x}"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_strangers_script_runs_unmodified(script: str, prefix: str) -> None:
    arguments, expected = SCRIPTS[script]
    command = [sys.executable, "-m", "playbook", "run", "--env", "local", "--", "python", str(FOLDER / f"{script}.py"), prefix, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    # Vertex AI's SDK prints what it does, too.
    assert [line for line in done.stdout.splitlines() if line in expected] == expected, done.stdout


def test_every_script_is_run_and_knows_nothing_of_us() -> None:
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py") if path.stem != "__init__"}
    assert scripts.keys() == SCRIPTS.keys()
    ours = ("environments", "playbook", "tests", "emulator", "api_endpoint", "transport=", "credentials=", "localhost", "127.0.0.1")
    assert [(name, word) for name, text in scripts.items() for word in ours if word in text] == []
