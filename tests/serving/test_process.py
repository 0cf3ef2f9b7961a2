"""Both servers as Vertex AI runs them: a process that is told everything by `AIP_*` and stopped by SIGTERM, with one contract."""

import base64
import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from serving.python.model import Model
from tests.serving.conftest import CLASSES

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Implementation:
    """One of the two servers, and what it serves."""

    command: tuple[str, ...]
    files: str
    model: Path


@pytest.fixture(params=["python", "node"], scope="module")
def implementation(request: pytest.FixtureRequest) -> Implementation:
    if request.param == "python":
        command = (sys.executable, "-m", "serving.python")
        return Implementation(command, "model.tflite, preprocessing.json", request.getfixturevalue("exported"))
    return Implementation(("node", str(ROOT / "serving/node/dist/server.js")), "web.json", request.getfixturevalue("converted"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def png(width: int = 8, height: int = 8) -> str:
    return base64.b64encode(png_of(np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8))).decode()


def png_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@contextlib.contextmanager
def server(served: Implementation, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    environment = {**os.environ, "AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": "/ready", "AIP_STORAGE_URI": str(served.model)}
    command = [*served.command, "--workers", str(workers)]
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


def test_it_serves_the_model_and_stops_cleanly_when_told(implementation: Implementation) -> None:
    with server(implementation, workers=2) as (process, url):
        assert urllib.request.urlopen(f"{url}/ready", timeout=10).status == 200
        [first, second] = predict(url, [{"b64": png()}, {"b64": png(640, 480)}])["predictions"]
        assert sorted(first["scores"]) == CLASSES
        assert first["confidence"] == first["scores"][first["label"]] == max(first["scores"].values())
        assert sum(second["scores"].values()) == pytest.approx(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{url}/ready", timeout=1)


def test_the_end_of_one_worker_is_the_end_of_all(implementation: Implementation) -> None:
    with server(implementation, workers=2) as (process, _):
        os.kill(workers_of(process, 2)[0], signal.SIGKILL)
        assert process.wait(60) == 1


def test_nothing_serves_on_when_the_server_is_killed(implementation: Implementation) -> None:
    with server(implementation, workers=2) as (process, _):
        children = workers_of(process, 2)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < deadline


def test_a_bad_picture_is_refused_by_its_position(implementation: Implementation) -> None:
    with server(implementation, workers=1) as (_, url):
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
        ({"AIP_STORAGE_URI": "/nowhere"}, "cannot be read from /nowhere"),
        ({"AIP_STORAGE_URI": "/nowhere", "AIP_HTTP_PORT": "0"}, "Set it to a number from 1 to 65535"),
        ({"AIP_STORAGE_URI": "/nowhere", "WEB_CONCURRENCY": "many"}, "WEB_CONCURRENCY is 'many'"),
    ],
)
def test_a_server_that_cannot_start_says_why_and_fails(implementation: Implementation, variables: dict[str, str], says: str) -> None:
    environment = {"PATH": os.environ["PATH"], "AIP_HTTP_PORT": str(free_port()), **variables}
    ended = subprocess.run(implementation.command, env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    [line] = ended.stdout.splitlines()
    assert json.loads(line)["severity"] == "ERROR"
    assert says in json.loads(line)["message"]
    assert ("cannot be read" in says) <= (implementation.files in line)
    assert "Traceback" not in ended.stderr
    assert "    at " not in ended.stderr


@pytest.fixture(scope="module")
def running(implementation: Implementation) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with server(implementation, workers=1) as one:
        yield one


def asked(url: str, method: str, path: str, body: bytes | Iterator[bytes] | None = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request(method, path, body)
    answer = connection.getresponse()
    assert answer.getheader("content-type") == "application/json"
    return answer.status, json.loads(answer.read())


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"instances", 400, "the body is not JSON"),
        (b"", 400, "the body is not JSON"),
        (b"\xff\xfe", 400, "the body is not JSON"),
        (b'\xef\xbb\xbf{"instances": []}', 400, "the body is not JSON"),
        (b'{"instances": [NaN]}', 400, "the body is not JSON"),
        (b'["a"]', 400, "holds no instances"),
        (b"null", 400, "holds no instances"),
        (b'{"instances": []}', 400, "holds no instances"),
        (b'{"instances": "a"}', 400, "holds no instances"),
        (b'{"instances": ["a"]}', 400, "instance 0: a picture is sent as"),
        (b'{"instances": [{"b64": 7}]}', 400, "instance 0: a picture is sent as"),
        (b'{"instances": [{"b64": "%%%%"}]}', 400, "instance 0: b64 is not base64"),
        (b'{"instances": [{"b64": "aaaa"}]}', 400, "instance 0: not a picture in a known format"),
        (b"[" * 100_000, 400, "the body is not JSON"),
        (json.dumps({"instances": ["a"] * 257}).encode(), 400, "send at most 256"),
        (b" " * (10 * 2**20 + 1), 413, "larger than 10485760 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_request_is_refused_with_what_mends_it(running: tuple[Any, str], content: bytes, status: int, says: str) -> None:
    answered, document = asked(running[1], "POST", "/predict", content)
    assert (answered, set(document)) == (status, {"error"})
    assert says in document["error"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/predict", 405), ("POST", "/other", 404), ("GET", "/constructor", 404)])
def test_other_routes_and_methods_are_refused_as_json(running: tuple[Any, str], method: str, path: str, status: int) -> None:
    answered, document = asked(running[1], method, path)
    assert (answered, set(document)) == (status, {"error"})


def test_pictures_too_large_are_refused_by_their_size(running: tuple[Any, str]) -> None:
    buffer = io.BytesIO()
    Image.new("1", (8000, 8000)).save(buffer, "PNG")
    instance = {"b64": base64.b64encode(buffer.getvalue()).decode()}
    answered, document = asked(running[1], "POST", "/predict", json.dumps({"instances": [instance]}).encode())
    assert answered == 400
    assert "instance 0: a picture of 8000 × 8000" in document["error"]


def test_a_body_of_unstated_length_is_cut_off_at_the_limit(running: tuple[Any, str]) -> None:
    with socket.create_connection(("127.0.0.1", int(running[1].rsplit(":", 1)[1])), timeout=10) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: server\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(11):
                connection.sendall(b"100000\r\n" + b" " * 2**20 + b"\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")


def test_both_servers_give_the_same_answer(exported: Path, running: tuple[Any, str]) -> None:
    instances = [{"b64": png()}, {"b64": png(640, 480)}]
    for ours, theirs in zip(Model(exported).predict(instances), predict(running[1], instances)["predictions"], strict=True):
        assert ours["label"] == theirs["label"]
        assert theirs["scores"] == pytest.approx(ours["scores"], abs=1e-6)


def test_a_damaged_model_is_not_served(converted: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(converted, damaged)
    weights = damaged / "float32" / "group1-shard1of1.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    environment = {"PATH": os.environ["PATH"], "AIP_HTTP_PORT": str(free_port()), "AIP_STORAGE_URI": str(damaged)}
    ended = subprocess.run(["node", str(ROOT / "serving/node/dist/server.js")], env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    [line] = ended.stdout.splitlines()
    assert "float32/group1-shard1of1.bin is damaged" in json.loads(line)["message"]
