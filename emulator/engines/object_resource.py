"""The object resource: what a caller may say of an object, and what Cloud Storage adds.

https://cloud.google.com/storage/docs/json_api/v1/objects#resource
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from emulator.behaviours import Refusal
from emulator.clock import etag, now
from emulator.engines.content import Digests

Json = dict[str, Any]

CLASSES = {"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY"}
KEPT_IN_COPIES = ("contentType", "metadata", "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "customTime")
CHANGEABLE = (*KEPT_IN_COPIES, "acl", "contexts", "eventBasedHold", "temporaryHold", "retention")
"""What a caller may say of an object, then and later; its class and key only then."""
GIVEN = (*CHANGEABLE, "storageClass", "kmsKeyName", "componentCount")
FILE = "_file"
"""Where the object's file is and how it was when last looked at; kept in the store, never shown."""


def made(owner: Json, name: str, before: Json | None, file: Path, target: str, metadata: Json, digests: Digests) -> Json:
    """A new generation of an object.

    Args:
        owner: Its bucket.
        name: Its name.
        before: The live generation that it replaces.
        file: Holds its content.
        target: Where that file will be, relative to the folder of objects.
        metadata: What the caller says of it.
        digests: Of the content; an empty MD5 is not shown, as of objects that were composed.

    Raises:
        Refusal: What the caller says makes no sense.
    """
    bucket, status, stamp = owner["name"], file.stat(), now()
    md5, crc32c = digests
    # Generations are times in microseconds at Google; only their order matters.
    generation = str(max(time.time_ns() // 1000, int(before["generation"]) + 1 if before else 0))
    address = f"b/{bucket}/o/{quote(name, safe='')}"
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "selfLink": f"https://www.googleapis.com/storage/v1/{address}",
        "mediaLink": f"https://storage.googleapis.com/download/storage/v1/{address}?generation={generation}&alt=media",
        "contentType": "application/octet-stream",
        "storageClass": owner.get("storageClass", "STANDARD"),
        **({"eventBasedHold": True} if owner.get("defaultEventBasedHold") else {}),
        **{field: value for field, value in checked(metadata).items() if field in GIVEN and value is not None},
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "size": str(status.st_size),
        **({"md5Hash": md5} if md5 else {}),
        "crc32c": crc32c,
        "etag": etag(),
        "timeCreated": stamp,
        "updated": stamp,
        "timeStorageClassUpdated": stamp,
        "timeFinalized": stamp,
        FILE: {"path": target, "size": status.st_size, "time": status.st_mtime_ns},
    }


def checked(fields: Json) -> Json:
    """What a caller says of an object, if it makes sense.

    Raises:
        Refusal: A class that is none, or a time that is none.
    """
    if (storage_class := fields.get("storageClass")) and storage_class not in CLASSES:
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid storage class {storage_class!r}: it is one of {', '.join(sorted(CLASSES))}.")
    retention = fields.get("retention") or {}
    for field, stamp in (("customTime", fields.get("customTime")), ("retention.retainUntilTime", retention.get("retainUntilTime"))):
        if stamp and not _is_time(stamp):
            raise Refusal(400, "INVALID_ARGUMENT", f"Invalid time {stamp!r} in {field}: times are written 2026-01-31T12:00:00Z.")
    if retention and (not retention.get("retainUntilTime") or retention.get("mode") not in ("Locked", "Unlocked")):
        raise Refusal(400, "INVALID_ARGUMENT", "An object's retention has a mode, Locked or Unlocked, and a retainUntilTime.")
    return fields


def _is_time(stamp: str) -> bool:
    try:
        return datetime.fromisoformat(stamp).tzinfo is not None
    except ValueError:
        return False


def missing(bucket: str, name: str) -> Refusal:
    """The refusal of what is not there."""
    return Refusal(404, "NOT_FOUND", f"No such object: {bucket}/{name}")


def shown(resource: Json) -> Json:
    """The object resource without what only the emulator needs."""
    return {field: value for field, value in resource.items() if not field.startswith("_")}


def copied(source: Json) -> Json:
    """The metadata that a copy takes over."""
    return {field: source[field] for field in KEPT_IN_COPIES if field in source}
