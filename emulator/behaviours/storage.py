"""Cloud Storage's objects by its JSON API, on `emulator.engines.objects`. Buckets, uploads and the XML API have modules of their own."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from emulator.behaviours import BLOCK, Call, Json, Refusal, Response, not_emulated, on, refuses
from emulator.engines import globs, retention
from emulator.engines.content import blocks
from emulator.engines.generations import SOFT
from emulator.engines.object_resource import CHANGEABLE, missing, shown

if TYPE_CHECKING:
    from emulator.cloud import Cloud

PAGE = 1000
SMALL_BYTES = 8 * BLOCK
"""Content up to this size is read at once; what is larger would hold up other calls."""
UNMET = "At least one of the pre-conditions you specified did not hold."
LAST = "\U0010ffff"
SENT = {
    "cacheControl": "Cache-Control",
    "contentDisposition": "Content-Disposition",
    "contentEncoding": "Content-Encoding",
    "contentLanguage": "Content-Language",
}
"""What an object says of its content → the header that says it to a reader."""
GZIP = b"\x1f\x8b"
BYTES = "application/octet-stream"
HEADER_NAME = re.compile(r"[\w-]+")


@on("storage", "objects.list")
async def list_objects(call: Call, cloud: Cloud) -> Json:
    """Objects in order of their names; with a delimiter, what lies deeper is named by its prefix alone."""
    bucket, prefix, delimiter = call.params["bucket"], call.one("prefix"), call.one("delimiter")
    enabled(cloud, bucket)
    if call.one("filter"):
        raise not_emulated("The filter of objects by contexts")
    if _asks(call, "includeFoldersAsPrefixes") and delimiter != "/":
        raise Refusal(400, "INVALID_ARGUMENT", "includeFoldersAsPrefixes needs the delimiter '/'.")
    if _asks(call, "versions") and _asks(call, "softDeleted"):
        raise Refusal(400, "INVALID_ARGUMENT", "You cannot list versions and soft-deleted objects at once. Ask twice.")
    glob = globs.pattern(call.one("matchGlob")) if call.one("matchGlob") else None
    size, after = int(call.one("maxResults") or 0) or PAGE, call.one("pageToken")
    start, end = max(call.one("startOffset"), after), call.one("endOffset")
    items: list[Json] = []
    prefixes: list[str] = []
    last = ""
    for found in _candidates(call, cloud, bucket, prefix, start):
        name = found["name"]
        below = name[len(prefix) :]
        folder = prefix + below.partition(delimiter)[0] + delimiter if delimiter and delimiter in below else ""
        place = folder or name
        if place <= after or (end and name >= end) or (glob and not glob.fullmatch(name)):
            continue
        if len(items) + len(prefixes) >= size and place != last:
            return _page(items, prefixes, last)
        if not folder:
            items.append(found)
        elif folder != last:
            prefixes.append(folder)
            if name == folder and _asks(call, "includeTrailingDelimiter"):
                items.append(found)
        last = place
    return _page(items, prefixes, "")


def _candidates(call: Call, cloud: Cloud, bucket: str, prefix: str, start: str) -> Iterator[Json]:
    """What a listing may show, from `start` on. Live objects come from the store page by page; folders that are named are skipped."""
    objects, delimiter = cloud.objects, call.one("delimiter")
    if _asks(call, "softDeleted"):
        yield from (shown(one) for one in objects.older.list(bucket, prefix, SOFT) if one["name"] >= start)
        return
    if _asks(call, "versions"):
        rows = [*objects.list(bucket, prefix), *(shown(one) for one in objects.older.list(bucket, prefix))]
        yield from sorted((one for one in rows if one["name"] >= start), key=lambda one: (one["name"], int(one["generation"])))
        return
    # A folder is named by its first object; a pattern may want a later one.
    skips = bool(delimiter) and not call.one("matchGlob")
    folder, passed = "", 0
    names = objects.names(bucket, prefix, start)
    while (name := next(names, None)) is not None:
        if folder and name.startswith(folder):
            passed += 1
            if passed == PAGE:
                names = objects.names(bucket, prefix, folder + LAST)
        elif (found := objects.get(bucket, name)) is not None:
            yield found
            head, deeper, _ = name[len(prefix) :].partition(delimiter) if skips else ("", "", "")
            folder, passed = (prefix + head + delimiter if deeper else ""), 0


def _asks(call: Call, parameter: str) -> bool:
    return call.one(parameter).lower() == "true"


def _page(items: list[Json], prefixes: list[str], token: str) -> Json:
    page: Json = {"kind": "storage#objects"}
    page |= {"items": items} if items else {}
    page |= {"prefixes": prefixes} if prefixes else {}
    return page | ({"nextPageToken": token} if token else {})


refuses("storage", "objects.insert", because="Metadata alone makes no object: send it with its content to /upload/storage/v1/….")


@on("storage", "objects.get")
async def get_object(call: Call, cloud: Cloud) -> Json | Response:
    """Metadata, or the content with `alt=media`."""
    bucket, name = call.params["bucket"], call.params["object"]
    if _asks(call, "softDeleted"):
        return shown(soft_deleted(call, cloud, bucket, name))
    found = _there(cloud, bucket, name, call.one("generation"))
    if unchanged(call, found):
        return Response(status=304)
    _check_generation(call, found, "if")
    check_metageneration(call, found)
    if call.one("alt") != "media":
        return found
    return content(call, cloud, found)


@on("storage", "objects.patch", "objects.update")
async def update_object(call: Call, cloud: Cloud) -> Json:
    """Metadata is merged by PATCH and replaced by PUT."""
    bucket, name = call.params["bucket"], call.params["object"]
    found = existing(call, cloud, bucket, name)
    fields = {key: value for key, value in call.body.items() if key in CHANGEABLE}
    if call.http == "PUT":
        fields = {**dict.fromkeys(CHANGEABLE), "contentType": found["contentType"], **fields}
    elif fields.get("metadata"):
        merged = {**found.get("metadata", {}), **fields["metadata"]}
        fields["metadata"] = {key: value for key, value in merged.items() if value is not None} or None
    _check_retention(call, found, fields)
    return cloud.objects.update(bucket, name, fields, call.one("generation"))


def _check_retention(call: Call, found: Json, fields: Json) -> None:
    """An object's own retention can be prolonged; locked, nothing else, and unlocked, the rest only with a flag that says so."""
    old, new = found.get("retention"), fields.get("retention")
    if "retention" not in fields or not old or new == old:
        return
    until = new.get("retainUntilTime", "") if new else ""
    shorter = not until or datetime.fromisoformat(until) < datetime.fromisoformat(old["retainUntilTime"])
    loosened = shorter or (old.get("mode") == "Locked" and (new or {}).get("mode") != "Locked")
    if loosened and (old.get("mode") == "Locked" or not _asks(call, "overrideUnlockedRetention")):
        message = "The object's retention cannot be shortened or removed: it is locked, or overrideUnlockedRetention is not set."
        raise Refusal(403, "", message, reason=retention.REASON)


@on("storage", "objects.delete")
async def delete_object(call: Call, cloud: Cloud) -> Response:
    """Deletes the live generation, which a bucket with versioning keeps, or the one that is named."""
    bucket, name = call.params["bucket"], call.params["object"]
    existing(call, cloud, bucket, name)
    cloud.objects.delete(bucket, name, call.one("generation"))
    return Response(status=204)


def soft_deleted(call: Call, cloud: Cloud, bucket: str, name: str) -> Json:
    """The soft-deleted generation that a call names.

    Raises:
        Refusal: It names none, or that one is not there or no longer.
    """
    enabled(cloud, bucket)
    if not call.one("generation"):
        raise Refusal(
            400, "INVALID_ARGUMENT", "A soft-deleted object is found by its generation. Give the parameter generation.", reason="required"
        )
    soft = cloud.objects.older.get(bucket, name, call.one("generation"), SOFT)
    if soft is None or datetime.fromisoformat(soft["hardDeleteTime"]) <= datetime.now(UTC):
        raise missing(bucket, f"{name}#{call.one('generation')}")
    return soft


def existing(call: Call, cloud: Cloud, bucket: str, name: str, conditions: str = "if", generation: str = "generation") -> Json:
    """The object that a call reads or changes.

    Raises:
        Refusal: It does not exist, or not under the call's preconditions.
    """
    found = _there(cloud, bucket, name, call.one(generation))
    _check_generation(call, found, conditions)
    check_metageneration(call, found, conditions)
    return found


def _there(cloud: Cloud, bucket: str, name: str, generation: str) -> Json:
    enabled(cloud, bucket)
    found = cloud.objects.get(bucket, name, generation)
    if found is None:
        raise missing(bucket, name)
    return found


def writable(call: Call, cloud: Cloud, bucket: str, name: str) -> None:
    """Refuses a write to an object that is not as the call's preconditions want it.

    Raises:
        Refusal: They do not hold, or the bucket is missing.
    """
    enabled(cloud, bucket)
    found = cloud.objects.get(bucket, name)
    _check_generation(call, found, "if")
    if found is not None:
        check_metageneration(call, found)


def _check_generation(call: Call, found: Json | None, conditions: str) -> None:
    generation = found["generation"] if found else "0"
    match, unlike = call.one(f"{conditions}GenerationMatch"), call.one(f"{conditions}GenerationNotMatch")
    if (match and match != generation) or (unlike and unlike == generation):
        raise Refusal(412, "", UNMET)


def check_metageneration(call: Call, found: Json, conditions: str = "if") -> None:
    """Refuses a call to what is not as its preconditions want it.

    Raises:
        Refusal: They do not hold.
    """
    match, unlike = call.one(f"{conditions}MetagenerationMatch"), call.one(f"{conditions}MetagenerationNotMatch")
    if (match and match != found["metageneration"]) or (unlike and unlike == found["metageneration"]):
        raise Refusal(412, "", UNMET)


def unchanged(call: Call, found: Json) -> bool:
    """Whether a reader has what it asks for already, by the generations that it says it knows."""
    known, meta = call.one("ifGenerationNotMatch"), call.one("ifMetagenerationNotMatch")
    return bool((known and known == found.get("generation")) or (meta and meta == found["metageneration"]))


def enabled(cloud: Cloud, bucket: str) -> None:
    """Refuses a missing bucket, and one in whose project Cloud Storage is not enabled.

    Raises:
        Refusal: So it is.
    """
    number = cloud.objects.bucket(bucket).get("projectNumber", "")
    cloud.projects.check(cloud.projects.by_id(f"projects/{number}").removeprefix("projects/"), "storage")


def content(call: Call, cloud: Cloud, found: Json) -> Response:
    """The object's bytes, or the range that the call asks for."""
    path, size = cloud.objects.path(found["bucket"], found["name"], found["generation"]), int(found["size"])
    headers = {
        "X-Goog-Generation": found["generation"],
        "X-Goog-Metageneration": found["metageneration"],
        "X-Goog-Hash": hashes(found),
        "X-Goog-Storage-Class": found["storageClass"],
        "X-Goog-Stored-Content-Length": found["size"],
        "X-Goog-Stored-Content-Encoding": found.get("contentEncoding", "identity"),
        "ETag": f'"{found["etag"]}"',
        "Last-Modified": format_datetime(datetime.fromisoformat(found["updated"]), usegmt=True),
        "Accept-Ranges": "bytes",
        **{header: found[field] for field, header in SENT.items() if field in found},
        **{f"X-Goog-Meta-{key}": value for key, value in found.get("metadata", {}).items() if HEADER_NAME.fullmatch(key)},
    }
    if _is_packed(path, found) and "gzip" not in call.headers.get("accept-encoding", ""):
        # https://cloud.google.com/storage/docs/transcoding: a reader that knows no gzip gets what is in it, of a length that nobody knows.
        del headers["Content-Encoding"]
        body: bytes | AsyncIterator[bytes] = b"" if call.http == "HEAD" else _unpacked(path.open("rb"))
        return Response(body, 200, {**headers, "Warning": "214 UploadServer gunzipped"}, found.get("contentType", BYTES))
    first, last, status = 0, size - 1, 200
    if match := re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", call.headers.get("range", "")):
        if match[1]:
            first, last = int(match[1]), min(int(match[2] or last), last)
        elif match[2]:
            first = max(0, size - int(match[2]))
        if first >= size or first > last:
            return Response(b"", 416, {"Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    length = last - first + 1
    headers["Content-Length"] = str(length)
    body = b""
    if call.http != "HEAD":
        body = b"".join(blocks(path, first, last)) if length <= SMALL_BYTES else _stream(path.open("rb"), first, length)
    return Response(body, status, headers, found.get("contentType", BYTES))


async def _stream(file: BinaryIO, first: int, length: int) -> AsyncIterator[bytes]:
    """Opened before it is read: what happens to the object meanwhile does not change this answer."""
    with file:
        file.seek(first)
        while length > 0 and (block := await asyncio.to_thread(file.read, min(BLOCK, length))):
            length -= len(block)
            yield block


async def _unpacked(file: BinaryIO) -> AsyncIterator[bytes]:
    with file, gzip.GzipFile(fileobj=file) as content:
        while block := await asyncio.to_thread(content.read, BLOCK):
            yield block


def _is_packed(path: Path, found: Json) -> bool:
    """Whether an object says that it is a gzip, and begins as one."""
    if found.get("contentEncoding") != "gzip" or "no-transform" in found.get("cacheControl", ""):
        return False
    with path.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def hashes(found: Json) -> str:
    """The digests of an object as a header."""
    md5 = f",md5={found['md5Hash']}" if "md5Hash" in found else ""
    return f"crc32c={found['crc32c']}{md5}"
