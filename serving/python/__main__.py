"""`python -m serving.python`: serves the model that the `AIP_*` variables name until it is told to stop."""

import argparse
import asyncio
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import uvicorn

from serving.python import workers
from serving.python.artifact import fetch
from serving.python.logs import log
from serving.python.model import Model
from serving.python.server import application
from serving.python.settings import ServingError, Settings

SHUTDOWN_SECONDS = 10
"""How long requests in flight may take after SIGTERM."""
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep an idle connection, so that they close it first and no request meets a closed one."""
CONNECTIONS = 512
"""Beyond this many at once a worker answers 503, so that a burst is shed instead of queued until it times out."""


def main() -> int:
    """Run the server; the exit status is 0 after a clean stop."""
    parser = argparse.ArgumentParser(prog="python -m serving.python", description=__doc__)
    parser.add_argument("--host", default=os.environ.get("SERVING_HOST", "127.0.0.1"), help="address (default: SERVING_HOST, or loopback)")
    parser.add_argument("--workers", type=int, help="processes (default: WEB_CONCURRENCY, or the cores)")
    arguments = parser.parse_args()
    # uvicorn hands a signal on after its graceful stop; without a handler the process would die of it before cleaning up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = Settings.of(os.environ)
        count = arguments.workers or workers.default()
        # The socket is there before the model, for Vertex AI's liveness probe; health is answered only after it.
        listener = _listen(arguments.host, settings.port)
        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            model = Model(fetch(settings.storage_uri, Path(folder)))
        log("INFO", f"serving {settings.storage_uri} on {arguments.host}:{settings.port} with {count} workers")
        return workers.run(count, lambda: _serve(settings, model, listener))
    except ServingError as error:
        log("ERROR", str(error))
        return 1


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=CONNECTIONS)
    except OSError as error:
        raise ServingError(f"{host}:{port} cannot be listened on: {error.strerror}. Set AIP_HTTP_PORT to a free port.") from None
    # asyncio does this only for sockets that it opened itself; without it each answer waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _serve(settings: Settings, model: Model, listener: socket.socket) -> None:
    configuration = uvicorn.Config(
        application(settings, model),
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan="off",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    asyncio.run(uvicorn.Server(configuration).serve(sockets=[listener]))


if __name__ == "__main__":
    sys.exit(main())
