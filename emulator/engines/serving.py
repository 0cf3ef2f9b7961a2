"""Deployed models as processes: a container's HTTP server on a loopback port, with the variables that Vertex AI gives it.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import urllib3

from emulator.behaviours import Refusal
from emulator.engines import registry
from emulator.engines.pipelines import containers
from emulator.processes.command import Command, Ended
from emulator.processes.said import Said
from emulator.processes.supervisor import Process
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

START_SECONDS = 120.0
"""Time that a server has to become healthy, unless the model's `deploymentTimeout` says otherwise."""
ANSWER_SECONDS = 60.0
"""Vertex AI's limit for one prediction."""
RECONNECT = urllib3.Retry(3, status=0, redirect=0, backoff_factor=0.05, allowed_methods=None, raise_on_status=False)
"""A server may drop a connection that waits in its queue, or that it has kept for long; a prediction can be asked for again."""
CHUNK = 1 << 16
HEALTH_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.25
CONNECTIONS = 32
"""Predictions that one emulator forwards at a time."""


@dataclass(eq=False)
class Server:
    """A running container."""

    process: Process
    pool: urllib3.HTTPConnectionPool
    predict_route: str
    ended: asyncio.Task[Ended]
    said: Said
    requests: set[object] = field(default_factory=set)
    """Predictions that it is at work on."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is at work on none any more."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While it is at work on one prediction."""
        mark = object()
        self.requests.add(mark)
        self.idle.clear()
        try:
            yield
        finally:
            self.requests.discard(mark)
            if not self.requests:
                self.idle.set()


class Servers:
    """The deployed models that run; a server that is not running is started by the first request for it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.folder = cloud.state / "serving"
        shutil.rmtree(self.folder, ignore_errors=True)
        self._running: dict[tuple[str, str], Server] = {}
        self._threads = ThreadPoolExecutor(CONNECTIONS)
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def open(self, endpoint: str, deployed: Json, model: Json) -> Server:
        """The healthy server of a deployed model.

        Raises:
            Refusal: when its image is unknown, it ends, or it does not become healthy in time.
        """
        key = (endpoint, deployed["id"])
        async with self._locks.setdefault(key, asyncio.Lock()):
            server = self._running.get(key)
            if server is None or server.ended.done():
                server = await self._start(endpoint, deployed, model)
                self._running[key] = server
            return server

    async def ask(self, server: Server, body: bytes, content_type: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a server's answer to a prediction request."""
        with server.at_work():
            answer = await self._answer(server, body, content_type)
            return answer.status, answer.headers.get("Content-Type", "application/json"), answer.data

    async def stream(self, server: Server, body: bytes, content_type: str) -> tuple[int, str, AsyncIterator[bytes]]:
        """As `ask`, but the body comes as the server writes it."""
        with server.at_work():
            answer = await self._answer(server, body, content_type, preload_content=False)

        async def parts() -> AsyncIterator[bytes]:
            loop = asyncio.get_running_loop()
            with server.at_work():
                try:
                    while part := await loop.run_in_executor(self._threads, answer.read1, CHUNK):
                        yield part
                except urllib3.exceptions.HTTPError:
                    # The head has been sent: a body that ends before its end is all that can be told.
                    raise ConnectionError(f"The model server broke off. Its last line was: {server.said.last}") from None
                finally:
                    answer.close()

        return answer.status, answer.headers.get("Content-Type", "application/json"), parts()

    async def _answer(self, server: Server, body: bytes, content_type: str, **keywords: Any) -> urllib3.BaseHTTPResponse:
        try:
            headers = {"Content-Type": content_type}
            asked = self._request(server, "POST", server.predict_route, body=body, headers=headers, timeout=ANSWER_SECONDS, **keywords)
            return await asyncio.wait_for(asked, ANSWER_SECONDS)
        except TimeoutError:
            message = f"The model server did not answer within {ANSWER_SECONDS:.0f} s. Its last line was: {server.said.last}"
            raise Refusal(504, "DEADLINE_EXCEEDED", message) from None
        except urllib3.exceptions.HTTPError as error:
            message = f"The model server did not answer: {error}. Its last line was: {server.said.last}"
            raise Refusal(503, "UNAVAILABLE", message) from None

    async def close(self, endpoint: str, deployed_id: str) -> None:
        """End the server of a deployed model, after the predictions that it is at work on."""
        server = self._running.pop((endpoint, deployed_id), None)
        if server is not None and not server.ended.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    while server.requests:
                        await server.idle.wait()
            server.process.stop()
            await server.ended

    async def _start(self, endpoint: str, deployed: Json, model: Json) -> Server:
        container = model.get("containerSpec", {})
        image = self.cloud.images.get(container.get("imageUri", ""))
        program = containers.program(container, image.entry_point)
        port = _free_port()
        path = f"/v1/endpoints/{endpoint.rpartition('/')[2]}/deployedModels/{deployed['id']}"
        health, predict = container.get("healthRoute") or path, container.get("predictRoute") or f"{path}:predict"
        project = endpoint.split("/")[1]
        folder = self.folder / deployed["id"]
        registry.let_read(self.cloud.store, model, self.cloud.account_of(deployed.get("serviceAccount", ""), project))
        said = Said()

        def log(line: str) -> None:
            said.add(line)
            self.cloud.log(endpoint, f"[{deployed['id']}] {line}")

        command = Command(
            form=program.form,
            arguments=program.words,
            source=program.source,
            preload=image.preload,
            folder=str(folder),
            environment={
                **self.cloud.environment_of(deployed.get("serviceAccount", ""), project),
                "GOOGLE_CLOUD_PROJECT": project,
                "AIP_HTTP_PORT": str(port),
                "AIP_HEALTH_ROUTE": health,
                "AIP_PREDICT_ROUTE": predict,
                "AIP_STORAGE_URI": registry.address(model),
                "AIP_MODE": "PREDICTION",
                "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
                "AIP_PROJECT_NUMBER": project_number(project),
                "AIP_ENDPOINT_ID": endpoint.rpartition("/")[2],
                "AIP_DEPLOYED_MODEL_ID": deployed["id"],
                "AIP_MODEL_NAME": model["name"].rpartition("/")[2],
                "AIP_VERSION_NAME": deployed["id"],
                "AIP_MACHINE_TYPE": deployed.get("dedicatedResources", {}).get("machineSpec", {}).get("machineType", ""),
                **{variable["name"]: variable.get("value", "") for variable in container.get("env", [])},
            },
        )
        process = await self.cloud.supervisor.start(command, log)
        pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=CONNECTIONS, retries=RECONNECT)
        server = Server(process, pool, predict, asyncio.create_task(process.wait()), said)
        limit = float(str(container.get("deploymentTimeout", "")).rstrip("s") or START_SECONDS)
        fault = await self._unhealthy(server, health, limit)
        if fault:
            process.stop()
            await server.ended
            message = (
                f"Model server for {model['name']} {fault}. The model was not deployed. Its last line was: {said.last} "
                f"(log of {endpoint}). Mend the container, or its healthRoute {health}, and deploy again."
            )
            raise Refusal(400, "FAILED_PRECONDITION", message)
        return server

    async def _request(self, server: Server, method: str, route: str, **keywords: Any) -> urllib3.BaseHTTPResponse:
        """A request to a server, in a thread."""
        request = partial(server.pool.request, method, route, **keywords)
        return await asyncio.get_running_loop().run_in_executor(self._threads, request)

    async def _unhealthy(self, server: Server, route: str, limit: float) -> str:
        """Wait until the server is healthy; what is wrong when it does not get there."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + limit, FIRST_PAUSE_SECONDS
        while loop.time() < deadline:
            if server.ended.done():
                return f"ended with exit code {server.ended.result().code}"
            try:
                answer = await self._request(server, "GET", route, timeout=HEALTH_SECONDS, retries=False)
                if answer.status == 200:
                    return ""
            except urllib3.exceptions.HTTPError:
                # Not listening yet.
                pass
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return f"was not healthy within {limit:.0f} s"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
