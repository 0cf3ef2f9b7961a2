"""Load jobs with the file in the request.

https://cloud.google.com/bigquery/docs/reference/api-uploads
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from emulator import discovery, validation
from emulator.behaviours import Call, Json, Refusal, Response, route
from emulator.engines.bigquery.jobs import UPLOADS, start

if TYPE_CHECKING:
    from emulator.cloud import Cloud

UPLOAD = r"/(?:resumable/)?upload/bigquery/v2/projects/(?P<project>[^/]+)/jobs"
HOSTS = r"(?:bigquery|www)\.googleapis\.com"


@route(HOSTS, "POST", UPLOAD, "bigquery.jobs.create")
async def upload(call: Call, cloud: Cloud) -> Json | Response:
    """A load job with its file, in one request or as a session."""
    folder = cloud.state / "bigquery"
    folder.mkdir(exist_ok=True)
    session = uuid.uuid4().hex
    project = call.params["project"]
    if call.one("uploadType") == "resumable":
        body = _job(call.raw)
        (folder / session).touch()
        cloud.store.of(UPLOADS).put(session, "Upload", {"project": project, "job": body, "identity": call.identity})
        address = f"https://{call.host}/upload/bigquery/v2/projects/{project}/jobs?uploadType=resumable&upload_id={session}"
        return Response.of({}, 200, {"Location": address, "X-GUploader-UploadID": session})
    match = re.search(r'boundary="?([^";]+)', call.headers.get("content-type", ""))
    if match is None:
        raise Refusal(400, "INVALID_ARGUMENT", "A multipart upload needs two parts: the job and the file.")
    metadata, content = _two(call.raw, match[1].encode())
    (folder / session).write_bytes(content)
    return await start(cloud, project, _job(metadata), [folder / session], call.identity)


@route(HOSTS, "PUT", UPLOAD, "bigquery.jobs.create", takes_files=True)
async def resume(call: Call, cloud: Cloud) -> Json | Response:
    """Takes a part of the file; the last one starts the job."""
    session = call.one("upload_id")
    kept = cloud.store.of(UPLOADS).get(session)
    if kept is None:
        raise Refusal(404, "NOT_FOUND", "There is no such upload session.")
    file = cloud.state / "bigquery" / session
    match = re.fullmatch(r"bytes (?:(\d+)-(\d+|\*)|\*)/(\d+|\*)", call.headers.get("content-range", ""))
    have, total = file.stat().st_size, match[3] if match else str(call.size)
    if match is None or match[1] is not None:
        begin = int(match[1]) if match else 0
        if begin > have:
            raise Refusal(400, "INVALID_ARGUMENT", f"The upload has {have} bytes; a part that starts at {begin} would leave a hole.")
        with file.open("r+b") as target:
            target.seek(begin)
            target.truncate()
            target.writelines(call.blocks())
        have = begin + call.size
    if total == "*" or have < int(total):
        return Response(b"", 308, {"Range": f"bytes=0-{have - 1}"} if have else {})
    cloud.store.of(UPLOADS).remove(session)
    return await start(cloud, kept["project"], kept["job"], [file], kept["identity"])


def _two(raw: bytes, boundary: bytes) -> tuple[bytes, bytes]:
    """The two parts of a `multipart/related` body, without their heads."""
    pieces = raw.split(b"--" + boundary, 2)
    end = raw.rfind(b"--" + boundary)
    if len(pieces) < 3 or end < len(raw) - len(pieces[2]):
        raise Refusal(400, "INVALID_ARGUMENT", "A multipart upload needs two parts: the job and the file.")
    first, second = pieces[1], raw[len(raw) - len(pieces[2]) : end]
    return first.partition(b"\r\n\r\n")[2], second.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _job(raw: bytes) -> Json:
    """A job of an upload, held to its schema."""
    described = discovery.document("bigquery", "v2")
    assert described is not None
    return validation.body(described.by_id["jobs.insert"], validation.parsed(raw), partial=False)
