"""Generations of objects that are no longer live: noncurrent ones, in buckets with versioning, and soft-deleted ones.

The newest `KEPT` of an object stay, until a lifecycle rule or the end of their retention takes them.
https://cloud.google.com/storage/docs/object-versioning, https://cloud.google.com/storage/docs/soft-delete
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from emulator.clock import now
from emulator.store import Store

Json = dict[str, Any]

OLDER = ".older"
KEPT = 50
NONCURRENT, SOFT = "Object", "SoftDeletedObject"
"""Kinds in the store."""


class Generations:
    """The generations of all objects that are no longer live.

    Args:
        folder: that of the objects; a hidden folder in it holds the files.
        store: holds the metadata.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._kept = store.of("storage-generations")

    def link(self, resource: Json, file: Path) -> None:
        """Gives the content of a live generation, whose file is about to be replaced or removed, a second name that stays."""
        place = self.path(resource)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        os.link(file, place)

    def put(self, resource: Json) -> None:
        """Keeps what is known of a generation whose content is linked."""
        self._kept.put(_key(resource), SOFT if "softDeleteTime" in resource else NONCURRENT, resource)

    def trim(self, bucket: str, name: str) -> None:
        """Forgets the oldest generations of an object where there are too many."""
        for old in self._own(bucket, name)[:-KEPT]:
            self.remove(old)

    def get(self, bucket: str, name: str, generation: str, kind: str = NONCURRENT) -> Json | None:
        """One noncurrent generation, or one that is soft-deleted."""
        found = self._kept.get(_key({"bucket": bucket, "name": name, "generation": generation}))
        return found if found is not None and ("softDeleteTime" in found) == (kind == SOFT) else None

    def path(self, resource: Json) -> Path:
        """The file of an older generation."""
        digest = hashlib.sha256(resource["name"].encode()).hexdigest()
        return self._folder / OLDER / str(resource["bucket"]) / f"{digest}-{resource['generation']}"

    def list(self, bucket: str, prefix: str, kind: str = NONCURRENT) -> Sequence[Json]:
        """Generations of the objects whose names start with `prefix`, by name and age."""
        return _in_order(resource for _, resource in self._kept.starting(f"b/{bucket}/o/{prefix}", kind))

    def remove(self, resource: Json) -> None:
        """Forget one for good."""
        self._kept.remove(_key(resource))
        self.path(resource).unlink(missing_ok=True)

    def expire(self, bucket: str, moment: datetime) -> int:
        """Forgets the soft-deleted generations of a bucket whose retention has ended; returns their number."""
        ended = [one for one in self.list(bucket, "", SOFT) if datetime.fromisoformat(one["hardDeleteTime"]) <= moment]
        for one in ended:
            self.remove(one)
        return len(ended)

    def drop_bucket(self, bucket: str) -> None:
        """Forget all of a bucket."""
        self._kept.remove_between(f"b/{bucket}/o/", f"b/{bucket}/o0")
        shutil.rmtree(self._folder / OLDER / bucket, ignore_errors=True)

    def _own(self, bucket: str, name: str) -> Sequence[Json]:
        """All generations of one object, the oldest first."""
        start = f"b/{bucket}/o/{name}#"
        return _in_order(one for _, one in self._kept.between(start, start[:-1] + "$") if one["name"] == name)


def softened(owner: Json, resource: Json) -> Json | None:
    """A generation that its bucket keeps for a while after its deletion; none where it keeps nothing."""
    seconds = int(owner.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0))
    stamp = now()
    ends = datetime.fromisoformat(stamp) + timedelta(seconds=seconds)
    times = {"softDeleteTime": stamp, "hardDeleteTime": ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    return {**resource, **times} if seconds else None


def _in_order(found: Iterable[Json]) -> Sequence[Json]:
    return sorted(found, key=lambda one: (one["name"], int(one["generation"])))


def _key(resource: Json) -> str:
    return f"b/{resource['bucket']}/o/{resource['name']}#{resource['generation']}"
