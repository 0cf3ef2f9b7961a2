"""Requests per second of our prediction server beside LitServe, a bare Starlette app and our Node server, on the same model.

`python -m bench.serving` prints JSON. The servers take turns, each alone on the machine in its turn, so that a noisy machine
disturbs all alike; each answer is compared before it is timed. The peers are what one writes in ten minutes: Pillow and LiteRT,
no limits, no logs. Each server starts as many processes as it does by itself. LitServe runs in an environment of its own, which
uv makes from its cache. A server that cannot be had is named under `not_measured`.
"""

import argparse
import asyncio
import base64
import contextlib
import importlib.metadata
import io
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from playbook.setup import packages

CLIENTS = 8
SECONDS = 3.0
WARM_SECONDS = 0.5
ROUNDS = 3
MODEL = Path("build/train/vision/model")
OURS = "serving.python"
LITSERVE = "0.2.19"
SAME_VERSIONS = ("numpy", "pillow", "ai-edge-litert")
"""What computes, installed for the peer in the versions that ours runs with."""
NODE = Path("serving/node/dist/server.js")
START_SECONDS = 30


class NotMeasured(Exception):
    """A server that cannot be had or does not start; the message is meant for people."""


@dataclass(frozen=True)
class Server:
    """How a server is started: it honours the `AIP_*` variables."""

    command: Sequence[str]
    model: Path


def ours(model: Path, scratch: Path) -> Server:
    return Server([sys.executable, "-m", OURS], model)


def bare_starlette(model: Path, scratch: Path) -> Server:
    return Server([sys.executable, "-m", "bench.peers.bare_starlette"], model)


def litserve(model: Path, scratch: Path) -> Server:
    """LitServe in an environment that holds nothing of `.venv`."""
    try:
        uv = packages.uv()
    except packages.SetupError as error:
        raise NotMeasured(str(error)) from None
    wanted = [f"litserve=={LITSERVE}", *(f"{name}=={importlib.metadata.version(name)}" for name in SAME_VERSIONS)]
    inside = [uv, "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable]
    inside += [argument for requirement in wanted for argument in ("--with", requirement)]
    # Fetched before the server has to be healthy in time.
    _prepare([*inside, "python", "-c", "import litserve"])
    return Server([*inside, "python", "-m", "bench.peers.litserve_api"], model)


def node(model: Path, scratch: Path) -> Server:
    """Our Node server, on the model converted for it."""
    program = shutil.which("node", path=packages.environment()["PATH"])
    if program is None or not NODE.is_file():
        raise NotMeasured("Node is not there, or its server was never built: make setup")
    # In a process of its own: TensorFlow stays out of the one that times.
    _prepare([sys.executable, "-m", "ml.export.tfjs", str(model), str(scratch / "tfjs")])
    return Server([program, str(NODE)], scratch / "tfjs")


SERVERS: dict[str, Callable[[Path, Path], Server]] = {
    OURS: ours,
    f"LitServe {LITSERVE}": litserve,
    "bare Starlette": bare_starlette,
    "serving/node": node,
}


def _prepare(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"not ready within 300 s: {' '.join(command)}") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or [f"code {error.returncode}"])[-1].strip()
        raise NotMeasured(f"{said} ({' '.join(command)})") from None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def _running(server: Server) -> Iterator[int]:
    """The server as a process group of its own; yields its port once it is healthy."""
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if name != "WEB_CONCURRENCY"}
    environment |= {"AIP_STORAGE_URI": str(server.model), "AIP_HTTP_PORT": str(port)}
    silent = subprocess.DEVNULL
    process = subprocess.Popen(server.command, env=environment, stdout=silent, stderr=silent, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            if process.poll() is not None or time.monotonic() > deadline:
                by_hand = f"AIP_STORAGE_URI={server.model} AIP_HTTP_PORT={port} {' '.join(server.command)}"
                raise NotMeasured(f"not healthy within {START_SECONDS} s; see why: {by_hand}")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        # LitServe's workers outlive the process that started them.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Client(asyncio.Protocol):
    """One keep-alive connection that sends the same request as soon as the last answer is in."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request, self.until = request, until
        self.latencies: list[float] = []
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"a request failed: {self.buffer[:200]!r}")
        self.buffer = b""
        now = time.perf_counter()
        self.latencies.append(now - self.sent)
        if now < self.until:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


async def _load(port: int, body: bytes, seconds: float) -> tuple[float, list[float]]:
    """Requests per second and latencies in seconds."""
    loop = asyncio.get_running_loop()
    request = b"POST /predict HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    started = time.perf_counter()
    clients = [(await loop.create_connection(lambda: _Client(request, started + seconds), "127.0.0.1", port))[1] for _ in range(CLIENTS)]
    await asyncio.gather(*(client.closed for client in clients))
    latencies = [latency for client in clients for latency in client.latencies]
    return len(latencies) / (time.perf_counter() - started), latencies


def _label(port: int, body: bytes) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, {"Content-Type": "application/json"})
    try:
        answer = urllib.request.urlopen(request, timeout=10).read()
    except OSError as error:
        raise NotMeasured(f"it does not answer: {error}") from None
    return json.loads(answer)["predictions"][0]["label"]


def picture() -> bytes:
    """A 28 x 28 grey PNG of noise, the same in every run."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (28, 28), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def compare(model: Path, seconds: float = SECONDS) -> dict[str, Any]:
    """Every server that can be had on `model`, turn by turn.

    Raises:
        NotMeasured: when ours does not start, or there is no server to compare it with.
    """
    body = json.dumps({"instances": [{"b64": base64.b64encode(picture()).decode()}]}).encode()
    servers: dict[str, Server] = {}
    rates: dict[str, list[float]] = {}
    latencies: dict[str, list[float]] = {}
    labels: dict[str, Any] = {}
    missing: dict[str, str] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for name, server in SERVERS.items():
            try:
                servers[name] = server(model, Path(scratch))
            except NotMeasured as error:
                missing[name] = str(error)
        for _ in range(ROUNDS):
            for name in [name for name in servers if name not in missing]:
                try:
                    with _running(servers[name]) as port:
                        labels[name] = _label(port, body)
                        if labels[name] != labels[OURS]:
                            raise SystemExit(f"the servers disagree about the same picture: {labels}; a comparison would mean nothing")
                        asyncio.run(_load(port, body, WARM_SECONDS))
                        rate, seen = asyncio.run(_load(port, body, seconds))
                except NotMeasured as error:
                    if name == OURS:
                        raise
                    missing[name] = str(error)
                    continue
                rates.setdefault(name, []).append(rate)
                latencies.setdefault(name, []).extend(seen)
    measured = {name: rates[name] for name in rates if name not in missing}
    if set(measured) <= {OURS}:
        raise NotMeasured("; ".join(f"{name}: {reason}" for name, reason in missing.items()))
    return {
        "clients": CLIENTS,
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": round(load, 2),
        "seconds": seconds,
        "rounds": ROUNDS,
        "servers": {name: _figures(measured[name], latencies[name]) for name in measured},
        "ours_over": {name: _ratio(measured[OURS], measured[name]) for name in measured if name != OURS},
        "not_measured": missing,
    }


def _figures(rates: Sequence[float], latencies: Sequence[float]) -> dict[str, float]:
    return {
        "requests_per_second": round(statistics.median(rates)),
        "p50_ms": round(1000 * statistics.median(latencies), 2),
        "p99_ms": round(1000 * statistics.quantiles(latencies, n=100)[98], 2),
    }


def _ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """Median over the rounds: what disturbs a round disturbs both of its turns."""
    return round(statistics.median(a / b for a, b in zip(first, second, strict=True)), 2)


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL, help="a vision model of 28 x 28 grey pictures (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="per server and round")
    arguments = parser.parse_args()
    if not (arguments.model / "model.tflite").is_file():
        print(f"{arguments.model} holds no model, so nothing was measured. Make one: make train TASK=vision LIMIT=2000", file=sys.stderr)
        return 2
    try:
        print(json.dumps(compare(arguments.model, arguments.seconds), indent=1))
    except NotMeasured as error:
        print(f"Nothing was measured. {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
