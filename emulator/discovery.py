"""Google's own descriptions of its APIs: the discovery documents that `google-api-python-client` ships, parsed when first asked for."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]
Node = dict[Any, Any]
"""Of the tree of paths: literal segment, `{}` or `{**}` → node, and at the end (HTTP method, custom verb) → method."""

VERSION = re.compile(r"(?:^|/)(v\d+\w*|alpha|beta)(?:/|$)")
SEGMENT = re.compile(r"(?:\{[+/]?(\w+)\}|([^{}:]*))(?::(\w+))?")
LONG_ID = re.compile(r"/\w+/\.\*\$$")
"""Ends the pattern of a name whose id may hold slashes: `metricDescriptors/custom.googleapis.com/drift`."""
RESOURCE_PREFIX = re.compile(r"^(Google\w*?)?V\d+((alpha|beta)\d+)?(p\d+)?(?=[A-Z])")
MARKS = {"Required.": "required", "Output only.": "output", "Immutable.": "immutable"}


def short(schema: str) -> str:
    """Name of a message without what discovery documents put before it: `GoogleCloudAiplatformV1Model` → `Model`."""
    return RESOURCE_PREFIX.sub("", schema)


@dataclass(frozen=True)
class Method:
    """One method of an API."""

    id: str
    """Without the API's name: `projects.locations.endpoints.create`."""
    http: str
    template: str
    """Path with a variable per segment: `v1/projects/{projectsId}/locations/{locationsId}/endpoints`."""
    parameters: Json
    request: str
    """Schema of the body; empty where there is none."""
    response: str
    document: Document = field(repr=False)

    @property
    def verb(self) -> str:
        """`create`, `list`, `deployModel`."""
        return self.id.rpartition(".")[2]

    @cached_property
    def getter(self) -> Method | None:
        """The `get` of the resource that this method makes or changes."""
        path = self.template.partition(":")[0]
        found = self.document.by_template.get(("GET", path))
        if found is not None and found.verb == "get":
            return found
        return self.document.by_id.get(f"{self.id.rpartition('.')[0]}.get")

    @cached_property
    def resource(self) -> str:
        """Schema of that resource: what `get` answers, or the body where there is no `get`; empty where there is neither."""
        schema = (self.getter.response if self.getter else "") or self.request
        return schema if schema in self.document.schemas else ""

    @cached_property
    def full_names(self) -> bool:
        """Whether the resource's `name` is the whole path (`projects/P/…`) and not its last part."""
        patterns = [parameter.get("pattern", "") for parameter in (self.getter.parameters if self.getter else {}).values()]
        return any("/" in pattern.replace("[^/]", "") for pattern in patterns)


@dataclass
class Document:
    """One version of one API."""

    name: str
    version: str
    host: str
    service_path: str
    """What stands before the paths of methods: `storage/v1/`, or nothing."""
    schemas: Json
    parameters: set[str]
    by_id: dict[str, Method] = field(default_factory=dict)
    by_template: dict[tuple[str, str], Method] = field(default_factory=dict)
    has_located_operations: bool = False
    _tree: Node = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Document:
        """Parses one document."""
        raw = json.loads(path.read_bytes())
        host = re.sub(r"^https://|/$", "", raw["rootUrl"])
        schemas = raw["schemas"]
        for schema in schemas.values():
            _condense(schema)
        document = cls(raw["name"], raw["version"], host, raw["servicePath"], schemas, set(raw.get("parameters", ())))
        for method in _methods(raw):
            document._add(method)
        return document

    def match(self, http: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method at a path, and the path's variables.

        Args:
            http: HTTP method.
            path: Without the leading slash, still percent-encoded: names arrive with `%2F`.
        """
        *head, last = path.split("/")
        stem, colon, verb = last.rpartition(":")
        tails = [(stem, verb), (last, "")] if colon else [(last, "")]
        for tail, custom in tails:
            found = _walk(self._tree, [*head, tail], (http, custom))
            if found is not None:
                method, values = found
                return method, dict(zip(re.findall(r"\{[+/]?(\w+)\}", method.template), map(unquote, values), strict=True))
        return None

    def _add(self, raw: Json) -> None:
        template = self.service_path + (raw.get("flatPath") or raw["path"])
        id_ = raw["id"].partition(".")[2]
        request, response = raw.get("request", {}).get("$ref", ""), raw.get("response", {}).get("$ref", "")
        method = Method(id_, raw["httpMethod"], template, raw.get("parameters", {}), request, response, self)
        self.by_id[id_] = method
        self.by_template.setdefault((method.http, template), method)
        if id_.endswith("operations.get") and "{projectsId}" in template:
            self.has_located_operations = True
        node: Node = self._tree
        parent, custom = node, ""
        for segment in template.split("/"):
            parsed = SEGMENT.fullmatch(segment)
            if parsed is None:
                return
            variable, literal, custom = parsed.group(1), parsed.group(2), parsed.group(3) or ""
            parent, node = node, node.setdefault("{}" if variable else literal, {})
        node.setdefault((method.http, custom), method)
        if any(LONG_ID.search(parameter.get("pattern", "")) for parameter in method.parameters.values()):
            parent.setdefault("{**}", {}).setdefault((method.http, custom), method)


def _walk(node: Node, segments: list[str], leaf: tuple[str, str]) -> tuple[Method, list[str]] | None:
    """Literal segments win over variables; a wrong turn is taken back."""
    if not segments:
        method = node.get(leaf)
        return (method, []) if method is not None else None
    first, *rest = segments
    if first in node and (found := _walk(node[first], rest, leaf)):
        return found
    if first and "{}" in node and (found := _walk(node["{}"], rest, leaf)):
        return found[0], [first, *found[1]]
    if "{**}" in node and leaf in node["{**}"]:
        return node["{**}"][leaf], ["/".join(segments)]
    return None


def _methods(node: Json) -> Iterator[Json]:
    yield from node.get("methods", {}).values()
    for child in node.get("resources", {}).values():
        yield from _methods(child)


def _condense(schema: Json) -> None:
    """Keeps of each description only what it demands: texts are most of a document's size."""
    text = schema.pop("description", "")
    for start, mark in MARKS.items():
        if text.startswith(start) or (mark == "output" and schema.get("readOnly")):
            schema["mark"] = mark
    schema.pop("enumDescriptions", None)
    for child in schema.get("properties", {}).values():
        _condense(child)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            _condense(schema[key])


@lru_cache(maxsize=1)
def _folder() -> Path:
    found = importlib.util.find_spec("googleapiclient")
    if found is None or found.origin is None:
        raise FileNotFoundError("google-api-python-client is not installed, and the discovery documents are part of it: `make setup`.")
    return Path(found.origin).parent / "discovery_cache" / "documents"


@cache
def document(service: str, version: str) -> Document | None:
    """The document of `service` in `version`, or none."""
    if not re.fullmatch(r"[a-z0-9]+", service):
        return None
    path = _folder() / f"{service}.{version}.json"
    return Document.read(path) if path.is_file() else None


def documents(service: str) -> list[Document]:
    """The documents of all released versions of `service`."""
    versions = sorted(path.name.split(".")[1] for path in _folder().glob(f"{service}.*.json"))
    released = [version for version in versions if not re.search(r"alpha|beta", version)] or versions
    return [found for version in released if (found := document(service, version))]


def find(service: str, http: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """The method of `service` at `path` (no leading slash, still encoded), with the values of its variables."""
    version = VERSION.search(path)
    described = document(service, version.group(1)) if version else None
    return described.match(http, path) if described else None


@cache
def names() -> frozenset[str]:
    """The APIs that are described."""
    return frozenset(path.name.partition(".")[0] for path in _folder().glob("*.json"))


@cache
def versions(service: str) -> tuple[str, ...]:
    """The versions in which an API is described, the stable ones first."""
    found = [path.name.removesuffix(".json").partition(".")[2] for path in _folder().glob(f"{service}.*.json")]
    return tuple(sorted(found, key=lambda version: ("beta" in version or "alpha" in version, version)))
