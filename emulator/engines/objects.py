"""Cloud Storage's objects as files: the object `a/b` of a bucket is the file `BUCKET/a/b` below one folder.

So a process that mounts the folder (as Vertex AI mounts buckets at `/gcs`) reads objects as files, and what it writes becomes objects
by `adopt`. The file is the truth: where it differs from what the store says, it was written from outside, and the object is renewed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from emulator.behaviours import Refusal
from emulator.clock import etag, now
from emulator.engines.generations import Generations
from emulator.store import Store
from emulator.validation import SURROGATE

Json = dict[str, Any]

INCOMING = ".incoming"
ODD = ".odd"
"""Objects whose names cannot be paths (`a` beside `a/b`, `a//b`, `..`) lie here under a digest of their name."""
BLOCK = 1 << 20
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
KEPT_IN_COPIES = ("contentType", "metadata", "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage")
FILE = "_file"
"""Where the object's file is and how it was when last looked at; kept in the store, never shown."""


class Objects:
    """All objects of all buckets.

    Args:
        folder: Holds one folder for each bucket.
        store: Holds the objects' metadata.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder.resolve()
        self._kept = store.of("storage")
        self.older = Generations(self.folder, store)
        (folder / INCOMING).mkdir(parents=True, exist_ok=True)

    def bucket(self, bucket: str) -> Json:
        """The bucket.

        Raises:
            Refusal: It does not exist.
        """
        # The object `o` of the bucket `b` is kept as `b/b/o/o`: a name with slashes would be an object, and a path out of the folder.
        kept = self._kept.get(f"b/{bucket}") if "/" not in bucket else None
        if kept is None:
            raise Refusal(404, "NOT_FOUND", f"The specified bucket does not exist: {bucket}.")
        return kept

    def incoming(self) -> Path:
        """A new file into which content may be written before `put` moves it in place."""
        return self.folder / INCOMING / uuid.uuid4().hex

    def put(self, bucket: str, name: str, content: bytes | Path, metadata: Json | None = None) -> Json:
        """Creates or replaces an object.

        Args:
            bucket: An existing bucket.
            name: The object's name.
            content: The bytes, or a file that is moved in place.
            metadata: Fields of the object resource: `contentType`, `metadata`, …

        Returns:
            The object resource.
        """
        owner = self.bucket(bucket)
        source = content if isinstance(content, Path) else self.incoming()
        if isinstance(content, bytes):
            source.write_bytes(content)
        self._archive(owner, name)
        target = self._place(bucket, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
        return self._describe(bucket, name, target, {"storageClass": owner.get("storageClass", "STANDARD"), **(metadata or {})})

    def copy(self, source: Json, bucket: str, name: str, metadata: Json | None = None) -> Json:
        """Makes an object with the content of another, and with its metadata where `metadata` says nothing else."""
        file = self.incoming()
        with file.open("wb") as target:
            target.writelines(blocks(self.path(source["bucket"], source["name"], source["generation"])))
        kept = {field: source[field] for field in KEPT_IN_COPIES if field in source}
        return self.put(bucket, name, file, {**kept, **(metadata or {})})

    def get(self, bucket: str, name: str, generation: str = "") -> Json | None:
        """The object resource, or none; of the live generation where none is named."""
        live = self._live(bucket, name)
        if not generation or (live and live["generation"] == generation):
            return live
        return self.older.get(bucket, name, generation)

    def _live(self, bucket: str, name: str) -> Json | None:
        kept = self._kept.get(key(bucket, name))
        path = self.folder / kept[FILE]["path"] if kept else self._plain(bucket, name)
        found = self._fresh(bucket, name, path, kept) if path is not None and path.is_file() else None
        if found is None:
            if kept:
                self._kept.remove(key(bucket, name))
            return None
        return shown(found)

    def file(self, bucket: str, name: str = "") -> Path | None:
        """The file or folder, which need not exist, that carries the object's name; none where no file below the bucket's folder can."""
        if not BUCKET.fullmatch(bucket):
            return None
        found = self._plain(bucket, name) if name else self.folder / bucket
        return found if found is not None and self._is_inside(found) else None

    def path(self, bucket: str, name: str, generation: str = "") -> Path:
        """The object's file, for reading; of the live generation where none is named.

        Raises:
            Refusal: There is no such object.
        """
        found = self.get(bucket, name, generation)
        if found is None:
            raise Refusal(404, "NOT_FOUND", f"No such object: {bucket}/{name}")
        if "timeDeleted" in found:
            return self.older.path(found)
        kept = self._kept.get(key(bucket, name)) or {}
        return self.folder / str(kept[FILE]["path"])

    def read(self, bucket: str, name: str, first: int = 0, last: int | None = None) -> bytes:
        """The object's bytes from `first` to `last`, both included."""
        with self.path(bucket, name).open("rb") as file:
            file.seek(first)
            return file.read() if last is None else file.read(last - first + 1)

    def update(self, bucket: str, name: str, fields: Json) -> Json:
        """Writes metadata; content and generation stay."""
        self.path(bucket, name)
        kept = self._kept.get(key(bucket, name)) or {}
        changed = {**kept, **fields, "metageneration": str(int(kept["metageneration"]) + 1), "updated": now(), "etag": etag()}
        return shown(self._kept.put(key(bucket, name), "Object", {field: value for field, value in changed.items() if value is not None}))

    def delete(self, bucket: str, name: str, generation: str = "") -> None:
        """Removes an object, if it is there, and the folders that it leaves empty; a generation that is named, for good."""
        if generation and (older := self.older.get(bucket, name, generation)):
            self.older.remove(older)
            return
        if not generation and (owner := self._kept.get(f"b/{bucket}")):
            self._archive(owner, name)
        kept = self._kept.get(key(bucket, name))
        path = self.folder / kept[FILE]["path"] if kept else self._plain(bucket, name)
        # The file first: a kill in between must not leave a file that becomes an object again.
        if path is not None and path.is_file():
            path.unlink()
            for parent in path.parents:
                if parent == self.folder / bucket or any(parent.iterdir()):
                    break
                parent.rmdir()
        self._kept.remove(key(bucket, name))

    def adopt(self, bucket: str, prefix: str = "") -> list[Json]:
        """Makes objects of the files that a process wrote below `prefix`, which is a file or a folder."""
        self.bucket(bucket)
        start = self.folder / bucket / prefix
        files = [start] if start.is_file() else sorted(path for path in start.rglob("*") if path.is_file())
        root = self.folder / bucket
        names = [path.relative_to(root).as_posix() for path in files if ODD not in path.parts]
        return [found for name in names if not SURROGATE.search(name) and (found := self.get(bucket, name)) is not None]

    def drop_bucket(self, bucket: str) -> None:
        """Removes an empty bucket's folder."""
        shutil.rmtree(self.folder / bucket, ignore_errors=True)
        self.older.drop_bucket(bucket)

    def sweep(self, age_seconds: float = 7 * 86400) -> None:
        """Removes uploads that nobody finished within a week, as Google does."""
        for file in (self.folder / INCOMING).iterdir():
            if time.time() - file.stat().st_mtime > age_seconds:
                file.unlink(missing_ok=True)

    def _archive(self, owner: Json, name: str) -> None:
        """Keeps the live generation, where the bucket keeps versions and there is one."""
        if owner.get("versioning", {}).get("enabled") and (live := self._live(owner["name"], name)):
            self.older.archive(live, self.path(owner["name"], name))

    def _plain(self, bucket: str, name: str) -> Path | None:
        """The file that carries the object's name; none where the name is no path."""
        parts = name.split("/")
        if SURROGATE.search(name) or len(name.encode()) > 1024 or "\0" in name or parts[0] == ODD:
            return None
        return None if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts) else self.folder / bucket / name

    def _is_inside(self, path: Path) -> bool:
        """Whether a file lies in the folder of objects; a step may have left a link there that leads elsewhere."""
        return path.resolve().is_relative_to(self.folder)

    def _place(self, bucket: str, name: str) -> Path:
        plain = self.file(bucket, name)
        root = self.folder / bucket
        if plain is not None and not plain.is_dir():
            between = [parent for parent in plain.parents if parent.is_relative_to(root) and parent != root]
            if not any(parent.is_file() for parent in between):
                return plain
        return root / ODD / hashlib.sha256(name.encode()).hexdigest()

    def _fresh(self, bucket: str, name: str, path: Path, kept: Json | None) -> Json | None:
        status = path.stat()
        if kept is not None and kept[FILE]["size"] == status.st_size and kept[FILE]["time"] == status.st_mtime_ns:
            return kept
        if not self._is_inside(path):
            return None
        return self._describe(bucket, name, path, {"storageClass": self.bucket(bucket).get("storageClass", "STANDARD")})

    def _describe(self, bucket: str, name: str, path: Path, metadata: Json) -> Json:
        """Hashes the file and stores what is known of the object; the next generation of one that exists."""
        status = path.stat()
        md5, crc32c = digests(path)
        # Generations are times in microseconds at Google; only their order matters.
        before = self._kept.get(key(bucket, name))
        generation = str(max(time.time_ns() // 1000, int(before["generation"]) + 1 if before else 0))
        stamp = now()
        address = f"b/{bucket}/o/{quote(name, safe='')}"
        body = {
            "kind": "storage#object",
            "id": f"{bucket}/{name}/{generation}",
            "selfLink": f"https://www.googleapis.com/storage/v1/{address}",
            "mediaLink": f"https://storage.googleapis.com/download/storage/v1/{address}?generation={generation}&alt=media",
            "contentType": "application/octet-stream",
            **metadata,
            "name": name,
            "bucket": bucket,
            "generation": generation,
            "metageneration": "1",
            "size": str(status.st_size),
            "md5Hash": md5,
            "crc32c": crc32c,
            "etag": etag(),
            "timeCreated": stamp,
            "updated": stamp,
            "timeStorageClassUpdated": stamp,
            "timeFinalized": stamp,
            FILE: {"path": path.relative_to(self.folder).as_posix(), "size": status.st_size, "time": status.st_mtime_ns},
        }
        return shown(self._kept.put(key(bucket, name), "Object", body))

    def list(self, bucket: str, prefix: str = "") -> list[Json]:
        """The objects whose names start with `prefix`, in order."""
        start = len(key(bucket, ""))
        names = [name[start:] for name, _ in self._kept.starting(key(bucket, prefix), "Object")]
        return [found for name in names if (found := self.get(bucket, name)) is not None]


def key(bucket: str, name: str) -> str:
    """An object's name in the store."""
    return f"b/{bucket}/o/{name}"


def shown(resource: Json) -> Json:
    """The object resource without what only this module needs."""
    return {field: value for field, value in resource.items() if field != FILE}


def digests(path: Path) -> tuple[str, str]:
    """MD5 and CRC32C of a file, in base64 as Cloud Storage gives them."""
    import google_crc32c

    md5: Any = hashlib.md5(usedforsecurity=False)
    crc32c: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    for block in blocks(path):
        md5.update(block)
        crc32c.update(block)
    return base64.b64encode(md5.digest()).decode(), base64.b64encode(crc32c.digest()).decode()


def blocks(path: Path, first: int = 0, last: int | None = None) -> Iterator[bytes]:
    """A file's bytes from `first` to `last`, both included, block by block."""
    left = path.stat().st_size - first if last is None else last - first + 1
    with path.open("rb") as file:
        file.seek(first)
        while left > 0 and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block


def split(uri: str) -> tuple[str, str]:
    """`gs://BUCKET/NAME` → bucket and name.

    Raises:
        Refusal: It is no such address.
    """
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket:
        raise Refusal(400, "INVALID_ARGUMENT", f"{uri!r} is not an address of Cloud Storage; they look like gs://BUCKET/NAME.")
    return bucket, str(PurePosixPath(name)) if name and not name.endswith("/") and "//" not in name else name
