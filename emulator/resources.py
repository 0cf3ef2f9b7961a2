"""The one rule for create, get, list, update, delete and IAM policies of every kind of resource, read off the discovery documents."""

from __future__ import annotations

import copy
import json
import re
import time
from typing import TYPE_CHECKING, Any

from emulator import filters, quotas, writes
from emulator.access.policies import POLICIES
from emulator.behaviours import COMPLETIONS, DEFAULTS, SHORT_NAMES, Call, Json, Refusal, Response, not_emulated
from emulator.clock import etag, now, number
from emulator.discovery import Document, Method, short
from emulator.operations import GLANCE_SECONDS, WAIT_SECONDS
from emulator.projects import project_number
from emulator.validation import STANDARD_PARAMETERS, camel

if TYPE_CHECKING:
    from emulator.cloud import Cloud

# The states in which a resource is ready for use, most specific first.
LIVE_STATES = (
    "JOB_STATE_SUCCEEDED", "PIPELINE_STATE_SUCCEEDED", "STABLE", "ACTIVE", "READY", "ENABLED", "RUNNING", "DEPLOYED", "SUCCEEDED",
    "COMPLETE", "COMPLETED", "CONDITION_SUCCEEDED",
)  # fmt: skip
TIMES = {"createTime", "updateTime", "creationTimestamp", "timeCreated", "updated", "creationTime", "lastModifiedTime"}
ETAGS = {"etag", "fingerprint", "labelFingerprint"}
IDENTITY = {"name", "id", "kind", "selfLink", "creationTimestamp", "timeCreated", "createTime", "uid", "uniqueId", "creationTime"}
IAM_VERBS = {"getIamPolicy", "setIamPolicy", "testIamPermissions"}
IAM_SUFFIX = re.compile(r"/(iam|getIamPolicy|setIamPolicy|testIamPermissions|iam/testPermissions)$")
OPERATIONS = re.compile(r"(^|\.|[a-z])[oO]perations$")
PART_BYTES = 255
ROOTS = {"projects", "folders", "organizations", "billingAccounts"}
LARGEST_PAGE = 1000
"""A page that is asked to be larger is not: https://google.aip.dev/158."""


class Resources:
    """What every API does alike."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def default(self, call: Call) -> Json | Response:
        """Answers `call` by the generic rule.

        Raises:
            Refusal: The resource is missing or taken, the request breaks a rule, or the method needs a behaviour that does not exist.
        """
        if rule_of(call.service, call.method) == "operation":
            return await self._operation(call)
        return writes.carried_out(call, self._cloud.store, lambda: self._answered(call))

    def _answered(self, call: Call) -> Json:
        match rule_of(call.service, call.method):
            case "policy":
                return self._policy(call)
            case "create":
                return self.create(call)
            case "get":
                return self.load(call)
            case "list":
                return self.list(call)
            case "update":
                return self.update(call)
            case "delete":
                return self.delete(call)
            case "set":
                return self._set(call)
        raise not_emulated(f"{call.service}.{call.method}")

    def load(self, call: Call, name: str = "") -> Json:
        """The resource `name` of the call's API, by default the one that the call addresses.

        Raises:
            Refusal: It does not exist.
        """
        name = name or call.name
        kept = self._cloud.store.of(call.service).get(name)
        if kept is None:
            raise Refusal(404, "NOT_FOUND", f"Resource '{name}' was not found.")
        return kept

    def save(self, call: Call, name: str, resource: Json, kind: str = "") -> Json:
        """Stores a resource of the call's API; its kind is by default that of the call's method."""
        return self._cloud.store.of(call.service).put(name, kind or kind_of(described(call)), resource)

    def create(self, call: Call) -> Json:
        """Creates what the call's body describes; a name that is taken is refused."""
        method = described(call)
        wrapped, wrapped_id, _ = unwrap(method, call.body)
        resource = copy.deepcopy(wrapped)
        name = call.name if call.http == "PUT" else f"{call.name}/{wrapped_id or self._new_id(call, resource) or number()}"
        return self._make(call, name, resource)

    def _make(self, call: Call, name: str, resource: Json) -> Json:
        method = described(call)
        check_name(name)
        kept = self._cloud.store.of(call.service)
        if kept.get(name) is not None:
            raise Refusal(409, "ALREADY_EXISTS", f"Resource '{name}' already exists.", reason="alreadyExists")
        key = (call.service, kind_of(method))
        quotas.check(self._cloud.store, *key, call.project)
        if has_full_name(method) and "/" not in resource.get("name", ""):
            resource.pop("name", None)
        resource = {**copy.deepcopy(DEFAULTS.get(key, {})), **resource}
        complete(method, resource, name)
        if completion := COMPLETIONS.get(key):
            completion(call, self._cloud, name, resource)
            # An API may name what it makes: a service account is stored under its e-mail.
            if has_full_name(method) and resource.get("name", "").count("/") == name.count("/"):
                name = resource["name"]
                if kept.get(name) is not None:
                    raise Refusal(409, "ALREADY_EXISTS", f"Resource '{name}' already exists.", reason="alreadyExists")
        kept.put(name, key[1], resource)
        return self.answer(call, name, resource, "insert")

    def update(self, call: Call) -> Json:
        """Changes a resource: by mask, by merging where there is none, by replacing for PUT. What is missing may be made, where asked."""
        method = described(call)
        given, _, mask = unwrap(method, call.body)
        if self._may_miss(call):
            return self._make(call, call.name, copy.deepcopy(given))
        old = self.load(call)
        writes.check_etag(call, old, given)
        mask = mask or call.one("updateMask")
        properties = method.document.schemas[method.resource]["properties"] if method.resource else {}
        refuse_immutable(properties, old, given)
        new = copy.deepcopy(old)
        if mask:
            for path in filter(None, (camel(path.strip()) for path in mask.split(","))):
                apply_mask(new, given, path, properties)
        elif call.http == "PUT":
            new = {key: value for key, value in old.items() if properties.get(key, {}).get("mark") == "output" or key in IDENTITY}
            new |= {key: value for key, value in given.items() if value is not None}
        else:
            merge(new, given)
        complete(method, new, call.name)
        for changed in ("updateTime", "updated"):
            if changed in new:
                new[changed] = now()
        for tag in ("etag", "fingerprint"):
            if tag in new:
                new[tag] = etag()
        if "metageneration" in old:
            new["metageneration"] = str(int(old["metageneration"]) + 1)
        key = (call.service, kind_of(method))
        if completion := COMPLETIONS.get(key):
            completion(call, self._cloud, call.name, new)
        self._cloud.store.of(call.service).put(call.name, key[1], new)
        return self.answer(call, call.name, new, "patch")

    def delete(self, call: Call) -> Json:
        """Deletes a resource with what lies below it; where the API asks for `force` to do that, it is asked for here too."""
        method = described(call)
        if self._may_miss(call):
            return self.answer(call, call.name, {}, "delete")
        resource = self.load(call)
        writes.check_etag(call, resource, call.body)
        kept = self._cloud.store.of(call.service)
        children = [name for name, _ in kept.under(call.name)]
        if children and "force" in method.parameters and call.one("force").lower() != "true":
            raise Refusal(
                400,
                "FAILED_PRECONDITION",
                f"Resource '{call.name}' still contains {len(children)} resources, e.g. '{children[0]}'. Delete them first, or set force.",
            )
        kept.delete(call.name)
        self._cloud.store.of(POLICIES).delete(f"{call.service}/{call.name}")
        return self.answer(call, call.name, resource, "delete")

    def _may_miss(self, call: Call) -> bool:
        """Whether the resource is missing, and the caller allows that."""
        return writes.is_set(call, "allowMissing") and self._cloud.store.of(call.service).get(call.name) is None

    def list(self, call: Call, rows: list[Json] | None = None, functions: filters.Functions | None = None) -> Json:
        """A page of the collection that the call addresses.

        Args:
            call: Its `filter`, `orderBy`, `pageSize` or `maxResults`, and `pageToken` are honoured.
            rows: What to list; by default the collection.
            functions: Functions that this collection's filters know.
        """
        method = described(call)
        properties = method.document.schemas[method.response]["properties"]
        column = next((name for name, schema in properties.items() if schema.get("items", {}).get("$ref") == method.resource), None)
        column = column or next((name for name, schema in properties.items() if schema.get("items", {}).get("$ref")), None)
        if column is None:
            raise not_emulated(f"{call.service}.{call.method}")
        if rows is None:
            rows = self._cloud.store.of(call.service).list(call.name)
        rows = filters.select(rows, call.one("filter"), functions)
        rows = filters.ordered(
            rows, call.one("orderBy"), method.document.schemas[properties[column]["items"]["$ref"]].get("properties", {})
        )
        size = min(int(call.one("pageSize") or call.one("maxResults") or 0) or LARGEST_PAGE, LARGEST_PAGE)
        token = call.one("pageToken") or "0"
        if not re.fullmatch(r"[0-9]{1,18}", token):
            raise Refusal(400, "INVALID_ARGUMENT", f"The page token {token[:80]!r} is none: send nextPageToken of the page before.")
        first = int(token)
        page: Json = {column: rows[first : first + size]} if rows[first : first + size] else {}
        if first + size < len(rows):
            page["nextPageToken"] = str(first + size)
        if "default" in properties.get("kind", {}):
            page["kind"] = properties["kind"]["default"]
        return page

    def answer(self, call: Call, name: str, resource: Json, change: str) -> Json:
        """`resource` in the shape in which the API answers a change: itself, nothing, or an operation of the API's family."""
        method = described(call)
        properties = method.document.schemas.get(method.response, {}).get("properties")
        if not properties:
            return {}
        if method.response == method.resource:
            return resource
        if "done" in properties and "response" in properties:
            gone = change == "delete"
            return self._cloud.operations.done(call, {} if gone else resource, "" if gone else method.resource)
        if "targetLink" in properties:
            operation = compute_operation(call, method, name, resource, change)
            return self._cloud.operations.keep(operation_path(name, operation["name"]), operation)
        return resource

    async def _operation(self, call: Call) -> Json:
        if call.verb in ("get", "wait", "getOperation"):
            return await self._cloud.operations.get(
                call.name.removesuffix("/wait"), WAIT_SECONDS if call.verb == "wait" else GLANCE_SECONDS
            )
        if call.verb == "list":
            return {"operations": self._cloud.operations.list(call.name)}
        if call.verb == "cancel":
            self._cloud.operations.cancel(call.name)
            return {}
        if call.verb == "delete":
            return {}
        raise not_emulated(f"{call.service}.{call.method}")

    def _policy(self, call: Call) -> Json:
        name = IAM_SUFFIX.sub("", call.name)
        if name.count("/") > 1 or name.partition("/")[0] not in ROOTS:
            self.load(call, name)
        if call.verb == "testIamPermissions":
            return {"permissions": call.body.get("permissions") or call.query.get("permissions", [])}
        kept = self._cloud.store.of(POLICIES)
        policy = kept.get(f"{call.service}/{name}") or {"version": 1, "etag": "ACAB"}
        if call.verb == "getIamPolicy":
            return policy
        given = call.body.get("policy", call.body)
        if given.get("etag") and given["etag"] != policy["etag"]:
            message = f"The policy of '{name}' was changed meanwhile: read it again, and retry the whole read-modify-write."
            raise Refusal(409, "ABORTED", message)
        return kept.put(f"{call.service}/{name}", "Policy", {"version": 1, **given, "etag": etag()})

    def _set(self, call: Call) -> Json:
        """Compute Engine changes single fields by methods of their own: `setLabels`, `setUrlMap`, `expandIpCidrRange`."""
        name = call.name.rpartition("/")[0]
        if self._cloud.store.of(call.service).get(name) is None:
            # Older methods leave `global` out of the path.
            name = re.sub(r"^(projects/[^/]+)/(?!global|regions|zones)", r"\1/global/", name)
        given = {key: value for key, value in call.body.items() if key not in ETAGS}
        old = self.load(call, name)
        writes.check_etag(call, old, call.body)
        resource = {**old, **given, **({"labelFingerprint": etag()} if "labels" in given else {})}
        if completion := COMPLETIONS.get((call.service, kind_of(described(call)))):
            completion(call, self._cloud, name, resource)
        self.save(call, name, resource)
        return self.answer(call, name, resource, call.verb)

    def _new_id(self, call: Call, resource: Json) -> str:
        """The id that a request asks for: in the query, in the resource's name, or in its reference."""
        method = described(call)
        for parameter in method.parameters:
            if parameter.endswith("Id") and parameter in call.query and parameter not in STANDARD_PARAMETERS:
                return call.one(parameter)
        properties = method.document.schemas.get(method.resource, {}).get("properties", {})
        name = resource.get("name", "")
        if name and properties.get("name", {}).get("mark") != "output":
            if name.startswith(f"{call.name}/"):
                return str(name[len(call.name) + 1 :])
            return str(name.rpartition("/")[2] if name.startswith("projects/") else name)
        one = re.sub(r"s$", "", re.sub(r"ies$", "y", call.name.rpartition("/")[2]))
        return str(resource.get(f"{one}Reference", {}).get(f"{one}Id") or resource.get(f"{one}Id") or "")


def rule_of(service: str, method: str) -> str:
    """Which part of the rule answers a method that has no behaviour, known by its id alone; empty where none does."""
    collection, _, verb = method.rpartition(".")
    if OPERATIONS.search(collection):
        return "operation"
    if verb in IAM_VERBS:
        return "policy"
    if verb in ("create", "createAsync", "insert"):
        return "create"
    if verb in ("get", "list", "delete"):
        return verb
    if verb == "patch" or re.match(r"update($|[A-Z])", verb):
        return "update"
    if service == "compute" and re.match(r"(set|expand)[A-Z]", verb):
        return "set"
    return ""


def check_name(name: str) -> None:
    """Refuses a name that could not be kept: engines have files and folders of these names.

    Raises:
        Refusal: A part of it is empty, too long, unprintable or a relative path.
    """
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or max(len(part.encode()) for part in parts) > PART_BYTES or not name.isprintable():
        problem = "a part of it is empty, too long, unprintable or a relative path"
        raise Refusal(400, "INVALID_ARGUMENT", f"{name[:300]!r} is not a resource name: {problem}. Nothing was made.")


def described(call: Call) -> Method:
    """The call's method; only routes have none, and they never reach the generic rule."""
    if call.description is None:
        raise not_emulated(call.path)
    return call.description


def kind_of(method: Method) -> str:
    """Short name of the schema of the method's resource."""
    return short(method.resource)


def has_full_name(method: Method) -> bool:
    """Whether the resource's `name` is its whole path."""
    return method.full_names and (method.document.name, kind_of(method)) not in SHORT_NAMES


def unwrap(method: Method, body: Json) -> tuple[Json, str, str]:
    """`CreateXRequest {xId, x}` or `UpdateXRequest {x, updateMask}` → resource, id, mask; a bare resource is returned as it is."""
    if method.request and method.request != method.resource:
        for name, schema in method.document.schemas[method.request].get("properties", {}).items():
            if schema.get("$ref") == method.resource:
                wrapped_id = next((value for key, value in body.items() if key.endswith("Id") and isinstance(value, str)), "")
                return body.get(name, {}), wrapped_id, body.get("updateMask", "")
    return body, "", ""


def link(document: Document, name: str) -> str:
    """Absolute URL of a resource."""
    if document.service_path:
        return f"https://www.googleapis.com/{document.service_path}{name}"
    return f"https://{document.host}/{document.version}/{name}"


def complete(method: Method, resource: Json, name: str) -> None:
    """Adds what the server writes, known by name and type of the properties in the schema."""
    schema = method.document.schemas.get(method.resource, {})
    full = has_full_name(method)
    for key, described_as in schema.get("properties", {}).items():
        if key.endswith("Reference") and "$ref" in described_as and not full:
            known = method.document.schemas[described_as["$ref"]].get("properties", {})
            ids = {f"{part}Id": value for part, value in re.findall(r"(\w+)s/([^/]+)", name) if f"{part}Id" in known}
            resource[key] = {**resource.get(key, {}), **ids}
        elif key not in resource:
            value = server_value(method.document, key, described_as, name, full)
            if value is not None:
                resource[key] = value


def server_value(document: Document, key: str, schema: Json, name: str, full: bool) -> Any:
    """What the server writes into the property `key` of the new resource `name`; none where it writes nothing."""
    text, large = schema.get("type") == "string", schema.get("format") in ("int64", "uint64")
    last = name.rpartition("/")[2]
    if key == "name":
        return name if full else last
    if key == "kind":
        return schema.get("default")
    if key == "selfLink":
        return link(document, name)
    if key in TIMES and text:
        return str(int(time.time() * 1000)) if large else now()
    if key in ETAGS and text:
        return etag()
    if key in ("uid", "uniqueId", "generatedId") and text:
        return number()
    if key == "id" and text:
        return number() if large else last
    if key in ("metageneration", "generation") and large:
        return "1"
    if key in ("state", "lifecycleState", "status") and "enum" in schema:
        return next((state for state in LIVE_STATES if state in schema["enum"]), None)
    parts = name.split("/")
    if parts[0] == "projects" and len(parts) > 1:
        if key == "projectNumber":
            return project_number(parts[1])
        if key in ("project", "projectId") and text:
            return parts[1]
        if key == "location" and text and "locations" in parts:
            return parts[parts.index("locations") + 1]
        if key in ("zone", "region") and f"{key}s" in parts:
            return link(document, "/".join(parts[: parts.index(f"{key}s") + 2]))
    return None


def merge(old: Json, new: Json) -> Json:
    """Writes `new` over `old`, objects field by field; null removes."""
    for key, value in new.items():
        if value is None:
            old.pop(key, None)
        elif isinstance(value, dict) and isinstance(old.get(key), dict):
            merge(old[key], value)
        else:
            old[key] = value
    return old


def apply_mask(old: Json, given: Json, path: str, properties: Json) -> None:
    """Takes the field at `path` over from `given`; a field that is absent there is cleared.

    Raises:
        Refusal: The resource has no such field.
    """
    if path == "*":
        merge(old, given)
        return
    parts = path.split(".")
    if parts[0] not in properties and len(parts) > 1:
        # `policy.spec` names the field `spec` of the request's `policy`.
        parts = parts[1:]
    if properties and parts[0] not in properties:
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid update_mask: the resource has no field '{path}'.")
    for part in parts[:-1]:
        old, given = old.setdefault(part, {}), (given or {}).get(part) or {}
    if given and given.get(parts[-1]) is not None:
        old[parts[-1]] = given[parts[-1]]
    else:
        old.pop(parts[-1], None)


def refuse_immutable(properties: Json, old: Json, given: Json) -> None:
    """Refuses an update that changes a field which cannot be changed.

    Raises:
        Refusal: Names the field.
    """
    for key, schema in properties.items():
        if schema.get("mark") == "immutable" and key in given and key in old and key != "name" and given[key] != old[key]:
            raise Refusal(
                400, "INVALID_ARGUMENT", f"Field '{key}' is immutable: {json.dumps(old[key])} cannot become {json.dumps(given[key])}."
            )


def compute_operation(call: Call, method: Method, name: str, resource: Json, change: str) -> Json:
    """An operation of Compute's family, cut to the API's own schema."""
    properties = method.document.schemas[method.response]["properties"]
    kind = change
    if "enum" in properties["operationType"]:
        kind = {"insert": "CREATE", "patch": "UPDATE", "delete": "DELETE"}.get(change, "UPDATE")
    own = f"operation-{number()}"
    stamp = now()
    operation: Json = {
        "kind": f"{call.service}#operation",
        "id": number(),
        "name": own,
        "operationType": kind,
        "targetLink": link(method.document, name),
        "targetId": resource.get("id", "0"),
        "user": call.identity,
        "status": "DONE",
        "progress": 100,
        "insertTime": stamp,
        "startTime": stamp,
        "endTime": stamp,
        "selfLink": link(method.document, operation_path(name, own)),
    }
    for area in ("region", "zone"):
        if match := re.match(rf"projects/[^/]+/{area}s/[^/]+", name):
            operation[area] = link(method.document, match.group())
    # `progress` is a number in Compute and an object in Container, whose client fails on the number.
    return {
        key: value
        for key, value in operation.items()
        if key in properties and (key != "progress" or properties[key].get("type") == "integer")
    }


def operation_path(name: str, operation: str) -> str:
    """Where an operation on `name` is found: beside the resource, by zone, region or globally."""
    match = re.match(r"projects/[^/]+(?:/global|/(?:regions|zones|locations)/[^/]+)?", name)
    return f"{match.group() if match else ''}/operations/{operation}"
