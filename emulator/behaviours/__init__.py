"""What the generic rule of `emulator.resources` cannot know: one small module per API, found by scanning this package.

A behaviour replaces the generic rule for one method of a discovery document; a route answers a path that no document describes.

    @on("aiplatform", "projects.locations.endpoints.deployModel")
    async def deploy(call: Call, cloud: Cloud) -> dict: ...

    @route("storage.googleapis.com", "GET", r"/(?P<bucket>[^/]+)/(?P<object>.+)")
    async def read(call: Call, cloud: Cloud) -> Response: ...

`await cloud.resources.default(call)` runs the rule that a behaviour replaced, so that a behaviour need only add to it.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.discovery import Method

Json = dict[str, Any]

BLOCK = 1 << 20
STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
REASONS = {400: "invalid", 403: "forbidden", 404: "notFound", 409: "conflict", 412: "conditionNotMet", 416: "requestedRangeNotSatisfiable"}


class Refusal(Exception):
    """An error in the form in which Google's APIs give it.

    Args:
        status: HTTP status.
        status_name: Name of the canonical code, e.g. `NOT_FOUND`; empty takes the usual one for `status`.
        message: What is wrong, for a person.
        details: `error.details`, each with its `@type`.
        reason: `error.errors[0].reason`, which the older APIs (Storage, BigQuery, Compute) are read by.
    """

    def __init__(self, status: int, status_name: str, message: str, *, details: tuple[Json, ...] = (), reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.status_name = status_name or STATUS_NAMES.get(status, "UNKNOWN")
        self.message = message
        self.details = details
        self.reason = reason or REASONS.get(status, "backendError")

    def body(self) -> Json:
        """The JSON body of the answer."""
        error: Json = {
            "code": self.status,
            "message": self.message,
            "status": self.status_name,
            "errors": [{"domain": "global", "reason": self.reason, "message": self.message}],
        }
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}


def not_emulated(what: str) -> Refusal:
    """The refusal of what exists at Google but not here; a 400, because clients repeat a 501 for half a minute."""
    return Refusal(400, "INVALID_ARGUMENT", f"{what} is not emulated by the local Google Cloud.")


@dataclass(frozen=True)
class Response:
    """An answer that is not simply JSON with status 200."""

    body: bytes | AsyncIterator[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"

    @classmethod
    def of(cls, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """`value` as JSON."""
        return cls(json.dumps(value).encode(), status, headers or {}, "application/json; charset=UTF-8")


@dataclass(frozen=True)
class Call:
    """One request, routed and validated."""

    service: str
    """Name of the API in its discovery document (`aiplatform`); for a route, the first label of the host."""
    version: str
    method: str
    """Id in the discovery document without the service: `projects.locations.endpoints.predict`; empty for a route."""
    http: str
    """HTTP method."""
    host: str
    path: str
    """Path as it was sent, still percent-encoded."""
    name: str
    """What is addressed, `projects/P/locations/L/endpoints/E`; the collection (`…/endpoints`) for create, list and `models:upload`."""
    params: dict[str, str]
    """Path variables, decoded: as in the document's `flatPath` (`projectsId`, `locationsId`) or a route's named groups."""
    query: dict[str, list[str]]
    body: Json
    """JSON body, validated, in camelCase; `{}` where there is none."""
    raw: bytes
    """Body as it was sent; empty where it is a file."""
    headers: dict[str, str]
    """Header names in lower case."""
    identity: str
    """E-mail of the caller; empty for an anonymous one."""
    description: Method | None = None
    """The document's description of the method; none for a route."""
    permission: str = ""
    """What a route needs of its caller; for a method it follows from its id."""
    file: Path | None = None
    """A large body, for a route that takes files; gone after the answer, unless it was moved away."""

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.raw) if self.file is None else self.file.stat().st_size

    def blocks(self) -> Iterator[bytes]:
        """The body, block by block."""
        if self.file is None:
            yield self.raw
            return
        with self.file.open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    @property
    def verb(self) -> str:
        """Last part of the method's id: `create`, `deployModel`."""
        return self.method.rpartition(".")[2]

    def one(self, parameter: str, default: str = "") -> str:
        """The last value of a query parameter."""
        values = self.query.get(parameter)
        return values[-1] if values else default

    @property
    def project(self) -> str:
        """Project id in the name; empty where the name has none."""
        parts = self.name.split("/")
        return parts[1] if parts[0] == "projects" and len(parts) > 1 else ""

    @property
    def location(self) -> str:
        """`projects/P/locations/L`, the parent of every regional resource; empty where the name has none."""
        parts = self.name.split("/")
        return "/".join(parts[:4]) if len(parts) >= 4 and parts[2] == "locations" else ""


Behaviour = Callable[[Call, "Cloud"], Awaitable[Json | Response]]
Completion = Callable[[Call, "Cloud", str, Json], None]
Start = Callable[["Cloud"], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """A path that no discovery document describes."""

    host: re.Pattern[str]
    http: str
    path: re.Pattern[str]
    behaviour: Behaviour
    permission: str
    takes_files: bool


METHODS: dict[tuple[str, str], Behaviour] = {}
ROUTES: list[Route] = []
STARTS: list[Start] = []
COMPLETIONS: dict[tuple[str, str], Completion] = {}
DEFAULTS: dict[tuple[str, str], Json] = {}
SHORT_NAMES: set[tuple[str, str]] = set()
REFUSED: set[tuple[str, str]] = set()
"""Methods that the generic rule would answer, and must not: what runs in the background would only be said to have run."""


def on(service: str, *methods: str) -> Callable[[Behaviour], Behaviour]:
    """The decorated function answers these methods of `service`, in all its versions."""

    def register(behaviour: Behaviour) -> Behaviour:
        for method in methods:
            if (service, method) in METHODS:
                raise ValueError(f"{service}.{method} has two behaviours: {METHODS[service, method].__module__} and {behaviour.__module__}")
            METHODS[service, method] = behaviour
        return behaviour

    return register


def refuses(service: str, *methods: str, because: str = "") -> None:
    """These methods are not emulated, although the generic rule knows their verbs; `because` says more to whoever calls them."""

    async def refuse(call: Call, cloud: Cloud) -> Json:
        raise Refusal(400, "", because) if because else not_emulated(f"{call.service}.{call.method}")

    on(service, *methods)(refuse)
    REFUSED.update((service, method) for method in methods)


def route(host: str, http: str, path: str, permission: str = "", *, takes_files: bool = False) -> Callable[[Behaviour], Behaviour]:
    """The decorated function answers requests whose host and still encoded path match these expressions in full, before the documents.

    Its caller needs `permission`, on what the path's named groups `bucket`, `object`, `project` or `name` say. Where it takes files, a
    large body is `Call.file`; elsewhere it is refused.
    """

    def register(behaviour: Behaviour) -> Behaviour:
        ROUTES.append(Route(re.compile(host), http, re.compile(path), behaviour, permission, takes_files))
        return behaviour

    return register


def completes(service: str, kind: str) -> Callable[[Completion], Completion]:
    """The decorated function adds what the server knows to a resource that the generic rule creates or changes, before it is stored.

    It is called with the call, the cloud, the resource's name and the resource, which it changes in place. `kind` is the schema's
    short name: `Endpoint`, not `GoogleCloudAiplatformV1Endpoint`.
    """

    def register(completion: Completion) -> Completion:
        COMPLETIONS[service, kind] = completion
        return completion

    return register


def defaults(service: str, kind: str, **values: Any) -> None:
    """What the server writes into a new resource of `kind` where the request is silent."""
    DEFAULTS[service, kind] = values


def short_name(service: str, *kinds: str) -> None:
    """The `name` of these is the last part alone, although their paths are resource names."""
    SHORT_NAMES.update((service, kind) for kind in kinds)


def at_start(start: Start) -> Start:
    """The decorated coroutine runs once after a start, when the state has been opened: what a kill left half done is mended here."""
    STARTS.append(start)
    return start


def load() -> None:
    """Imports every module of this package; each registers its behaviours, so none may import anything heavy at its top."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
