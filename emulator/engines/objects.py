"""Cloud Storage's objects as files: the object `a/b` of a bucket is the file `BUCKET/a/b` below one folder.

So a process that mounts the folder (as Vertex AI mounts buckets at `/gcs`) reads objects as files, and what it writes becomes objects
by `adopt`. The file is the truth: where it differs from what the store says, it was written from outside, and the object is renewed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from emulator.behaviours import Refusal
from emulator.clock import etag, now
from emulator.engines import retention
from emulator.engines.changes import ARCHIVE, DELETE, FINALIZE, UPDATE, Changes
from emulator.engines.content import Digests, digested, joined
from emulator.engines.generations import Generations, softened
from emulator.engines.journal import SESSIONS, Journal, key
from emulator.engines.object_resource import FILE, GIVEN, checked, copied, made, missing, shown
from emulator.store import Store
from emulator.validation import SURROGATE

Json = dict[str, Any]

INCOMING = ".incoming"
ODD = ".odd"
"""Objects whose names cannot be paths (`a` beside `a/b`, `a//b`, `..`) lie here under a digest of their name."""
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
SESSION_SECONDS = 7 * 86400
"""How long an upload may take."""
LISTED = 1000


class Objects:
    """All objects of all buckets.

    Args:
        folder: Holds one folder for each bucket.
        store: Holds the objects' metadata.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder.resolve()
        self._store = store
        self._kept = store.of("storage")
        self._sessions = store.of(SESSIONS)
        self.older = Generations(self.folder, store)
        self.changes = Changes(store)
        (folder / INCOMING).mkdir(parents=True, exist_ok=True)
        self._journal = Journal(self.folder, store, self.older, self.changes)

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

    def put(
        self, bucket: str, name: str, content: bytes | Path, metadata: Json | None = None, digests: Digests | None = None, session: str = ""
    ) -> Json:
        """Creates or replaces an object.

        Args:
            bucket: An existing bucket.
            name: The object's name.
            content: The bytes, or a file that is moved in place.
            metadata: Fields of the object resource: `contentType`, `metadata`, …
            digests: Of the content, where they are known already; an empty MD5 is not shown.
            session: The upload that ends with this, which is marked as finished at the same moment.

        Returns:
            The object resource.

        Raises:
            Refusal: The bucket is missing, or a hold or a retention protects the object that would be replaced.
        """
        owner, before = self.bucket(bucket), self._known(bucket, name)
        if before is not None and not _versioned(owner):
            retention.check(owner, before)
        source = content if isinstance(content, Path) else self.incoming()
        if isinstance(content, bytes):
            source.write_bytes(content)
        target = self._place(bucket, name)
        digests = digests or digested(source)
        body = made(owner, name, before, source, self._relative(target), metadata or {}, digests)
        older, event = self._superseded(owner, before, _versioned(owner))
        move, gone, events = [self._relative(source), self._relative(target)], [], [[FINALIZE, shown(body), {}]]
        if before is not None:
            events = [[FINALIZE, shown(body), {"overwroteGeneration": before["generation"]}]]
            events.append([event, shown(older or before), {"overwrittenByGeneration": body["generation"]}])
            gone = [before[FILE]["path"]] if before[FILE]["path"] != move[1] else []
        self._journal.apply(bucket, name, live=body, older=older, move=move, gone=gone, events=events, session=session)
        return shown(body)

    def copy(self, source: Json, bucket: str, name: str, metadata: Json | None = None) -> Json:
        """Makes an object with the content of another, and with its metadata where `metadata` says nothing else."""
        file = self.incoming()
        with self.open(source) as content:
            digests = joined([content], file)
        return self.put(bucket, name, file, {**copied(source), **(metadata or {})}, digests)

    def open(self, resource: Json) -> BinaryIO:
        """The content of a generation, which can be read to its end whatever happens to the object."""
        return self.path(resource["bucket"], resource["name"], resource["generation"]).open("rb")

    def get(self, bucket: str, name: str, generation: str = "") -> Json | None:
        """The object resource, or none; of the live generation where none is named."""
        found = self._known(bucket, name, generation)
        return shown(found) if found is not None else None

    def _known(self, bucket: str, name: str, generation: str = "") -> Json | None:
        """As `get`, with what is not shown."""
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
                self._journal.apply(bucket, name, events=[[DELETE, shown(kept), {}]])
            return None
        return found

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
        found = self._known(bucket, name, generation)
        if found is None:
            raise missing(bucket, name)
        return self.older.path(found) if "timeDeleted" in found else self.folder / str(found[FILE]["path"])

    def read(self, bucket: str, name: str, first: int = 0, last: int | None = None) -> bytes:
        """The object's bytes from `first` to `last`, both included."""
        with self.path(bucket, name).open("rb") as file:
            file.seek(first)
            return file.read() if last is None else file.read(last - first + 1)

    def update(self, bucket: str, name: str, fields: Json, generation: str = "") -> Json:
        """Writes metadata, of the live generation where none is named; content and generation stay, and none clears a field."""
        before = self._known(bucket, name, generation)
        if before is None:
            raise missing(bucket, name)
        stamp = now()
        changed = {**before, **checked(fields), "metageneration": str(int(before["metageneration"]) + 1), "updated": stamp, "etag": etag()}
        if before.get("eventBasedHold") and not changed.get("eventBasedHold"):
            changed[retention.RELEASED] = stamp
        changed = {field: value for field, value in changed.items() if value is not None}
        with self._store.transaction():
            if "timeDeleted" in changed:
                self.older.put(changed)
            else:
                self._kept.put(key(bucket, name), "Object", changed)
            self.changes.add(UPDATE, shown(changed), {})
        self.changes.deliver()
        return shown(changed)

    def check_deletion(self, bucket: str, name: str) -> None:
        """Refuses what `delete` would refuse.

        Raises:
            Refusal: A hold or a retention protects the live generation.
        """
        owner, found = self.bucket(bucket), self._known(bucket, name)
        if found is not None and not _versioned(owner):
            retention.check(owner, found)

    def delete(self, bucket: str, name: str, generation: str = "") -> None:
        """Removes an object, if it is there, and the folders that it leaves empty; a generation that is named is never kept as a version.

        Raises:
            Refusal: A hold or a retention protects it.
        """
        owner = self._kept.get(f"b/{bucket}") or {}
        found = self._known(bucket, name, generation)
        if found is None:
            return
        versioned = _versioned(owner) and not generation
        if not versioned:
            retention.check(owner, found)
        if "timeDeleted" in found:
            soft = softened(owner, found)
            with self._store.transaction():
                self.changes.add(DELETE, shown(soft or found), {})
                if soft:
                    self.older.put(soft)
            if not soft:
                self.older.remove(found)
            self.changes.deliver()
            return
        older, event = self._superseded(owner, found, versioned)
        self._journal.apply(bucket, name, older=older, gone=[found[FILE]["path"]], events=[[event, shown(older or found), {}]])

    def restore(self, soft: Json, content: Path, digests: Digests) -> Json:
        """Makes a soft-deleted generation live again, as a new one with the same metadata.

        Args:
            soft: The generation, which stays as it is until its retention ends.
            content: A copy of its content.
            digests: Of the content.
        """
        return self.put(soft["bucket"], soft["name"], content, {field: soft[field] for field in GIVEN if field in soft}, digests)

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

    def sweep(self, sessions: Collection[str]) -> None:
        """Removes what an earlier run left unfinished, except the uploads of `sessions` that are not older than a week."""
        for path in (self.folder / INCOMING).iterdir():
            if path.name in sessions and time.time() - path.stat().st_mtime <= SESSION_SECONDS:
                continue
            _remove(path)

    def abandon(self, session: str) -> None:
        """Forgets an upload with what has arrived of it."""
        self._sessions.remove(session)
        _remove(self.folder / INCOMING / session)

    def _superseded(self, owner: Json, live: Json | None, versioned: bool) -> tuple[Json | None, str]:
        """What is kept of a live generation that is replaced or deleted, its content linked already, and the event that tells of it."""
        if live is None:
            return None, ""
        older = {**live, "timeDeleted": now()} if versioned else softened(owner, live)
        if older is not None:
            self.older.link(live, self.folder / live[FILE]["path"])
        return older, ARCHIVE if versioned else DELETE

    def _relative(self, path: Path) -> str:
        return str(path).removeprefix(f"{self.folder}/")

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
        body = made(self.bucket(bucket), name, kept, path, self._relative(path), {}, digested(path))
        events: list[Any] = [[FINALIZE, shown(body), {"overwroteGeneration": kept["generation"]} if kept else {}]]
        if kept:
            # Written over from outside: of what was there, only the memory is left.
            events.append([DELETE, shown(kept), {"overwrittenByGeneration": body["generation"]}])
        self._journal.apply(bucket, name, live=body, events=events)
        return body

    def list(self, bucket: str, prefix: str = "") -> list[Json]:
        """The objects whose names start with `prefix`, in order."""
        return [found for name in self.names(bucket, prefix) if (found := self.get(bucket, name)) is not None]

    def names(self, bucket: str, prefix: str = "", first: str = "") -> Iterator[str]:
        """Names that start with `prefix`, from `first` on, in order; of some, the file may be gone."""
        start = len(key(bucket, ""))
        begin, end = key(bucket, max(prefix, first)), key(bucket, prefix) + "\U0010ffff"
        while found := self._kept.names(begin, end, LISTED):
            yield from (name[start:] for name in found)
            begin = found[-1] + "\0"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _versioned(owner: Json) -> bool:
    return bool(owner.get("versioning", {}).get("enabled"))


def split(uri: str) -> tuple[str, str]:
    """`gs://BUCKET/NAME` → bucket and name.

    Raises:
        Refusal: It is no such address.
    """
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket:
        raise Refusal(400, "INVALID_ARGUMENT", f"{uri!r} is not an address of Cloud Storage; they look like gs://BUCKET/NAME.")
    return bucket, str(PurePosixPath(name)) if name and not name.endswith("/") and "//" not in name else name
