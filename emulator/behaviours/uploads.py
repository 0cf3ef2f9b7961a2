"""Uploads to Cloud Storage: in one request, as metadata and content together, or in a session that can be resumed, also after a restart."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator import discovery, validation
from emulator.behaviours import Call, Json, Refusal, Response, at_start, route
from emulator.behaviours.storage import content, existing, writable
from emulator.engines.objects import INCOMING, digests

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HOSTS = r"(?:storage|www)\.googleapis\.com"
PATH = r"/(?:resumable/)?upload/storage/v1/b/(?P<bucket>[^/]+)/o"
OBJECT = r"/(?!storage/|upload/|download/|resumable/|batch)(?P<bucket>[^/]+)/(?P<object>.+)"
SESSIONS = "uploads"


@at_start
async def sweep(cloud: Cloud) -> None:
    """Forgets the sessions whose content is gone: they were finished, or nobody went on with them for a week."""
    cloud.objects.sweep()
    for session, _ in cloud.store.of(SESSIONS).items():
        if not (cloud.objects.folder / INCOMING / session).exists():
            cloud.store.of(SESSIONS).remove(session)


@route(HOSTS, "POST", PATH, "storage.objects.create")
async def upload(call: Call, cloud: Cloud) -> Json | Response:
    """Begins or makes an upload."""
    if call.one("upload_id"):
        return await resume(call, cloud)
    kind = call.one("uploadType")
    if kind == "resumable":
        return begin(call, cloud, _object(call.raw))
    if kind == "multipart":
        fields, data, content_type = parts(call.headers.get("content-type", ""), call.raw)
        fields.setdefault("contentType", content_type)
        return store(call, cloud, fields, data)
    return store(call, cloud, {"contentType": call.headers.get("content-type", "application/octet-stream")}, call.raw)


def store(call: Call, cloud: Cloud, fields: Json, data: bytes) -> Json:
    """Makes an object of one request's content.

    Raises:
        Refusal: Metadata or preconditions do not hold, or the content is not what its digest says.
    """
    bucket, name = call.params["bucket"], _name(call, fields)
    writable(call, cloud, bucket, name)
    file = cloud.objects.incoming()
    file.write_bytes(data)
    return _checked(cloud, bucket, name, file, fields)


def begin(call: Call, cloud: Cloud, fields: Json) -> Response:
    """Opens a session; its address is in `Location`."""
    bucket, name = call.params["bucket"], _name(call, fields)
    writable(call, cloud, bucket, name)
    fields.setdefault("contentType", call.headers.get("x-upload-content-type", "application/octet-stream"))
    session = uuid.uuid4().hex
    file = cloud.objects.folder / INCOMING / session
    file.touch()
    conditions = {key: values for key, values in call.query.items() if key.startswith("if")}
    cloud.store.of(SESSIONS).put(session, "Upload", {"bucket": bucket, "name": name, "fields": fields, "conditions": conditions})
    # In the session's address the host is the one that the client reached.
    address = f"https://{call.host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={session}"
    return Response.of({}, 200, {"Location": address, "X-GUploader-UploadID": session})


@route(HOSTS, "PUT", PATH, "storage.objects.create")
async def resume(call: Call, cloud: Cloud) -> Json | Response:
    """Takes a part of a session's content, or says how much has arrived (`bytes */*`)."""
    session = call.one("upload_id")
    kept = cloud.store.of(SESSIONS).get(session)
    file = cloud.objects.folder / INCOMING / session
    if kept is None or not re.fullmatch(r"[0-9a-f]{32}", session):
        raise Refusal(404, "NOT_FOUND", "There is no such upload session: it is finished, cancelled, or over a week old.")
    if "finished" in kept:
        return existing(call, cloud, kept["bucket"], kept["name"])
    match = re.fullmatch(r"bytes (?:(\d{1,18})-(\d{1,18}|\*)|\*)/(\d{1,18}|\*)", call.headers.get("content-range", ""))
    have = file.stat().st_size if file.exists() else 0
    total = match[3] if match else str(len(call.raw))
    if match is None or match[1] is not None:
        start = int(match[1]) if match else 0
        if start > have:
            raise Refusal(400, "INVALID_ARGUMENT", f"The upload has {have} bytes; a part that starts at {start} would leave a hole.")
        with file.open("r+b") as target:
            target.seek(start)
            target.truncate()
            target.write(call.raw)
        have = start + len(call.raw)
        # `0-*/*`: all of it, of a length that nobody said.
        if total == "*" and match is not None and match[2] == "*":
            total = str(have)
    if total == "*" or have < int(total):
        return Response(b"", 308, {"Range": f"bytes=0-{have - 1}"} if have else {})
    checked = replace(call, query=kept["conditions"])
    writable(checked, cloud, kept["bucket"], kept["name"])
    resource = _checked(cloud, kept["bucket"], kept["name"], file, kept["fields"])
    cloud.store.of(SESSIONS).put(session, "Upload", {**kept, "finished": True})
    return resource


@route(HOSTS, "DELETE", PATH)
async def cancel(call: Call, cloud: Cloud) -> Response:
    """Gives a session up."""
    session = call.one("upload_id")
    if cloud.store.of(SESSIONS).get(session) is not None:
        cloud.store.of(SESSIONS).remove(session)
        (cloud.objects.folder / INCOMING / session).unlink(missing_ok=True)
    return Response(b"", 499)


@route(r"storage\.googleapis\.com", "GET", OBJECT, "storage.objects.get")
async def read(call: Call, cloud: Cloud) -> Response:
    """Reads an object through the XML API, as Go's client and signed addresses do."""
    return content(call, cloud, existing(call, cloud, call.params["bucket"], call.params["object"]))


@route(r"storage\.googleapis\.com", "HEAD", OBJECT, "storage.objects.get")
async def head(call: Call, cloud: Cloud) -> Response:
    """As `read`, for the headers alone."""
    return content(call, cloud, existing(call, cloud, call.params["bucket"], call.params["object"]))


@route(r"storage\.googleapis\.com", "PUT", OBJECT, "storage.objects.create")
async def write(call: Call, cloud: Cloud) -> Response:
    """Writes an object through the XML API, as signed addresses do."""
    fields = {"contentType": call.headers.get("content-type", "application/octet-stream")}
    bucket, name = call.params["bucket"], call.params["object"]
    writable(call, cloud, bucket, name)
    resource = cloud.objects.put(bucket, name, call.raw, fields)
    return Response(b"", 200, {"ETag": f'"{resource["etag"]}"', "X-Goog-Generation": resource["generation"]})


def parts(content_type: str, raw: bytes) -> tuple[Json, bytes, str]:
    """Metadata, content and the content's type of a `multipart/related` body.

    Raises:
        Refusal: It is none.
    """
    match = re.search(r'boundary="?([^";]+)', content_type)
    boundary = b"--" + match[1].encode() if match else b""
    pieces = raw.split(boundary, 2) if match else []
    end = raw.rfind(boundary) if match else -1
    if len(pieces) < 3 or end < 0:
        raise Refusal(400, "INVALID_ARGUMENT", "A multipart upload needs two parts: metadata and content.")
    begin = len(raw) - len(pieces[2])
    metadata, media = pieces[1], raw[begin:end]
    # gcsfs separates by a bare line feed.
    line = b"\r\n" if media.startswith(b"\r\n") else b"\n"
    head, _, data = media.partition(line * 2)
    typed = re.search(rb"content-type: *([^\r\n]+)", head, re.I)
    kind = typed[1].decode("latin-1") if typed else "application/octet-stream"
    return _object(metadata.partition(line * 2)[2]), data[: -len(line)], kind


def _object(raw: bytes) -> Json:
    """An object's metadata, held to its schema."""
    described = discovery.document("storage", "v1")
    assert described is not None
    return validation.body(described.by_id["objects.insert"], validation.parsed(raw), partial=False)


def _name(call: Call, fields: Json) -> str:
    name = call.one("name") or fields.get("name", "")
    if not name or len(name.encode()) > 1024:
        raise Refusal(400, "INVALID_ARGUMENT", "An object needs a name of 1 to 1024 bytes.", reason="required")
    return str(name)


def _checked(cloud: Cloud, bucket: str, name: str, file: Path, fields: Json) -> Json:
    """Moves a file in place, unless it is not what the metadata's digests say."""
    wanted = {key: fields[key] for key in ("md5Hash", "crc32c") if fields.get(key)}
    if wanted:
        md5, crc32c = digests(file)
        for key, value in (("md5Hash", md5), ("crc32c", crc32c)):
            if wanted.get(key, value) != value:
                file.unlink()
                raise Refusal(400, "INVALID_ARGUMENT", f"Provided {key} {wanted[key]!r} doesn't match calculated {value!r}: send it again.")
    return cloud.objects.put(bucket, name, file, fields)
