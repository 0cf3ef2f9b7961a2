"""From a request to its answer: which API, which method, is the request right, is the API enabled, may the caller, and then who answers."""

from __future__ import annotations

import json
import re
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote

from emulator import behaviours, discovery, partial, validation
from emulator.behaviours import Call, Json, Refusal, Response
from emulator.cloud import Cloud
from emulator.identity import caller, signer
from emulator.store import full_message, is_full

SIGNATURES = re.compile(r"x-goog-|googleaccessid$|signature$|expires$", re.I)
REGION = re.compile(r"^[a-z]+-[a-z]+\d-")
PARTIAL = {"update", "mutateDeployedModel"}
"""Methods that change what their body names, and leave the rest as it is."""
RAW = {"rawPredict", "streamRawPredict"}
"""Methods whose body is the model server's own, whatever the document says."""
REQUESTS = "requests"
"""Every request is logged under this name, a line of JSON each: who called what, needing which permissions, and how that ended."""
FAULTS = "faults"
"""Tracebacks of the emulator's own faults."""
PROBLEM_LIMIT = 2000


@dataclass(frozen=True)
class Request:
    """An HTTP request that reached one of Google's hosts."""

    http: str
    host: str
    path: str
    """Still percent-encoded."""
    query: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    """Empty where it is a file."""
    file: Path | None = None
    """A large body; whoever made the request removes what is left of it after the answer."""


async def answer(request: Request, cloud: Cloud) -> Response:
    """The answer to `request`; never raises. Where the disk is full, the emulator ends."""
    try:
        return await _answer(request, cloud)
    except Exception as error:
        if is_full(error):
            cloud.stop(full_message(cloud.state))
            return Response.of(Refusal(500, "INTERNAL", full_message(cloud.state)).body(), 500)
        cloud.log(FAULTS, traceback.format_exc())
        message = f"The local Google Cloud failed: {error!r}. Its console shows the traceback, in the log '{FAULTS}'."
        return Response.of(Refusal(500, "INTERNAL", message).body(), 500)


async def _answer(request: Request, cloud: Cloud) -> Response:
    begun = time.perf_counter()
    who = caller(request.headers.get("authorization", ""))
    line: Json = {"http": request.http, "address": f"{request.host}{request.path}", "method": "", "identity": who, "permissions": []}
    try:
        call, behaviour = route(request, cloud)
        line |= {"method": f"{api_of(call)}.{call.method or behaviour.__name__}", "identity": call.identity}
        if call.description is not None:
            cloud.projects.check(call.project, call.service)
        decisions = cloud.access.decide(call)
        line["permissions"] = [asdict(decision) for decision in decisions]
        cloud.access.enforce(call.identity, decisions)
        mask = partial.parsed(call.one("fields")) if call.one("fields") else {}
        if mask and call.description is not None and call.description.response:
            partial.check(call.description.document, {"$ref": call.description.response}, mask)
        result = await behaviour(call, cloud)
        result = result if isinstance(result, Response) else partial.selected(result, mask)
        response = result if isinstance(result, Response) else Response.of(result)
    except RecursionError:
        response = Response.of(Refusal(400, "INVALID_ARGUMENT", "Invalid JSON payload received. Message too deep.").body(), 400)
    except Refusal as refusal:
        response = Response.of(refusal.body(), refusal.status)
    if response.status >= 400 and isinstance(response.body, bytes):
        line["problem"] = response.body[:PROBLEM_LIMIT].decode(errors="replace")
    cloud.log(REQUESTS, json.dumps({"status": response.status, "seconds": round(time.perf_counter() - begun, 4), **line}))
    return response


def takes_files(http: str, host: str, path: str) -> bool:
    """Whether a request is answered by a route that takes a body of any size, as a file."""
    return next((one.takes_files for one in behaviours.ROUTES if _matches(one, http, host, path)), False)


def _matches(known: behaviours.Route, http: str, host: str, path: str) -> re.Match[str] | None:
    return known.path.fullmatch(path) if known.http == http and known.host.fullmatch(host) else None


def route(request: Request, cloud: Cloud) -> tuple[Call, behaviours.Behaviour]:
    """The call that `request` makes, and what answers it.

    Raises:
        Refusal: No such API or method, or a request that does not fit.
    """
    query = parse_qs(request.query, keep_blank_values=True)
    identity = caller(request.headers.get("authorization", "")) or signer(query)
    for known in behaviours.ROUTES:
        if match := _matches(known, request.http, request.host, request.path):
            params = {key: unquote(value) for key, value in match.groupdict().items() if value is not None}
            name = unquote(request.path.strip("/"))
            service = request.host.partition(".")[0]
            call = Call(
                service, "", "", request.http, request.host, request.path, name, params, query, {}, request.body, request.headers,
                identity, permission=known.permission, file=request.file,
            )  # fmt: skip
            return call, known.behaviour
    service = service_of(request.host, request.path)
    path = re.sub(r"^(resumable/)?(upload|download)/", "", request.path.strip("/")).replace("/:", ":")
    found = discovery.find(service, request.http, path)
    if found is None:
        raise Refusal(404, "NOT_FOUND", f"Method not found: {request.http} https://{request.host}{request.path}")
    method, params = found
    query = validation.query(method, {key: values for key, values in query.items() if not SIGNATURES.match(key)})
    body: Json = {}
    if method.request and method.verb not in RAW:
        body = validation.body(method, validation.parsed(request.body), partial=request.http == "PATCH" or method.verb in PARTIAL)
    name = cloud.projects.by_id(name_of(method, path))
    call = Call(
        service, method.document.version, method.id, request.http, request.host, request.path, name, params, query, body, request.body,
        request.headers, identity, method,
    )  # fmt: skip
    return call, behaviours.METHODS.get((service, method.id)) or default


async def default(call: Call, cloud: Cloud) -> Json | Response:
    """The generic rule as a behaviour."""
    return await cloud.resources.default(call)


def service_of(host: str, path: str) -> str:
    """Name of the API that a host, and for `www.googleapis.com` the path, belongs to."""
    if host.endswith(".vertexai.goog"):
        return "aiplatform"
    service = REGION.sub("", host.removesuffix(".googleapis.com").removesuffix(".rep"))
    if service == "www":
        match = re.match(r"/(?:resumable/)?(?:upload/|download/|batch/)?(\w+)/", path)
        return match.group(1) if match else ""
    return service


def api_of(call: Call) -> str:
    """Name of the API that a call belongs to, also where a route answers it."""
    return call.service if call.method else service_of(call.host, call.path).partition(".")[0]


def name_of(method: discovery.Method, path: str) -> str:
    """The resource that a path addresses, without the API's version and the method's own verb."""
    rest = path[len(method.document.service_path) :]
    # The version leads; for DNS, the API's name stands before it.
    version = discovery.VERSION.search(rest) if not method.document.service_path else discovery.VERSION.match(rest)
    if version:
        rest = rest[version.end() :]
    if ":" in method.template.rpartition("/")[2]:
        rest = rest.rpartition(":")[0]
    return unquote(rest)
