"""Bodies of any size: large ones go through files, none leaves anything behind, and what cannot be taken is refused before it is sent."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from emulator import dispatch
from emulator.behaviours import Response
from emulator.gateway import bodies, http

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

CONTENT = random.Random(3).randbytes(bodies.MEMORY_BYTES + 300_001)
SMALL = b"small"
UPLOAD = "/upload/storage/v1/b/acme-test-bucket/o"


@asynccontextmanager
async def connected(local: Local) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client's end of a connection to the emulator, behind its TLS."""

    async def answer(request: dispatch.Request) -> Response:
        return await dispatch.answer(request, local.cloud)

    near, far = socket.socketpair()
    server_reader, server_writer = await asyncio.open_connection(sock=far, limit=http.READ_LIMIT)
    serving = asyncio.ensure_future(
        http.serve(server_reader, server_writer, answer, "storage.googleapis.com", local.cloud.objects.incoming)
    )
    reader, writer = await asyncio.open_connection(sock=near)
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.wait_for(serving, 10)


def head(http_method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{http_method} {path} HTTP/1.1\r\nHost: storage.googleapis.com\r\n{lines}\r\n".encode()


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(lines.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
    return int(lines.split(" ")[1]), await reader.readexactly(length)


def asked(local: Local, *pieces: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to one request."""

    async def work() -> tuple[int, bytes]:
        async with connected(local) as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await answered(reader)

    status, body = local.run(work())
    return status, body


def left(local: Local) -> list[str]:
    return [path.name for path in (local.state / "objects" / ".incoming").iterdir()]


def chunked(content: bytes, sizes: Iterable[int]) -> bytes:
    parts, at = [], 0
    for size in sizes:
        part = content[at : at + size]
        parts.append(f"{len(part):x};x=1\r\n".encode() + part + b"\r\n" if part else b"")
        at += size
    return b"".join(parts) + b"0\r\nX-Trailer: 1\r\n\r\n"


@pytest.mark.parametrize("content", [SMALL, CONTENT], ids=["small", "large"])
@pytest.mark.parametrize("kind", ["media", "chunked", "multipart", "bare line feeds", "xml", "resumable"])
def test_content_of_any_size_arrives_whole_in_every_way_of_sending(local: Local, kind: str, content: bytes) -> None:
    length = {"Content-Length": str(len(content))}
    if kind == "media":
        status, _ = asked(local, head("POST", f"{UPLOAD}?uploadType=media&name=o", length), content)
    elif kind == "chunked":
        sizes = [1, 70_000, 3_000_000, len(content)]
        path = f"{UPLOAD}?uploadType=media&name=o"
        status, _ = asked(local, head("POST", path, {"Transfer-Encoding": "chunked"}), chunked(content, sizes))
    elif kind == "xml":
        status, _ = asked(local, head("PUT", "/acme-test-bucket/o", length), content)
    elif kind == "resumable":
        status, answer = local.call("POST", f"{UPLOAD}?uploadType=resumable&name=o", host="storage.googleapis.com")
        assert (status, answer) == (200, {})
        (session,) = [name for name, one in local.cloud.store.of("uploads").items() if "finished" not in one]
        cut = len(content) - 2
        path = f"{UPLOAD}?uploadType=resumable&upload_id={session}"
        first = {"Content-Length": str(cut), "Content-Range": f"bytes 0-{cut - 1}/{len(content)}"}
        assert asked(local, head("PUT", path, first), content[:cut])[0] == 308
        last = {"Content-Length": "2", "Content-Range": f"bytes {cut}-{len(content) - 1}/{len(content)}"}
        status, _ = asked(local, head("PUT", path, last), content[cut:])
    else:
        line = b"\n" if kind == "bare line feeds" else b"\r\n"
        metadata = line.join([b"--b", b"Content-Type: application/json", b"", b'{"name": "o"}', b"--b", b"Content-Type: text/x", b"", b""])
        body = metadata + content + line + b"--b--" + line
        headers = {"Content-Type": "multipart/related; boundary=b", "Content-Length": str(len(body))}
        status, _ = asked(local, head("POST", f"{UPLOAD}?uploadType=multipart", headers), body)
    assert status == 200
    assert local.cloud.objects.read("acme-test-bucket", "o") == content
    assert left(local) == []


def test_a_large_object_is_read_as_it_was_although_it_is_replaced_meanwhile(local: Local) -> None:
    local.cloud.objects.put("acme-test-bucket", "read", CONTENT)

    async def work() -> bytes:
        async with connected(local) as (reader, writer):
            writer.write(head("GET", "/acme-test-bucket/read", {}))
            await reader.readuntil(b"\r\n\r\n")
            begun = await reader.readexactly(10)
            local.cloud.objects.put("acme-test-bucket", "read", b"new")
            return begun + await reader.readexactly(len(CONTENT) - 10)

    assert local.run(work()) == CONTENT


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(local: Local) -> None:
    async def work() -> None:
        async with connected(local) as (_, writer):
            writer.write(head("POST", f"{UPLOAD}?uploadType=media&name=gone", {"Content-Length": str(2 * len(CONTENT))}) + CONTENT)
            await writer.drain()

    local.run(work())
    assert left(local) == []
    assert local.cloud.objects.get("acme-test-bucket", "gone") is None


def test_a_slow_upload_holds_up_nobody(local: Local) -> None:
    async def work() -> tuple[int, int]:
        async with connected(local) as (slow_reader, slow), connected(local) as (reader, writer):
            slow.write(head("POST", f"{UPLOAD}?uploadType=media&name=slow", {"Content-Length": str(len(CONTENT))}) + CONTENT[:-1])
            await slow.drain()
            writer.write(head("GET", "/storage/v1/b/acme-test-bucket", {}))
            other, _ = await asyncio.wait_for(answered(reader), 10)
            slow.write(CONTENT[-1:])
            return other, (await answered(slow_reader))[0]

    assert local.run(work()) == (200, 200)


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "+5", "", "9" * 30])
def test_a_length_that_is_none_is_refused(local: Local, length: str) -> None:
    status, _ = asked(local, head("POST", f"{UPLOAD}?uploadType=media&name=o", {"Content-Length": length}))
    assert status == 400


def test_an_upload_for_which_the_disk_has_no_room_is_refused_before_it_is_sent(local: Local) -> None:
    headers = {"Content-Length": str(10**17), "Expect": "100-continue"}
    status, answer = asked(local, head("POST", f"{UPLOAD}?uploadType=media&name=o", headers))
    assert status == 413
    assert "Free some space" in json.loads(answer)["error"]["message"]


def test_a_client_that_asks_whether_to_go_on_is_told_so(local: Local) -> None:
    async def work() -> tuple[bytes, int]:
        async with connected(local) as (reader, writer):
            writer.write(head("POST", f"{UPLOAD}?uploadType=media&name=o", {"Content-Length": "5", "Expect": "100-continue"}))
            told = await reader.readuntil(b"\r\n\r\n")
            writer.write(SMALL)
            return told, (await answered(reader))[0]

    assert local.run(work()) == (b"HTTP/1.1 100 Continue\r\n\r\n", 200)


def test_json_of_any_length_is_not_read(local: Local) -> None:
    path = "/storage/v1/b?project=acme-test"
    size = bodies.UNFILED_BYTES + 1
    assert asked(local, head("POST", path, {"Content-Length": str(size)}))[0] == 413
    packed = gzip.compress(b" " * size)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    assert asked(local, head("POST", path, headers), packed)[0] == 413


@pytest.mark.parametrize("line", [b"zz\r\n", b"-5\r\n", b"5\r\n123456\r\n", b"\r\n"])
def test_a_chunk_that_is_none_is_refused(local: Local, line: bytes) -> None:
    assert asked(local, head("POST", f"{UPLOAD}?uploadType=media&name=o", {"Transfer-Encoding": "chunked"}), line)[0] == 400
