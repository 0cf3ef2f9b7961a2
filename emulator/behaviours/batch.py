"""Batches: many requests in one, as `multipart/mixed` (https://cloud.google.com/storage/docs/batch)."""

from __future__ import annotations

import json
import re
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Refusal, Response, route

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.dispatch import Request

LIMIT = 1000


@route(r"[\w.-]+\.googleapis\.com", "POST", r"/batch(?:/.*)?")
async def batch(call: Call, cloud: Cloud) -> Response:
    """Answers each part as if it had come alone."""
    match = re.search(r'boundary="?([^";]+)', call.headers.get("content-type", ""))
    if match is None:
        raise Refusal(400, "INVALID_ARGUMENT", "A batch is multipart/mixed; its content type names no boundary.")
    received = call.raw.split(b"--" + match[1].encode("latin-1", "replace"))[1:-1]
    if len(received) > LIMIT:
        raise Refusal(400, "INVALID_ARGUMENT", f"A batch holds at most {LIMIT} requests, not {len(received)}.")
    boundary = f"batch_{uuid.uuid4().hex}"
    answers = [await _part(part, call, cloud, boundary) for part in received]
    body = b"".join(answers) + f"--{boundary}--".encode()
    return Response(body, 200, content_type=f"multipart/mixed; boundary={boundary}")


async def _part(part: bytes, call: Call, cloud: Cloud, boundary: str) -> bytes:
    from emulator.dispatch import Request

    envelope, _, inner = part.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
    head, _, body = inner.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    http, _, target = first.partition(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    headers.setdefault("authorization", call.headers.get("authorization", ""))
    path, _, query = re.sub(r"^https://[^/]+", "", target.partition(" ")[0]).partition("?")
    status, content_type, content = await _answered(Request(http, call.host, path, query, headers, body.strip()), cloud)
    identifier = re.search(rb"content-id: *<?([^>\n]+)>?", envelope, re.I)
    named = b"Content-ID: <response-%s>\r\n" % identifier[1] if identifier else b""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else ""
    answered = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
    begin = f"--{boundary}\r\nContent-Type: application/http\r\n".encode()
    return begin + named + b"\r\n" + answered.encode() + content + b"\r\n"


async def _answered(request: Request, cloud: Cloud) -> tuple[int, str, bytes]:
    """Status, content type and content of the answer to a part; a batch or a stream can be no part."""
    from emulator.dispatch import answer

    if not request.path.startswith("/batch"):
        response = await answer(request, cloud)
        if isinstance(response.body, bytes):
            return response.status, response.content_type, response.body
    refusal = Refusal(400, "INVALID_ARGUMENT", f"{request.path[:80]} cannot be a part of a batch. Send it alone.")
    return refusal.status, "application/json; charset=UTF-8", json.dumps(refusal.body()).encode()
