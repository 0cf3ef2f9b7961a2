"""HTTP/1.1 on asyncio streams, as much of it as Google's clients speak.

It is written out here because some clients need what servers do not give: TensorFlow compares header names case-sensitively (`Location`,
`Range`) and sends `Transfer-Encoding: identity` beside a length.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from emulator.behaviours import Refusal, Response
from emulator.dispatch import Request, takes_files
from emulator.gateway import bodies

HEAD_LIMIT = 1 << 20
READ_LIMIT = 1 << 22
CHUNK = 1 << 16
LINGER_SECONDS = 2.0
"""How long a client that was refused may go on sending: one whose connection is cut while it sends never reads the answer."""
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
Answer = Callable[[Request], Awaitable[Response]]


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, host: str, spool: bodies.Spool | None = None
) -> None:
    """Answers the requests of one connection until it ends.

    Args:
        reader: What the client sends.
        writer: To the client.
        answer: Answers one request.
        host: Host of requests that name none.
        spool: Makes the files for large bodies; without it, there are none.
    """
    try:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                await _refuse(reader, writer, Refusal(431, "INVALID_ARGUMENT", "The request's head is too large."))
                return
            try:
                _acknowledge(writer)
                request, keep = await _request(head, reader, writer, host, spool)
            except Refusal as refusal:
                await _refuse(reader, writer, refusal)
                return
            except (ValueError, asyncio.LimitOverrunError) as error:
                await _refuse(reader, writer, Refusal(400, "INVALID_ARGUMENT", f"Malformed request: {error}"))
                return
            try:
                response = await answer(request)
                await _write(writer, request.http, response, keep)
            finally:
                if request.file is not None:
                    request.file.unlink(missing_ok=True)
            if not keep:
                return
    except (OSError, EOFError, zlib.error):
        # The client left, or what is being sent cannot be read to its end: the answer has begun, and breaking it off is all that tells.
        return
    finally:
        writer.close()


def _acknowledge(writer: asyncio.StreamWriter) -> None:
    """Acknowledge the head at once: urllib3 leaves Nagle's algorithm on behind a proxy, and so holds the body back for 40 ms otherwise."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _request(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, spool: bodies.Spool | None
) -> tuple[Request, bool]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    http, target, version = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"header {line!r}")
        headers[name.strip().lower()] = value.strip()
    path, _, query = target.partition("?")
    named = headers.get("host", host).partition(":")[0]
    size = bodies.length(headers)
    # Which route answers is looked up once more, so only for a body to which it matters.
    matters = size is None or size > bodies.MEMORY_BYTES or "content-encoding" in headers
    filed = spool if matters and takes_files(http, named, path) else None
    bodies.admit(size or 0, filed)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body, file = await bodies.read(reader, size, filed)
    if filed is None and headers.get("content-encoding") == "gzip" and "json" in headers.get("content-type", ""):
        body = bodies.plain(body)
    keep = headers.get("connection", "").lower() != "close" and version == "HTTP/1.1"
    return Request(http, named, path, query, headers, body, file), keep


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    await _write(writer, "GET", Response.of(refusal.body(), refusal.status), keep=False)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while await reader.read(READ_LIMIT):
                continue


async def _write(writer: asyncio.StreamWriter, http: str, response: Response, keep: bool) -> None:
    headers = {"Content-Type": response.content_type, "Server": "local-google-cloud", **response.headers}
    body = response.body
    if not keep:
        headers["Connection"] = "close"
    if isinstance(body, bytes) and response.status not in (204, 304):
        headers.setdefault("Content-Length", str(len(body)))
    chunked = not isinstance(body, bytes) and "Content-Length" not in headers
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    phrase = HTTPStatus(response.status).phrase if response.status in HTTPStatus.__members__.values() else ""
    # Values may be a client's own (the content type of an object): a line break in one would begin another header.
    lines = "".join(f"{name.title()}: {UNPRINTABLE.sub(' ', value)}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {response.status} {phrase}\r\n{lines}\r\n".encode("latin-1", "replace"))
    if http != "HEAD":
        async with _closing(_pieces(body) if isinstance(body, bytes) else body) as parts:
            async for part in parts:
                if part:
                    writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" if chunked else part)
                    await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
    await writer.drain()


@contextlib.asynccontextmanager
async def _closing(parts: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """What a stream holds open is let go at once where the client leaves."""
    try:
        yield parts
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), READ_LIMIT):
        yield body[start : start + READ_LIMIT]
