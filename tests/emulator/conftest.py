"""A local Google Cloud inside the test's process: the true behaviours and engines, without the gateway."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emulator import behaviours, dispatch
from emulator.cloud import Cloud
from emulator.images import Image, Images

LOCATION = "projects/acme-test/locations/europe-west4"
BUCKET = "acme-test-bucket"
IMAGES = Images(
    {
        "pipelines": Image(("python", "-m", "kfp.dsl.executor_main"), ("kfp.dsl.executor_main", "numpy.random")),
        "shell": Image(("sh",)),
        "server": Image((sys.executable, str(Path(__file__).with_name("model_server.py")))),
    }
)


@dataclass
class Local:
    """The cloud, and the event loop in which it lives."""

    state: Path
    runner: asyncio.Runner
    cloud: Cloud
    location: str = LOCATION
    bucket: str = BUCKET

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def ask(self, http: str, path: str, body: Any = None, host: str = "europe-west4-aiplatform.googleapis.com") -> tuple[int, Any]:
        """Status and JSON of the answer to a request; a path that is no absolute one is below the test's location."""
        path, _, query = path.partition("?")
        path = path if path.startswith("/") else f"/v1/{path if path.startswith('projects/') else f'{LOCATION}/{path}'}"
        request = dispatch.Request(http, host, path, query, {"content-type": "application/json"}, json.dumps(body or {}).encode())
        answer = await dispatch.answer(request, self.cloud)
        assert isinstance(answer.body, bytes)
        return answer.status, json.loads(answer.body or b"{}")

    def call(self, http: str, path: str, body: Any = None, **where: str) -> tuple[int, Any]:
        status, answer = self.run(self.ask(http, path, body, **where))
        return status, answer

    def restart(self) -> None:
        """As after a kill: what was in memory is gone, the state is there."""
        self.run(self.cloud.close())
        self.cloud = self.run(started(self.state))


async def started(state: Path) -> Cloud:
    cloud = Cloud(state, {}, IMAGES)
    behaviours.load()
    for start in behaviours.STARTS:
        await start(cloud)
    return cloud


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """One cloud for a module of tests, with one bucket."""
    state = tmp_path_factory.mktemp("state")
    with asyncio.Runner() as runner:
        running = Local(state, runner, runner.run(started(state)))
        body = {"name": BUCKET, "location": "EUROPE-WEST4"}
        status, answer = running.call("POST", "/storage/v1/b?project=acme-test", body, host="storage.googleapis.com")
        assert status == 200, answer
        try:
            yield running
        finally:
            runner.run(running.cloud.close())
