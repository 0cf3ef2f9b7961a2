"""Uploads to Cloud Storage: in one request, as metadata and content together, or in a session that can be resumed, also after a restart."""

from __future__ import annotations

import asyncio
import os
import re
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from emulator import discovery, validation
from emulator.behaviours import BLOCK, Call, Json, Refusal, Response, at_start, route
from emulator.behaviours.storage import existing, writable
from emulator.engines.content import cut, digested
from emulator.engines.journal import SESSIONS
from emulator.engines.objects import INCOMING, SESSION_SECONDS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HOSTS = r"(?:storage|www)\.googleapis\.com"
PATH = r"/(?:resumable/)?upload/storage/v1/b/(?P<bucket>[^/]+)/o"
NAME_BYTES = 1024
RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18}|\*)|\*)/(\d{1,18}|\*)")
DIGEST = re.compile(r"(md5|crc32c)=([A-Za-z0-9+/]+=*)")
FIELDS = {"md5": "md5Hash", "crc32c": "crc32c"}
BUSY: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""Sessions whose content is being written: one part after the other."""


@at_start
async def sweep(cloud: Cloud) -> None:
    """Forgets the sessions that nobody went on with for a week, and what requests left that a kill cut off."""
    sessions = cloud.store.of(SESSIONS)
    cloud.objects.sweep({session for session, _ in sessions.items()})
    for session, kept in sessions.items():
        old = time.time() - kept.get("begun", 0) > SESSION_SECONDS
        if old if "finished" in kept else not (cloud.objects.folder / INCOMING / session).exists():
            sessions.remove(session)


@route(HOSTS, "POST", PATH, "storage.objects.create", takes_files=True)
async def upload(call: Call, cloud: Cloud) -> Json | Response:
    """Begins or makes an upload."""
    if call.one("upload_id"):
        return await resume(call, cloud)
    kind = call.one("uploadType")
    if kind == "resumable":
        return begin(call, cloud, _object(next(call.blocks(), b"")))
    bucket = call.params["bucket"]
    if kind == "multipart":
        head, tail = _ends(call)
        fields, first, end, content_type = parts(call.headers.get("content-type", ""), head, tail, call.size)
        fields.setdefault("contentType", content_type)
        writable(call, cloud, bucket, _name(call, fields))
        if call.file is None:
            return await store(call, cloud, bucket, _name(call, fields), fields, call.raw[first:end])
        await asyncio.to_thread(cut, call.file, first, end)
        return await store(call, cloud, bucket, _name(call, fields), fields, call.file)
    fields = {"contentType": call.headers.get("content-type", "application/octet-stream"), **said(call)}
    return await store(call, cloud, bucket, _name(call, fields), fields, call.file or call.raw)


async def store(call: Call, cloud: Cloud, bucket: str, name: str, fields: Json, content: bytes | Path, session: str = "") -> Json:
    """Makes an object of what has arrived.

    Args:
        call: Its preconditions are held against the object as it is when everything has been read.
        cloud: The cloud.
        bucket: Of the object.
        name: Of the object.
        fields: Metadata; the content must have the digests in it.
        content: Bytes, or a file that is moved in place.
        session: The upload that ends with this.

    Raises:
        Refusal: Metadata or preconditions do not hold, or the content is not what its digest says.
    """
    writable(call, cloud, bucket, name)
    digests = digested(content) if isinstance(content, bytes) else await asyncio.to_thread(digested, content)
    for field, found in zip(("md5Hash", "crc32c"), digests, strict=True):
        if fields.get(field, found) != found:
            message = f"Provided {field} {fields[field]!r} doesn't match calculated {found!r}: send it again."
            raise Refusal(400, "INVALID_ARGUMENT", message)
    # From here on nothing is awaited: no other write comes between the preconditions and this one.
    writable(call, cloud, bucket, name)
    return cloud.objects.put(bucket, name, content, fields, digests, session)


def said(call: Call) -> Json:
    """The digests that a request's headers say its content has."""
    found = {FIELDS[kind]: digest for kind, digest in DIGEST.findall(call.headers.get("x-goog-hash", ""))}
    return {**found, **({"md5Hash": call.headers["content-md5"]} if "content-md5" in call.headers else {})}


def begin(call: Call, cloud: Cloud, fields: Json) -> Response:
    """Opens a session; its address is in `Location`."""
    bucket, name = call.params["bucket"], _name(call, fields)
    writable(call, cloud, bucket, name)
    fields.setdefault("contentType", call.headers.get("x-upload-content-type", "application/octet-stream"))
    session = uuid.uuid4().hex
    conditions = {key: values for key, values in call.query.items() if key.startswith("if")}
    kept = {"bucket": bucket, "name": name, "fields": fields, "conditions": conditions, "begun": time.time()}
    (cloud.objects.folder / INCOMING / session).touch()
    cloud.store.of(SESSIONS).put(session, "Upload", kept)
    # In the session's address the host is the one that the client reached.
    address = f"https://{call.host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={session}"
    return Response.of({}, 200, {"Location": address, "X-GUploader-UploadID": session})


@route(HOSTS, "PUT", PATH, "storage.objects.create", takes_files=True)
async def resume(call: Call, cloud: Cloud) -> Json | Response:
    """Takes a part of a session's content, or says how much has arrived (`bytes */*`)."""
    session = call.one("upload_id")
    lock = BUSY.setdefault(session, asyncio.Lock())
    async with lock:
        return await _part(call, cloud, session)


async def _part(call: Call, cloud: Cloud, session: str) -> Json | Response:
    kept = cloud.store.of(SESSIONS).get(session)
    if kept is None or "fields" not in kept or not re.fullmatch(r"[0-9a-f]{32}", session):
        raise Refusal(404, "NOT_FOUND", "There is no such upload session: it is finished, cancelled, or over a week old.")
    if "finished" in kept:
        return existing(replace(call, query={}), cloud, kept["bucket"], kept["name"])
    file = cloud.objects.folder / INCOMING / session
    have = file.stat().st_size if file.exists() else 0
    match = RANGE.fullmatch(call.headers.get("content-range", ""))
    total = match[3] if match else str(call.size)
    if match is None or match[1] is not None:
        start = int(match[1]) if match else 0
        size = call.size
        _check_part(match, size, start, have)
        if call.file is not None and have == 0:
            os.replace(call.file, file)
        elif call.file is not None:
            await asyncio.to_thread(_append, call, file, have - start)
        else:
            _append(call, file, have - start)
        have = max(have, start + size)
        # `0-*/*`: all of it, of a length that nobody said.
        if total == "*" and match is not None and match[2] == "*":
            total = str(have)
    if total == "*" or have < int(total):
        return Response(b"", 308, {"Range": f"bytes=0-{have - 1}"} if have else {})
    if have > int(total):
        raise Refusal(400, "INVALID_ARGUMENT", f"The upload has {have} bytes, more than the {total} that it should have. Begin another.")
    kept["fields"] |= said(call)
    try:
        return await store(replace(call, query=kept["conditions"]), cloud, kept["bucket"], kept["name"], kept["fields"], file, session)
    except Refusal:
        # What does not hold now never will.
        cloud.objects.abandon(session)
        raise


def _check_part(match: re.Match[str] | None, size: int, start: int, have: int) -> None:
    if start > have:
        raise Refusal(400, "INVALID_ARGUMENT", f"The upload has {have} bytes; a part that starts at {start} would leave a hole.")
    if match is not None and match[2] != "*" and int(match[2]) - start + 1 != size:
        raise Refusal(400, "INVALID_ARGUMENT", f"The part {match[0]!r} should not have {size} bytes. Nothing of it was kept.")


def _append(call: Call, file: Path, skip: int) -> None:
    """Adds what is new of a part; what has been acknowledged is never written again."""
    with file.open("ab") as target:
        for block in call.blocks():
            target.write(block[skip:])
            skip = max(0, skip - len(block))


@route(HOSTS, "DELETE", PATH)
async def cancel(call: Call, cloud: Cloud) -> Response:
    """Gives a session up."""
    session = call.one("upload_id")
    if (kept := cloud.store.of(SESSIONS).get(session)) is not None and "fields" in kept:
        cloud.objects.abandon(session)
    return Response(b"", 499)


def _ends(call: Call) -> tuple[bytes, bytes]:
    """The first and the last bytes of a body: all of it where it is small."""
    if call.file is None:
        return call.raw, call.raw
    with call.file.open("rb") as file:
        head = file.read(BLOCK)
        file.seek(-BLOCK, os.SEEK_END)
        return head, file.read()


def parts(content_type: str, head: bytes, tail: bytes, size: int) -> tuple[Json, int, int, str]:
    """What a `multipart/related` body holds.

    Args:
        content_type: Names the boundary.
        head: The first bytes of the body: the metadata, and the head of the content.
        tail: The last bytes of the body.
        size: Bytes of the body.

    Returns:
        The metadata, where the content begins and where it ends, and the content's type.

    Raises:
        Refusal: It is none.
    """
    match = re.search(r'boundary="?([^";]+)', content_type)
    boundary = b"--" + match[1].encode("latin-1", "replace") if match else b""
    pieces = head.split(boundary, 2) if match else []
    end = tail.rfind(boundary) + size - len(tail) if match else -1
    begin = len(head) - len(pieces[-1]) if len(pieces) == 3 else size
    if end < begin or tail.rfind(boundary) < 0:
        raise Refusal(400, "INVALID_ARGUMENT", "A multipart upload needs two parts: metadata and content.")
    metadata, media = pieces[1], pieces[2]
    # gcsfs separates by a bare line feed.
    line = b"\r\n" if media.startswith(b"\r\n") else b"\n"
    described, blank, _ = media.partition(line * 2)
    typed = re.search(rb"content-type: *([^\r\n]+)", described, re.I)
    kind = typed[1].decode("latin-1") if typed else "application/octet-stream"
    first = min(begin + len(described) + len(blank), end)
    return _object(metadata.partition(line * 2)[2]), first, max(first, end - len(line)), kind


def _object(raw: bytes) -> Json:
    """An object's metadata, held to its schema."""
    described = discovery.document("storage", "v1")
    assert described is not None
    return validation.body(described.by_id["objects.insert"], validation.parsed(raw), partial=False)


def _name(call: Call, fields: Json) -> str:
    name = call.one("name") or fields.get("name", "")
    if not name or len(name.encode()) > NAME_BYTES:
        raise Refusal(400, "INVALID_ARGUMENT", f"An object needs a name of 1 to {NAME_BYTES} bytes.", reason="required")
    return str(name)
