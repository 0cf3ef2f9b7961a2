"""Speaks the prediction contract over HTTP: `{"instances": […]}` in, `{"predictions": […]}` or `{"error": "…"}` out."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Protocol

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml.export.pictures import InstanceError
from serving.python.logs import log
from serving.python.settings import Settings

BODY_LIMIT = 10 * 2**20
"""Bytes; what a dedicated Vertex AI endpoint lets through."""
INSTANCES_LIMIT = 256
INLINE_LIMIT = 16 * 2**10
"""Bytes. A smaller body is predicted on the event loop, where a thread's hand-over would cost as much as the prediction;
a larger one goes to a thread, so that health probes are answered while pictures are decoded. Deflate unfolds 1000 to 1, so
what is decoded on the loop never has more than 16 million pixels."""


class Predictor(Protocol):
    """What the server needs of a model."""

    def predict(self, instances: Sequence[Any]) -> list[dict[str, Any]]:
        """One prediction for each instance; raises `InstanceError` for the first bad one."""


def application(settings: Settings, model: Predictor) -> ASGIApp:
    """The server's ASGI application.

    Args:
        settings: which routes to answer.
        model: what answers.
    """
    threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="predict")

    async def health(request: Request) -> Response:
        return _json({"status": "ready"})

    async def predict(request: Request) -> Response:
        body = await _body(request)
        instances = _instances(body)
        try:
            if len(body) <= INLINE_LIMIT:
                predictions = model.predict(instances)
            else:
                predictions = await asyncio.get_running_loop().run_in_executor(threads, model.predict, instances)
        except InstanceError as error:
            raise HTTPException(400, str(error)) from None
        return _json({"predictions": predictions})

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _json({"error": error.detail}, error.status_code)

    async def failed(request: Request, error: Exception) -> Response:
        # What went wrong is for the log; the caller learns nothing about files or code.
        return _json({"error": "internal error"}, 500)

    routes = [Route(settings.health_route, health, methods=["GET"]), Route(settings.predict_route, predict, methods=["POST"])]
    return RequestLog(Starlette(routes=routes, exception_handlers={HTTPException: refused, Exception: failed}), settings.health_route)


async def _body(request: Request) -> bytes:
    """The request's body, refused as soon as it is seen to be too large."""
    too_large = HTTPException(413, f"the body is larger than {BODY_LIMIT} bytes; send fewer or smaller instances")
    if int(request.headers.get("content-length") or 0) > BODY_LIMIT:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise too_large
    return bytes(body)


def _instances(body: bytes) -> list[Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HTTPException(400, 'the body is not JSON; send {"instances": […]}') from None
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list) or not instances:
        raise HTTPException(400, 'the body holds no instances; send {"instances": […]} with at least one')
    if len(instances) > INSTANCES_LIMIT:
        raise HTTPException(400, f"{len(instances)} instances in one request; send at most {INSTANCES_LIMIT}")
    return instances


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


class RequestLog:
    """Logs each request with status and latency; health probes only when they fail."""

    def __init__(self, app: ASGIApp, health_route: str) -> None:
        self.app = app
        self.health_route = health_route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and write its line when it is answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        status, size = 500, 0

        async def observed(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        error = ""
        try:
            await self.app(scope, receive, observed)
        except Exception as exception:
            # The application has answered 500; the server would only print a traceback, one line per frame.
            error = f"{type(exception).__name__}: {exception}"
        if scope["path"] == self.health_route and status == 200:
            return
        request = {
            "requestMethod": scope["method"],
            "requestUrl": scope["path"],
            "status": status,
            "responseSize": str(size),
            "latency": f"{perf_counter() - started:.6f}s",
        }
        log("ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO", error or "request", httpRequest=request)
