"""Artifacts as a step sees them: `gs://bucket/object` is the file `bucket/object` below the folder of Cloud Storage's objects.

On Vertex AI that folder is /gcs, a mounted Cloud Storage. What a specification or a step names is never trusted to stay below it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.objects import Objects
from emulator.engines.pipelines.tasks import TaskFailed

Json = dict[str, Any]

SCHEME = "gs://"


def path(objects: Objects, uri: str) -> Path:
    """The file or folder that is `uri`.

    Raises:
        TaskFailed: No file below the folder of objects can carry that name.
    """
    bucket, _, name = uri.removeprefix(SCHEME).partition("/")
    # As in a path, slashes that follow one another are one.
    found = objects.file(bucket, "/".join(part for part in name.split("/") if part))
    if not uri.startswith(SCHEME) or found is None:
        raise TaskFailed(
            f"{uri!r} is no address of an artifact: as a file it would lie outside Cloud Storage. Nothing was read or written there. "
            "Use gs://BUCKET/NAME without relative parts."
        )
    return found


def check(objects: Objects, artifact: Json) -> None:
    """Refuses an artifact that a step would find outside Cloud Storage; other schemes and resource names are no files.

    Raises:
        TaskFailed: Its address is none.
    """
    uri = artifact.get("uri", "")
    if not isinstance(uri, str) or uri.startswith(("/", "file:", SCHEME)):
        path(objects, str(uri))


def digests(objects: Objects, uri: str) -> list[tuple[str, str]]:
    """`(name below uri, digest)` of the object at `uri` or of all objects in the folder `uri`; empty where there are none."""
    if not uri.startswith(SCHEME):
        return []
    bucket, _, name = uri.removeprefix(SCHEME).rstrip("/").partition("/")
    found = [one for one in objects.list(bucket, name) if one["name"] == name or not name or one["name"].startswith(f"{name}/")]
    return [(one["name"].removeprefix(name), one.get("md5Hash") or one["crc32c"]) for one in found]


async def adopt(objects: Objects, uri: str) -> None:
    """Make objects of what a step wrote at or below `uri`.

    Raises:
        TaskFailed: Its bucket does not exist.
    """
    if uri.startswith(SCHEME):
        bucket, _, name = uri.removeprefix(SCHEME).rstrip("/").partition("/")
        await objects.weigh(bucket, name)
        try:
            objects.adopt(bucket, name)
        except Refusal as refusal:
            raise TaskFailed(f"The output {uri} cannot be kept: {refusal.message}") from None
