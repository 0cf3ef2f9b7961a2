"""Requests that the local Google Cloud makes by itself: to one of its own APIs, or to a server on this machine, and to nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from emulator.engines.push import LOOPBACK, send

if TYPE_CHECKING:
    from emulator.cloud import Cloud


async def request(cloud: Cloud, http: str, uri: str, headers: dict[str, str], body: bytes, seconds: float) -> int:
    """Sends one request and returns the status of its answer.

    Args:
        cloud: The local Google Cloud.
        http: HTTP method.
        uri: `https://aiplatform.googleapis.com/…` is answered here, without a connection; `http://127.0.0.1:…` is called.
        headers: What is sent with it.
        body: As it is sent.
        seconds: How long the answer may take.

    Raises:
        OSError: Nothing answered, or the host is not on this machine.
        TimeoutError: The time was over.
    """
    from emulator import dispatch
    from emulator.gateway.authority import answers_for

    parts = urlsplit(uri)
    host = parts.hostname or ""
    async with asyncio.timeout(seconds):
        if parts.scheme == "https" and answers_for(host):
            lower = {name.lower(): value for name, value in headers.items()}
            response = await dispatch.answer(dispatch.Request(http, host, parts.path, parts.query, lower, body), cloud)
            if not isinstance(response.body, bytes):
                async for _ in response.body:
                    pass
            return response.status
        if host not in LOOPBACK:
            raise OSError(f"{host} is not on this machine, and a local run reaches nothing else")
        return await send(http, uri, body, headers, seconds)
