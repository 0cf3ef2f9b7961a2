"""Requests per second of our prediction server beside a bare Starlette app, on the same model and the same picture.

`python -m bench.serving` prints JSON. The two take turns, so that a noisy machine disturbs both alike; each
answer is compared once before it is timed. The peer is what one writes in ten minutes: `request.json()`, Pillow, LiteRT,
`JSONResponse`; no limits, no logs, no health.
"""

import argparse
import asyncio
import base64
import contextlib
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLIENTS = 8
SECONDS = 3.0
ROUNDS = 3
PEER = "bench.peers.bare_starlette"
MODEL = Path("build/train/vision/model")
OURS = "serving.python"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def _server(module: str, model: Path) -> Iterator[int]:
    """A server as its own process; yields its port once it is healthy."""
    port = _free_port()
    # Each server as it starts by itself: ours on every core, the peer on one.
    environment = {name: value for name, value in os.environ.items() if name != "WEB_CONCURRENCY"}
    environment |= {"AIP_STORAGE_URI": str(model), "AIP_HTTP_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{module} did not become healthy; run it by hand with AIP_STORAGE_URI={model} to see why")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
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
    answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/predict", body, timeout=10).read()
    return json.loads(answer)["predictions"][0]["label"]


def picture() -> bytes:
    """A 28 x 28 grey PNG of noise, the same in every run."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (28, 28), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def compare(model: Path, seconds: float = SECONDS) -> dict[str, Any]:
    """Both servers on `model`, turn by turn."""
    body = json.dumps({"instances": [{"b64": base64.b64encode(picture()).decode()}]}).encode()
    rates: dict[str, list[float]] = {OURS: [], PEER: []}
    latencies: dict[str, list[float]] = {OURS: [], PEER: []}
    with _server(OURS, model) as ours, _server(PEER, model) as peer:
        ports = {OURS: ours, PEER: peer}
        labels = {name: _label(port, body) for name, port in ports.items()}
        if len(set(labels.values())) != 1:
            raise SystemExit(f"the servers disagree about the same picture: {labels}; a comparison of speed would mean nothing")
        for _ in range(ROUNDS):
            for name, port in ports.items():
                rate, seen = asyncio.run(_load(port, body, seconds))
                rates[name].append(rate)
                latencies[name] += seen
    figures = {
        name: {
            "requests_per_second": round(statistics.median(rates[name])),
            "p50_ms": round(1000 * statistics.median(latencies[name]), 2),
            "p99_ms": round(1000 * statistics.quantiles(latencies[name], n=100)[98], 2),
        }
        for name in rates
    }
    ratio = statistics.median(ours / peer for ours, peer in zip(rates[OURS], rates[PEER], strict=True))
    return {
        "clients": CLIENTS,
        "seconds": seconds,
        "rounds": ROUNDS,
        "ours": figures[OURS],
        "peer": figures[PEER],
        "ratio": round(ratio, 2),
    }


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL, help="a vision model of 28 x 28 grey pictures (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="per server and round")
    arguments = parser.parse_args()
    if not (arguments.model / "model.tflite").is_file():
        print(f"{arguments.model} holds no model, so nothing was measured. Make one: make train TASK=vision LIMIT=500", file=sys.stderr)
        return 2
    print(json.dumps(compare(arguments.model, arguments.seconds), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
