"""Cloud Storage's XML API: what signed addresses and Go's client read and write, and uploads whose parts arrive side by side.

https://cloud.google.com/storage/docs/xml-api/overview, https://cloud.google.com/storage/docs/multipart-uploads
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from emulator.behaviours import Call, Json, Refusal, Response, route
from emulator.behaviours.storage import SENT, content, existing, hashes, writable
from emulator.behaviours.uploads import said, store
from emulator.engines.content import digested, joined
from emulator.engines.journal import SESSIONS
from emulator.engines.objects import INCOMING

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HOST = r"storage\.googleapis\.com"
OBJECT = r"/(?!storage/|upload/|download/|resumable/|batch)(?P<bucket>[^/]+)/(?P<object>.+)"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
CONDITIONS = {
    "x-goog-if-generation-match": "ifGenerationMatch",
    "x-goog-if-metageneration-match": "ifMetagenerationMatch",
}
LAST_PART = 10_000
LIST_BYTES = 4 << 20
PART = re.compile(rb"<Part>(.*?)</Part>", re.S)
PART_NUMBER, PART_TAG = re.compile(rb"<PartNumber>\s*(\d{1,5})\s*<"), re.compile(rb"<ETag>\s*(?:\"|&quot;)?([0-9a-f]{32})")


@route(HOST, "GET", OBJECT, "storage.objects.get")
@route(HOST, "HEAD", OBJECT, "storage.objects.get")
async def read(call: Call, cloud: Cloud) -> Response:
    """The content of an object, or its headers alone."""
    call = _conditioned(call)
    return content(call, cloud, existing(call, cloud, call.params["bucket"], call.params["object"]))


@route(HOST, "PUT", OBJECT, "storage.objects.create", takes_files=True)
async def write(call: Call, cloud: Cloud) -> Response:
    """Writes an object, or a part of an upload."""
    call = _conditioned(call)
    if call.one("uploadId"):
        return await _add_part(call, cloud)
    made = await store(call, cloud, call.params["bucket"], call.params["object"], {**_fields(call), **said(call)}, call.file or call.raw)
    return Response(b"", 200, {"ETag": f'"{made["etag"]}"', "X-Goog-Generation": made["generation"], "X-Goog-Hash": hashes(made)})


@route(HOST, "DELETE", OBJECT, "storage.objects.delete")
async def delete(call: Call, cloud: Cloud) -> Response:
    """Deletes an object, or gives an upload in parts up."""
    call = _conditioned(call)
    bucket, name = call.params["bucket"], call.params["object"]
    if session := call.one("uploadId"):
        _upload(call, cloud)
        cloud.objects.abandon(session)
    else:
        existing(call, cloud, bucket, name)
        cloud.objects.delete(bucket, name, call.one("generation"))
    return Response(status=204)


@route(HOST, "POST", OBJECT, "storage.objects.create")
async def begin_or_complete(call: Call, cloud: Cloud) -> Response:
    """Begins an upload in parts (`?uploads`), or makes an object of its parts (`?uploadId`)."""
    call = _conditioned(call)
    bucket, name = call.params["bucket"], call.params["object"]
    if call.one("uploadId"):
        return await _complete(call, cloud)
    if "uploads" not in call.query:
        raise Refusal(400, "INVALID_ARGUMENT", "POST of an object begins or completes an upload in parts: ?uploads or ?uploadId=.")
    writable(call, cloud, bucket, name)
    session = uuid.uuid4().hex
    (cloud.objects.folder / INCOMING / session).mkdir()
    kept = {"bucket": bucket, "name": name, "parts": _fields(call), "begun": time.time()}
    cloud.store.of(SESSIONS).put(session, "Multipart", kept)
    return _xml("InitiateMultipartUploadResult", {"Bucket": bucket, "Key": name, "UploadId": session})


async def _add_part(call: Call, cloud: Cloud) -> Response:
    folder, _ = _upload(call, cloud)
    number = call.one("partNumber")
    if not re.fullmatch(r"[0-9]{1,5}", number) or not 1 <= int(number) <= LAST_PART:
        raise Refusal(400, "INVALID_ARGUMENT", f"A part has a number from 1 to {LAST_PART}, not {number[:20]!r}.")
    md5, crc32c = digested(call.raw) if call.file is None else await asyncio.to_thread(digested, call.file)
    wanted = said(call)
    if wanted.get("md5Hash", md5) != md5 or wanted.get("crc32c", crc32c) != crc32c:
        raise Refusal(
            400, "INVALID_ARGUMENT", f"The part has the digests md5={md5}, crc32c={crc32c}, not those that were said. Send it again."
        )
    # A part is there whole or not at all, and one that is sent again replaces the first.
    source = call.file or cloud.objects.incoming()
    if call.file is None:
        source.write_bytes(call.raw)
    tag = base64.b64decode(md5).hex()
    for old in folder.glob(f"{int(number):05}-*"):
        old.unlink()
    os.replace(source, folder / f"{int(number):05}-{tag}")
    return Response(b"", 200, {"ETag": f'"{tag}"', "X-Goog-Hash": f"crc32c={crc32c},md5={md5}"})


async def _complete(call: Call, cloud: Cloud) -> Response:
    folder, kept = _upload(call, cloud)
    bucket, name, session = kept["bucket"], kept["name"], call.one("uploadId")
    writable(call, cloud, bucket, name)
    files = [folder / f"{number:05}-{tag}" for number, tag in _listed(call.raw)]
    if lacking := [file.name[:5].lstrip("0") for file in files if not file.exists()]:
        raise Refusal(400, "INVALID_ARGUMENT", f"The upload has no such parts: {', '.join(lacking[:10])}. Send them, then complete it.")
    whole = cloud.objects.incoming()
    try:
        with ExitStack() as stack:
            contents = [stack.enter_context(file.open("rb")) for file in files]
            _, crc32c = await asyncio.to_thread(joined, contents, whole)
        _upload(call, cloud)
        writable(call, cloud, bucket, name)
        # As of composed objects, Cloud Storage knows no MD5.
        made = cloud.objects.put(bucket, name, whole, kept["parts"], ("", crc32c))
    finally:
        whole.unlink(missing_ok=True)
    cloud.objects.abandon(session)
    where = f"https://storage.googleapis.com/{bucket}/{name}"
    answer = _xml("CompleteMultipartUploadResult", {"Location": where, "Bucket": bucket, "Key": name, "ETag": f'"{made["etag"]}"'})
    return replace(answer, headers={"X-Goog-Generation": made["generation"], "X-Goog-Hash": hashes(made)})


def _upload(call: Call, cloud: Cloud) -> tuple[Path, Json]:
    """Folder and description of the upload in parts that a call names."""
    session = call.one("uploadId")
    kept = cloud.store.of(SESSIONS).get(session)
    if kept is None or "parts" not in kept or (kept["bucket"], kept["name"]) != (call.params["bucket"], call.params["object"]):
        raise Refusal(404, "NOT_FOUND", "There is no such upload in parts: it is completed, given up, or over a week old.")
    return cloud.objects.folder / INCOMING / session, kept


def _listed(raw: bytes) -> list[tuple[int, str]]:
    """Numbers and tags of the parts that make the object, in their order."""
    if len(raw) > LIST_BYTES:
        raise Refusal(400, "INVALID_ARGUMENT", f"The list of parts has more than {LIST_BYTES} bytes.")
    found = [(PART_NUMBER.search(one), PART_TAG.search(one)) for one in PART.findall(raw)]
    listed = [(int(number[1]), tag[1].decode()) for number, tag in found if number and tag]
    if not listed or len(listed) < len(found) or sorted({number for number, _ in listed}) != [number for number, _ in listed]:
        raise Refusal(400, "INVALID_ARGUMENT", "The list of parts names number and ETag of each, in ascending order.")
    return listed


def _conditioned(call: Call) -> Call:
    """The call with its preconditions where those of the JSON API have theirs."""
    return replace(
        call, query={**call.query, **{name: [call.headers[header]] for header, name in CONDITIONS.items() if header in call.headers}}
    )


def _fields(call: Call) -> Json:
    """The metadata in the headers of a write."""
    fields: Json = {"contentType": call.headers.get("content-type", "application/octet-stream")}
    fields |= {field: call.headers[header.lower()] for field, header in SENT.items() if header.lower() in call.headers}
    if custom := {key.removeprefix("x-goog-meta-"): value for key, value in call.headers.items() if key.startswith("x-goog-meta-")}:
        fields["metadata"] = custom
    if storage_class := call.headers.get("x-goog-storage-class"):
        fields["storageClass"] = storage_class
    return fields


def _xml(kind: str, values: dict[str, Any]) -> Response:
    inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items())
    text = f"<?xml version='1.0' encoding='UTF-8'?><{kind} xmlns='{NAMESPACE}'>{inner}</{kind}>"
    return Response(text.encode("utf-8", "replace"), 200, content_type="application/xml; charset=UTF-8")
