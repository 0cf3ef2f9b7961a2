"""Objects from one environment's buckets to another's, each compared with its digest on the way.

An object that is there already is compared too, and never replaced: names of what is released follow from what is in it.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from releases.images import CopyError
from releases.manifest import File

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

TOGETHER = 8
"""Objects that are read at once."""
IN_MEMORY = 1 << 24
"""Bytes of an object that are not written to a disk on the way."""


def described(bucket: Bucket, names: Iterable[str]) -> list[File]:
    """Objects by what is in them, in the order of their names.

    Raises:
        NotFound: when one of them is not there.
    """
    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(lambda name: _described(bucket.blob(name)), sorted(names)))


def below(bucket: Bucket, folder: str) -> list[str]:
    """Names of the objects in a folder, which is given without a slash at its end."""
    return [blob.name for blob in bucket.client.list_blobs(bucket, prefix=f"{folder}/")]


def found(bucket: Bucket, name: str) -> str:
    """The digest of what an object holds; empty where there is none."""
    from google.api_core.exceptions import NotFound

    try:
        return _described(bucket.blob(name)).digest
    except NotFound:
        return ""


def keep(bucket: Bucket, name: str, content: bytes) -> None:
    """Write an object whose name follows from what is in it, unless it is there.

    Raises:
        CopyError: when another lies in its place.
    """
    from google.api_core.exceptions import PreconditionFailed

    try:
        bucket.blob(name).upload_from_string(content, if_generation_match=0)
    except PreconditionFailed:
        if (there := found(bucket, name)) != (digest := hashlib.sha256(content).hexdigest()):
            raise CopyError(_taken(bucket, name, there, digest)) from None


def copy(source: Bucket, target: Bucket, files: Iterable[File]) -> int:
    """Bring objects under the same names into another bucket, unless they are there; how many were not.

    Raises:
        CopyError: when one is missing, is not what its digest says, or another lies in its place.
    """
    with ThreadPoolExecutor(TOGETHER) as pool:
        return sum(pool.map(lambda file: _copy(source, target, file), files))


def _copy(source: Bucket, target: Bucket, file: File) -> bool:
    from google.api_core.exceptions import NotFound, PreconditionFailed

    there = found(target, file.name)
    if not there:
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as kept:
            try:
                is_ = _hashed(source.blob(file.name), kept)
            except NotFound:
                is_ = "nothing"
            if is_ != file.digest:
                raise CopyError(
                    f"gs://{source.name}/{file.name} holds {is_[:12]}…, and the release {file.digest[:12]}…. It was not copied. "
                    "Find out who replaced it, and build the release anew: make release"
                )
            kept.seek(0)
            try:
                # Nobody's object is replaced, and of two who copy at once one comes second.
                target.blob(file.name).upload_from_file(kept, if_generation_match=0)
            except PreconditionFailed:
                there = found(target, file.name)
            else:
                return True
    if there != file.digest:
        raise CopyError(_taken(target, file.name, there, file.digest))
    return False


def _taken(bucket: Bucket, name: str, there: str, wanted: str) -> str:
    return (
        f"gs://{bucket.name}/{name} holds {there[:12]}… already, and the release {wanted[:12]}…. It was left as it is, and nothing of the "
        "release runs. Find out who put it there, and remove it."
    )


def _described(blob: Blob) -> File:
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as kept:
        digest = _hashed(blob, kept)
        return File(name=blob.name, digest=digest, bytes=kept.tell())


def _hashed(blob: Blob, kept: IO[bytes]) -> str:
    """Write an object into a file; SHA-256 of what was written."""
    blob.download_to_file(kept)
    size = kept.tell()
    kept.seek(0)
    total = hashlib.file_digest(kept, "sha256")  # type: ignore[arg-type]
    kept.seek(size)
    return total.hexdigest()
