"""Content of objects: digests, copies and parts of files, block by block, so that none is ever in memory whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from emulator.behaviours import BLOCK

Digests = tuple[str, str]
"""MD5 and CRC32C in base64, as Cloud Storage gives them."""


def digested(content: Path | bytes) -> Digests:
    """The digests of a file, or of bytes."""
    return _digests(blocks(content) if isinstance(content, Path) else [content])


def joined(sources: Sequence[BinaryIO], target: Path) -> Digests:
    """Writes what is left of open files, one after the other, into a new file; returns its digests."""

    def written() -> Iterator[bytes]:
        with target.open("wb") as file:
            for source in sources:
                while block := source.read(BLOCK):
                    file.write(block)
                    yield block

    return _digests(written())


def cut(path: Path, first: int, end: int) -> None:
    """Leaves of a file only the bytes from `first` up to, but without, `end`, in place: no second file takes room on the disk."""
    with path.open("r+b") as file:
        for at in range(first, end, BLOCK):
            file.seek(at)
            block = file.read(min(BLOCK, end - at))
            file.seek(at - first)
            file.write(block)
        file.truncate(end - first)


def blocks(path: Path, first: int = 0, last: int | None = None) -> Iterator[bytes]:
    """A file's bytes from `first` to `last`, both included, block by block."""
    left = path.stat().st_size - first if last is None else last - first + 1
    with path.open("rb") as file:
        file.seek(first)
        while left > 0 and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block


def _digests(content: Iterable[bytes]) -> Digests:
    import google_crc32c

    md5: Any = hashlib.md5(usedforsecurity=False)
    crc32c: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    for block in content:
        md5.update(block)
        crc32c.update(block)
    return base64.b64encode(md5.digest()).decode(), base64.b64encode(crc32c.digest()).decode()
