"""The server as Vertex AI runs it: a process that is told everything by `AIP_*` and stopped by SIGTERM."""

import base64
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.python.model import Model
from tests.serving.conftest import CLASSES


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def png(width: int = 8, height: int = 8) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@contextlib.contextmanager
def server(model: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    environment = {**os.environ, "AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": "/ready", "AIP_STORAGE_URI": str(model)}
    command = [sys.executable, "-m", "serving.python", "--workers", str(workers)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        # The first line says that the model is loaded; the socket is there before it.
        assert "serving" in json.loads(process.stdout.readline())["message"]
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def predict(url: str, instances: list[Any]) -> Any:
    request = urllib.request.Request(f"{url}/predict", json.dumps({"instances": instances}).encode())
    return json.loads(urllib.request.urlopen(request, timeout=10).read())


def workers_of(process: subprocess.Popen[str], count: int) -> list[int]:
    """The worker processes, once all have been forked."""
    deadline = time.monotonic() + 10
    children: list[int] = []
    while len(children) < count:
        assert time.monotonic() < deadline
        children = [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return children


def test_it_serves_the_model_and_stops_cleanly_when_told(exported: Path) -> None:
    with server(exported, workers=2) as (process, url):
        assert urllib.request.urlopen(f"{url}/ready", timeout=10).status == 200
        [first, second] = predict(url, [{"b64": png()}, {"b64": png(640, 480)}])["predictions"]
        assert sorted(first["scores"]) == CLASSES
        assert first["confidence"] == first["scores"][first["label"]] == max(first["scores"].values())
        assert sum(second["scores"].values()) == pytest.approx(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{url}/ready", timeout=1)


def test_the_end_of_one_worker_is_the_end_of_all(exported: Path) -> None:
    with server(exported, workers=2) as (process, _):
        os.kill(workers_of(process, 2)[0], signal.SIGKILL)
        assert process.wait(60) == 1


def test_nothing_serves_on_when_the_server_is_killed(exported: Path) -> None:
    with server(exported, workers=2) as (process, _):
        children = workers_of(process, 2)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < deadline


def test_a_bad_picture_is_refused_by_its_position(exported: Path) -> None:
    with server(exported, workers=1) as (_, url):
        for bad in ({"b64": "%%%"}, {"b64": base64.b64encode(b"GIF89a").decode()}, {"text": "a shirt"}, {"b64": png()[:40]}):
            with pytest.raises(urllib.error.HTTPError) as refused:
                predict(url, [{"b64": png()}, bad])
            assert refused.value.code == 400
            assert json.loads(refused.value.read())["error"].startswith("instance 1: ")


def test_a_picture_that_would_unfold_to_gigabytes_is_refused_unread(exported: Path) -> None:
    buffer = io.BytesIO()
    Image.new("1", (8000, 8000)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 100_000
    with pytest.raises(ValueError, match="8000 × 8000"):
        Model(exported).predict([{"b64": base64.b64encode(buffer.getvalue()).decode()}])


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "AIP_STORAGE_URI is not set"),
        ({"AIP_STORAGE_URI": "/nowhere"}, "model.tflite, preprocessing.json cannot be read from /nowhere"),
        ({"AIP_STORAGE_URI": "/nowhere", "AIP_HTTP_PORT": "0"}, "Set it to a number from 1 to 65535"),
        ({"AIP_STORAGE_URI": "/nowhere", "WEB_CONCURRENCY": "many"}, "WEB_CONCURRENCY is 'many'"),
    ],
)
def test_a_server_that_cannot_start_says_why_and_fails(variables: dict[str, str], says: str) -> None:
    environment = {"PATH": os.environ["PATH"], "AIP_HTTP_PORT": str(free_port()), **variables}
    ended = subprocess.run([sys.executable, "-m", "serving.python"], env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    [line] = ended.stdout.splitlines()
    assert json.loads(line)["severity"] == "ERROR"
    assert says in json.loads(line)["message"]
    assert "Traceback" not in ended.stderr
