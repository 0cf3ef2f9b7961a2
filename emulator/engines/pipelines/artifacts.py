"""Artifacts as a step sees them: `gs://bucket/object` is the file `bucket/object` below the folder of Cloud Storage's objects.

On Vertex AI that folder is /gcs, a mounted Cloud Storage.
"""

from __future__ import annotations

from pathlib import Path

from emulator.engines.objects import Objects

SCHEME = "gs://"


def path(objects: Objects, uri: str) -> Path:
    """The file or folder that is `uri`."""
    return objects.folder / uri.removeprefix(SCHEME)


def digests(objects: Objects, uri: str) -> list[tuple[str, str]]:
    """`(name below uri, digest)` of the object at `uri` or of all objects in the folder `uri`; empty where there are none."""
    if not uri.startswith(SCHEME):
        return []
    bucket, _, name = uri.removeprefix(SCHEME).rstrip("/").partition("/")
    found = [one for one in objects.list(bucket, name) if one["name"] == name or not name or one["name"].startswith(f"{name}/")]
    return [(one["name"].removeprefix(name), one.get("md5Hash") or one["crc32c"]) for one in found]


def adopt(objects: Objects, uri: str) -> None:
    """Make objects of what a step wrote at or below `uri`."""
    if uri.startswith(SCHEME):
        bucket, _, name = uri.removeprefix(SCHEME).rstrip("/").partition("/")
        objects.adopt(bucket, name)
