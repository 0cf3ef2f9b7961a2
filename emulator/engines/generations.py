"""Older generations of objects, in buckets with versioning: what was replaced or deleted can be read and copied back.

The lifecycle rules of a bucket never run here; the newest `KEPT` generations of an object stay.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from emulator.clock import now
from emulator.store import Store

Json = dict[str, Any]

OLDER = ".older"
KEPT = 50


class Generations:
    """The generations of all objects that are no longer live.

    Args:
        folder: that of the objects; a hidden folder in it holds the files.
        store: holds the metadata.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._kept = store.of("storage-generations")

    def archive(self, resource: Json, file: Path) -> None:
        """Keep the live generation of an object, whose file is about to be replaced or removed."""
        bucket, name = resource["bucket"], resource["name"]
        place = self.path(resource)
        place.parent.mkdir(parents=True, exist_ok=True)
        # A second name for the same content: the live one stays readable until it is replaced.
        place.unlink(missing_ok=True)
        os.link(file, place)
        self._kept.put(_key(resource), "Object", {**resource, "timeDeleted": now()})
        own = [old for old in self.list(bucket, name) if old["name"] == name]
        for old in own[:-KEPT]:
            self.remove(old)

    def get(self, bucket: str, name: str, generation: str) -> Json | None:
        """One older generation."""
        return self._kept.get(_key({"bucket": bucket, "name": name, "generation": generation}))

    def path(self, resource: Json) -> Path:
        """The file of an older generation."""
        digest = hashlib.sha256(resource["name"].encode()).hexdigest()
        return self._folder / OLDER / str(resource["bucket"]) / f"{digest}-{resource['generation']}"

    def list(self, bucket: str, prefix: str) -> list[Json]:
        """Older generations of the objects whose names start with `prefix`, by name and age."""
        found = [resource for _, resource in self._kept.starting(f"b/{bucket}/o/{prefix}", "Object")]
        return sorted(found, key=lambda one: (one["name"], int(one["generation"])))

    def remove(self, resource: Json) -> None:
        """Forget one for good."""
        self._kept.remove(_key(resource))
        self.path(resource).unlink(missing_ok=True)

    def drop_bucket(self, bucket: str) -> None:
        """Forget all of a bucket."""
        for resource in self.list(bucket, ""):
            self._kept.remove(_key(resource))
        shutil.rmtree(self._folder / OLDER / bucket, ignore_errors=True)


def _key(resource: Json) -> str:
    return f"b/{resource['bucket']}/o/{resource['name']}#{resource['generation']}"
