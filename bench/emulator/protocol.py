"""Start, idle memory, and the GET of one resource: answered directly, over REST through the gateway, and over gRPC through its bridge."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.emulator.cloud import PROJECT, REGION, megabytes, running

CALLS = 1000
WARM_UP = 50
TARGETS = {"start_seconds": 1.5, "idle_mb": 150, "direct_ms": 1.5, "gateway_ms": 3.0}


def measure() -> dict[str, float]:
    """Seconds, MB, and medians in milliseconds over `CALLS` calls."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "state")
        with running(state):
            pass  # the first start makes keys and certificates, and Python its bytecode
        begun = time.perf_counter()
        with running(state) as process:
            start = time.perf_counter() - begun
            name, rest, grpc = _clients()
            time.sleep(3)
            idle = megabytes(process.pid, "VmRSS")
            found = {"start_seconds": start, "idle_mb": idle, "gateway_ms": _median(rest), "grpc_ms": _median(grpc)}
        return {key: round(value, 3) for key, value in {**found, "direct_ms": _direct(state, name)}.items()}


def _clients() -> tuple[str, Callable[[], Any], Callable[[], Any]]:
    """An endpoint, and two ways in which a client gets it over a connection that is open."""
    import google.auth
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud import aiplatform_v1

    host = f"{REGION}-aiplatform.googleapis.com"
    client = aiplatform_v1.EndpointServiceClient(client_options={"api_endpoint": host})
    parent = f"projects/{PROJECT}/locations/{REGION}"
    name = str(client.create_endpoint(parent=parent, endpoint=aiplatform_v1.Endpoint(display_name="measured")).result().name)
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = AuthorizedSession(credentials)

    def rest() -> None:
        assert session.get(f"https://{host}/v1/{name}").status_code == 200

    return name, rest, lambda: client.get_endpoint(name=name)


def _median(call: Callable[[], Any]) -> float:
    for _ in range(WARM_UP):
        call()
    taken = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def _direct(state: Path, name: str) -> float:
    """The same call without a client and a connection."""
    from emulator import behaviours, dispatch
    from emulator.cloud import Cloud
    from emulator.identity import E_MAIL, access_token
    from emulator.images import Images

    headers = {"authorization": f"Bearer {access_token(E_MAIL)}"}
    request = dispatch.Request("GET", f"{REGION}-aiplatform.googleapis.com", f"/v1/{name}", "", headers, b"")
    behaviours.load()
    with asyncio.Runner() as runner:

        async def opened() -> Cloud:
            return Cloud(state, {}, Images({}))

        cloud = runner.run(opened())

        def call() -> None:
            assert runner.run(dispatch.answer(request, cloud)).status == 200

        try:
            return _median(call)
        finally:
            runner.run(cloud.close())
