"""HTTP/1.1 on asyncio streams, as much of it as Google's clients speak.

It is written out here because some clients need what servers do not give: TensorFlow compares header names case-sensitively (`Location`,
`Range`) and sends `Transfer-Encoding: identity` beside a length.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from emulator.behaviours import Refusal, Response
from emulator.dispatch import Request

HEAD_LIMIT = 1 << 20
READ_LIMIT = 1 << 22
CHUNK = 1 << 16
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
Answer = Callable[[Request], Awaitable[Response]]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, host: str) -> None:
    """Answers the requests of one connection until it ends.

    Args:
        reader: What the client sends.
        writer: To the client.
        answer: Answers one request.
        host: Host of requests that name none.
    """
    try:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                await _write(writer, "GET", _refused(431, "The request's head is too large."), keep=False)
                return
            try:
                _acknowledge(writer)
                request, keep = await _request(head, reader, writer, host)
            except ValueError as error:
                await _write(writer, "GET", _refused(400, f"Malformed request: {error}"), keep=False)
                return
            response = await answer(request)
            await _write(writer, request.http, response, keep)
            if not keep:
                return
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, TimeoutError):
        # The client left; there is nobody to tell.
        return
    finally:
        writer.close()


def _acknowledge(writer: asyncio.StreamWriter) -> None:
    """Acknowledge the head at once: urllib3 leaves Nagle's algorithm on behind a proxy, and so holds the body back for 40 ms otherwise."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _request(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> tuple[Request, bool]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    http, target, version = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"header {line!r}")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    if headers.get("content-encoding") == "gzip" and "json" in headers.get("content-type", ""):
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"the body is no gzip: {error}") from error
    path, _, query = target.partition("?")
    named = headers.get("host", host).partition(":")[0]
    keep = headers.get("connection", "").lower() != "close" and version == "HTTP/1.1"
    return Request(http, named, path, query, headers, body), keep


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while True:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        part = await reader.readexactly(size + 2)
        if not size:
            return b"".join(parts)
        parts.append(part[:-2])


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
        async for part in _pieces(body) if isinstance(body, bytes) else body:
            if part:
                writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" if chunked else part)
                await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), READ_LIMIT):
        yield body[start : start + READ_LIMIT]


def _refused(status: int, message: str) -> Response:
    return Response.of(Refusal(status, "INVALID_ARGUMENT", message).body(), status)
