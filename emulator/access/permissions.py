"""The permissions that a call needs: by Google's own pattern, SERVICE.COLLECTION.VERB, and by a table where an API leaves it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emulator.behaviours import Call

TABLE = Path(__file__).with_name("permissions.yaml")
VERBS = {
    "insert": "create",
    "createAsync": "create",
    "patch": "update",
    "updateAsync": "update",
    "search": "list",
    "aggregatedList": "list",
    "batchGet": "get",
}
FREE = {"operations", "globalOperations", "regionOperations", "zoneOperations", "testIamPermissions", "testPermissions"}
"""Collections and verbs that ask for nothing of their own: an operation belongs to whoever started it."""
ACTING = {"serviceAccount", "serviceAccountEmail", "service_account"}
"""Fields that name an identity under which something will run; whoever sets one must be allowed to act as it. Where a document allows
any value, as for the inputs of a training pipeline, they arrive as they were sent, spelled in either way."""
ACCOUNT = re.compile(r"(?:projects/[^/]+/serviceAccounts/)?([\w.-]+@([\w-]+)\.iam\.gserviceaccount\.com)")

ANY_PROJECT = re.compile(r"projects/-/serviceAccounts/([\w.-]+@([\w-]+)\.iam\.gserviceaccount\.com)")
"""A service account whose project is left to its e-mail."""
LARGEST_METADATA = 65_536
"""Bytes of an upload's metadata that are looked at."""
SERVICES = {"billingbudgets": "cloudbilling", "iamcredentials": "iam"}
"""APIs that work on the resources of another."""


@dataclass(frozen=True)
class Need:
    """One permission on one resource."""

    permission: str
    service: str
    """API whose policies decide."""
    resource: str


def needs(call: Call) -> Iterator[Need]:
    """What `call` needs; nothing where it needs no permission."""
    own = call.permission or by_method(call.service, call.method)
    if own:
        service = call.permission.partition(".")[0] or SERVICES.get(call.service, call.service)
        yield Need(own, service, ANY_PROJECT.sub(r"projects/\2/serviceAccounts/\1", _addressed(call)))
    if own and call.http in ("POST", "PUT", "PATCH"):
        for account, project in sorted(set(_accounts(call.body))):
            yield Need("iam.serviceAccounts.actAs", "iam", f"projects/{project}/serviceAccounts/{account}")
    topic = call.body.get("topic")
    if (call.service, call.method) == ("pubsub", "projects.subscriptions.create") and isinstance(topic, str):
        yield Need("pubsub.topics.attachSubscription", "pubsub", topic)


def by_method(service: str, method: str) -> str:
    """The permission of a method of a discovery document; empty where it needs none."""
    parts = method.split(".")
    if len(parts) < 2 or FREE & {parts[-1], parts[-2]}:
        return ""
    collection, verb = parts[-2], parts[-1]
    listed = table().get(service, {})
    if (key := f"{collection}.{verb}") in listed.get("methods", {}):
        return str(listed["methods"][key])
    collection = listed.get("collections", {}).get(collection, collection)
    return f"{listed.get('prefix', service)}.{collection}.{VERBS.get(verb, verb)}"


@cache
def table() -> dict[str, Any]:
    """`permissions.yaml`."""
    import yaml

    read: dict[str, Any] = yaml.safe_load(TABLE.read_text())
    return read


def _addressed(call: Call) -> str:
    """The resource whose policies count: a collection is governed by what it belongs to."""
    if call.permission:
        return _of_route(call.params, call.one("name") or _uploaded(call))
    if call.verb in ("create", "createAsync", "insert", "list", "search", "upload"):
        if call.service == "storage" and call.name == "b":
            return f"projects/{call.one('project')}"
        return call.name.rpartition("/")[0] or call.name
    return call.name


def _of_route(params: dict[str, str], name: str) -> str:
    """What a route's named groups address; an upload names its object in the query, or in its body."""
    if bucket := params.get("bucket"):
        item = params.get("object") or name
        return f"b/{bucket}/o/{item}" if item else f"b/{bucket}"
    return params.get("name") or f"projects/{params.get('project', '')}"


def _uploaded(call: Call) -> str:
    """The object that an upload's metadata names; they are the first thing in the body."""
    if call.one("uploadType") not in ("multipart", "resumable") or call.one("upload_id"):
        return ""
    head = next(call.blocks(), b"")
    start = head.find(b"{")
    if start < 0:
        return ""
    try:
        metadata, _ = json.JSONDecoder().raw_decode(head[start : start + LARGEST_METADATA].decode(errors="replace"))
    except ValueError:
        return ""
    # A name that is no text is refused by what takes the upload.
    return str(metadata.get("name", "")).encode(errors="replace").decode()


def _accounts(value: Any) -> Iterator[tuple[str, str]]:
    """E-mail and project of every service account that a body names as one to act as."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ACTING and isinstance(inner, str) and (match := ACCOUNT.fullmatch(inner)):
                yield match[1], match[2]
            elif key == "serviceAccounts" and isinstance(inner, list):
                yield from _accounts([{"serviceAccount": one.get("email", "")} for one in inner if isinstance(one, dict)])
            elif isinstance(inner, (dict, list)):
                yield from _accounts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _accounts(inner)
