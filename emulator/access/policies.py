"""Decides, records and enforces: the policies on a resource and on what it belongs to, their members and their conditions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulator.access.permissions import Need, needs
from emulator.access.roles import holds as role_holds
from emulator.behaviours import Call, Refusal
from emulator.expressions import ExpressionError, holds
from emulator.identity import E_MAIL
from emulator.projects import Projects
from emulator.store import Store

Json = dict[str, Any]

POLICIES = "iam-policies"
"""`SERVICE/NAME` → the policy of a resource."""
ACCESS = "access"
"""What was asked for is logged under this name: a line of JSON for each identity, method, permission and outcome."""
OWNER = "owner of this machine"
DATASET_ROLES = {"READER": "roles/bigquery.dataViewer", "WRITER": "roles/bigquery.dataEditor", "OWNER": "roles/bigquery.dataOwner"}
TYPES = {"b": "Bucket", "o": "Object", "keyRings": "KeyRing", "cryptoKeys": "CryptoKey"}
"""Collections whose type in `resource.type` is not their singular in capitals."""


@dataclass(frozen=True)
class Decision:
    """One permission that a call needs, and what grants it."""

    permission: str
    service: str
    """API whose policies decided."""
    resource: str
    granted: str
    """`ROLE on RESOURCE`; empty where nothing grants it."""


class Access:
    """Who may do what.

    Args:
        store: Holds the policies.
        projects: Known projects, and what they belong to.
        enforced: Whether a call without its permission is refused; it is recorded either way.
    """

    def __init__(self, store: Store, projects: Projects, enforced: bool = False) -> None:
        self._store, self._projects, self._enforced = store, projects, enforced
        self._kept = store.of(POLICIES)
        self._seen: set[tuple[str, str, str, str]] = set()

    def decide(self, call: Call) -> list[Decision]:
        """Records what `call` needs, and what grants it."""
        # A route has no method, and its path names an object: a line for each would fill the log.
        return [self._decide(call.identity, need, f"{call.service}.{call.method or call.http}") for need in needs(call)]

    def enforce(self, identity: str, decisions: Iterable[Decision]) -> None:
        """Lets a call through, or not.

        Raises:
            Refusal: Permissions are enforced, and the caller lacks one.
        """
        for decision in decisions:
            if self._enforced and not decision.granted:
                raise denied(identity, Need(decision.permission, decision.service, decision.resource))

    def demand(self, identity: str, need: Need, method: str) -> None:
        """Records one permission that `identity` needs beside those of its call.

        Raises:
            Refusal: Permissions are enforced, and it does not hold that one.
        """
        self.enforce(identity, [self._decide(identity, need, method)])

    def _decide(self, identity: str, need: Need, method: str) -> Decision:
        granted = self.granted(identity, need)
        key = (identity, method, need.permission, granted)
        if key not in self._seen:
            self._seen.add(key)
            line = {"identity": identity, "method": method, "permission": need.permission, "resource": need.resource, "granted": granted}
            self._store.log(ACCESS, json.dumps(line))
        return Decision(need.permission, need.service, need.resource, granted)

    def granted(self, identity: str, need: Need) -> str:
        """What grants it, `ROLE on RESOURCE`; empty where nothing does."""
        if identity == E_MAIL:
            return OWNER
        for where, binding in self._bindings(need):
            if any(self._is(identity, member) for member in binding.get("members", [])) and self._holds(binding, need):
                return f"{binding['role']} on {where}"
        return ""

    def _holds(self, binding: Json, need: Need) -> bool:
        role = binding.get("role", "")
        custom = () if role.startswith("roles/") else tuple((self._store.of("iam").get(role) or {}).get("includedPermissions", ()))
        if not role_holds(role, need.permission, custom):
            return False
        condition = binding.get("condition", {}).get("expression")
        try:
            return not condition or holds(condition, _facts(need))
        except ExpressionError:
            # What cannot be decided grants nothing.
            return False

    def _is(self, identity: str, member: str) -> bool:
        """Whether a member of a binding stands for `identity`; who is in a group is not known here."""
        kind, _, who = member.partition(":")
        if kind in ("user", "serviceAccount"):
            return bool(identity) and who == identity
        if kind == "principalSet" and (known := self._store.of("principals").get(identity)):
            pool, _, wanted = who.removeprefix("//iam.googleapis.com/").rpartition("/")
            if wanted == "*":
                return bool(pool == known["pool"])
            pool, _, attribute = pool.rpartition("/")
            return bool(pool == known["pool"] and known["attributes"].get(attribute) == wanted)
        return member in ("allUsers", identity) or (member == "allAuthenticatedUsers" and bool(identity))

    def _bindings(self, need: Need) -> Iterator[tuple[str, Json]]:
        """The bindings on the resource and on all that it belongs to, nearest first."""
        parts = need.resource.split("/")
        for length in range(len(parts), 0, -1):
            name = "/".join(parts[:length])
            for binding in (self._kept.get(f"{need.service}/{name}") or {}).get("bindings", []):
                yield name, binding
            if need.service == "bigquery" and length == 4 and parts[2] == "datasets":
                yield from ((name, binding) for binding in self._dataset(name))
        project = self._project(need.resource)
        if not project:
            return
        above = [f"projects/{project}"]
        if parent := (self._projects.existing(project) or {}).get("parent"):
            above.append(f"{parent['type']}s/{parent['id']}")
        for name in above:
            for binding in (self._kept.get(f"cloudresourcemanager/{name}") or {}).get("bindings", []):
                yield name, binding

    def _project(self, resource: str) -> str:
        kind, _, rest = resource.partition("/")
        if kind == "projects":
            return rest.partition("/")[0]
        if kind == "b":
            number = (self._store.of("storage").get("/".join(resource.split("/")[:2])) or {}).get("projectNumber", "")
            return self._projects.by_id(f"projects/{number}").removeprefix("projects/") if number else ""
        return ""

    def _dataset(self, name: str) -> Iterator[Json]:
        """The access entries of a dataset as bindings."""
        for entry in (self._store.of("bigquery").get(name) or {}).get("access", []):
            if who := entry.get("userByEmail") or entry.get("iamMember"):
                member = who if ":" in who else f"serviceAccount:{who}"
                yield {"role": DATASET_ROLES.get(entry.get("role", ""), entry.get("role", "")), "members": [member]}


def _facts(need: Need) -> Json:
    """What a condition may ask about. Names of Cloud Storage have `projects/_` before them."""
    parts = need.resource.split("/")
    name = need.resource
    if need.service == "storage" and parts[0] == "b":
        name = f"projects/_/buckets/{parts[1]}" + (f"/objects/{'/'.join(parts[3:])}" if parts[2:3] == ["o"] else "")
    collection = parts[-2] if len(parts) % 2 == 0 else parts[-1]
    kind = TYPES.get("o" if parts[0] == "b" and parts[2:3] == ["o"] else collection) or collection[:1].upper() + collection[1:].rstrip("s")
    host = f"{need.service}.googleapis.com"
    return {"resource.name": name, "resource.service": host, "resource.type": f"{host}/{kind}", "request.time": datetime.now(UTC)}


def denied(identity: str, need: Need) -> Refusal:
    """The refusal, in the words and the shape of the API."""
    host = f"{need.service}.googleapis.com"
    if not identity:
        message = "Request is missing required authentication credential. Expected OAuth 2 access token."
        return Refusal(401, "UNAUTHENTICATED", message, reason="required")
    if need.service == "storage":
        where = "object" if "/o/" in need.resource else "bucket"
        message = f"{identity} does not have {need.permission} access to the Google Cloud Storage {where}. "
        return Refusal(403, "", f"{message}Permission '{need.permission}' denied on resource (or it may not exist).")
    if need.service == "bigquery":
        return Refusal(403, "", f"Access Denied: {need.resource}: User does not have {need.permission} permission.", reason="accessDenied")
    if need.service == "compute":
        return Refusal(403, "", f"Required '{need.permission}' permission for '{need.resource}'")
    message = f"Permission '{need.permission}' denied on resource '//{host}/{need.resource}' (or it may not exist)."
    metadata = {"permission": need.permission, "resource": need.resource}
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED", "domain": host, "metadata": metadata}
    return Refusal(403, "", message, details=(info,))
