"""Bodies of requests: small ones in memory, large ones in a file, and none larger than what answers it can take."""

from __future__ import annotations

import asyncio
import re
import shutil
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from emulator.behaviours import BLOCK, Refusal
from emulator.store import is_full

MEMORY_BYTES = 8 << 20
"""A body up to this size stays in memory."""
UNFILED_BYTES = 64 << 20
"""The largest body that is taken where no file is: JSON, batches, forms."""
IDLE_SECONDS = 600.0
"""A client that sends nothing for so long has left."""
LENGTH = re.compile(r"[0-9]{1,18}")
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(;.*)?\r\n")
GZIP = 31
Spool = Callable[[], Path]
"""A new file, which does not exist yet, for a large body."""


def length(headers: dict[str, str]) -> int | None:
    """Bytes of the body that follows a head; none where it comes in chunks of an unknown number.

    Raises:
        ValueError: The head says nothing that can be followed.
    """
    coding = headers.get("transfer-encoding", "identity").lower()
    if coding == "chunked":
        return None
    if coding != "identity":
        raise ValueError(f"the transfer encoding {coding[:40]!r} is unknown")
    declared = headers.get("content-length", "0")
    if not LENGTH.fullmatch(declared):
        raise ValueError(f"Content-Length {declared[:40]!r} is no number of bytes")
    return int(declared)


def admit(size: int, spool: Spool | None) -> None:
    """Refuses a body before it is sent.

    Args:
        size: Its declared bytes.
        spool: Makes the file for it; none where it must stay in memory.

    Raises:
        Refusal: It is too large for memory, or for the disk.
    """
    if spool is None and size > UNFILED_BYTES:
        message = f"The request's body has {size} bytes; only uploads may have more than {UNFILED_BYTES}. Nothing of it was read."
        raise Refusal(413, "", message, reason="uploadTooLarge")
    if spool is not None and size > MEMORY_BYTES:
        folder = spool().parent
        if size > (free := shutil.disk_usage(folder).free):
            message = f"The request's body has {size} bytes, and the disk that holds {folder} has room for {free}. Nothing of it was read."
            raise Refusal(413, "", f"{message} Free some space, then send it again.", reason="uploadTooLarge")


async def read(reader: asyncio.StreamReader, size: int | None, spool: Spool | None) -> tuple[bytes, Path | None]:
    """The body as bytes or, where it is large, as a file; if it does not arrive whole, nothing is left of it.

    Args:
        reader: Stands at the body's first byte.
        size: As of `length`.
        spool: As of `admit`.

    Raises:
        Refusal: A body of unknown length becomes too large.
        ValueError: A chunk is malformed.
        TimeoutError: The client fell silent.
    """
    held = bytearray()
    path: Path | None = None
    try:
        async for piece in _chunks(reader) if size is None else _pieces(reader, size):
            held += piece
            if spool is None:
                admit(len(held), None)
            elif len(held) >= (MEMORY_BYTES + 1 if path is None else BLOCK):
                path = path or spool()
                await asyncio.to_thread(_append, path, held)
                held.clear()
        if path is None:
            return bytes(held), None
        await asyncio.to_thread(_append, path, held)
        return b"", path
    except BaseException as error:
        if path is not None:
            path.unlink(missing_ok=True)
        if is_full(error):
            raise Refusal(413, "", "The disk has no room for the body. Free some space, then send it again.") from error
        raise


def plain(content: bytes) -> bytes:
    """What a gzip holds.

    Raises:
        Refusal: It holds more than a body may have.
        ValueError: It is none.
    """
    unpacking = zlib.decompressobj(GZIP)
    try:
        unpacked = unpacking.decompress(content, UNFILED_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"the body is no gzip: {error}") from error
    admit(len(unpacked), None)
    if not unpacking.eof:
        raise ValueError("the body is a gzip that ends too early")
    return unpacked


def _append(path: Path, content: bytes | bytearray) -> None:
    with path.open("ab") as file:
        file.write(content)


async def _pieces(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size > 0:
        async with asyncio.timeout(IDLE_SECONDS):
            piece = await reader.readexactly(min(size, BLOCK))
        size -= len(piece)
        yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            line = await reader.readuntil(b"\r\n")
        if (match := CHUNK_SIZE.fullmatch(line)) is None:
            raise ValueError(f"{line[:40]!r} is no size of a chunk")
        if not int(match[1], 16):
            break
        async for piece in _pieces(reader, int(match[1], 16)):
            yield piece
        if await reader.readexactly(2) != b"\r\n":
            raise ValueError("a chunk is longer than its size")
    # Trailers are read and ignored.
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue
