"""Every way in which a resource says who may do what, as one list: member, role, on what, under which condition."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.review.change import Planned, Values, blocks, items
from infra.review.report import HIDDEN, UNKNOWN

PUBLIC = {"allUsers", "allAuthenticatedUsers"}
PREDEFINED = {
    "publicRead": ("allUsers", "READER"),
    "publicReadWrite": ("allUsers", "WRITER"),
    "authenticatedRead": ("allAuthenticatedUsers", "READER"),
}
"""Predefined access lists that let everybody in."""
TARGETS = (
    "bucket", "dataset_id", "table_id", "topic", "subscription", "service_account_id", "secret_id", "crypto_key_id", "key_ring_id",
    "repository", "service", "cloud_function", "function", "instance_name", "instance", "database", "subnetwork", "zone_name",
    "managed_zone", "org_id", "folder", "billing_account_id", "registry", "object", "entity", "name", "project",
)  # fmt: skip
"""Attributes that say what a grant is on, the narrowest first but for what they lie in."""
ACL = re.compile(r"^(OWNER|WRITER|READER):(.+)$")
ENTITY = re.compile(r"^(user|group|domain)-(.+)$")


@dataclass(frozen=True, kw_only=True, order=True)
class Grant:
    """One member of one role on one resource."""

    on: str
    member: str
    role: str
    condition: str = ""


def before(it: Planned) -> set[Grant]:
    """What a resource granted."""
    return set(granted(it.type, it.before))


def after(it: Planned) -> set[Grant]:
    """What it will grant."""
    return set(granted(it.type, it.after))


def granted(type_: str, values: Values | None) -> Iterator[Grant]:
    """What a resource grants with these values."""
    if not values:
        return
    if type_.endswith("_iam_member"):
        yield from _of(type_, values, [str(values.get("member"))])
    elif type_.endswith("_iam_binding"):
        yield from _of(type_, values, items(values.get("members")))
    elif type_.endswith("_iam_policy"):
        yield from _of_policy(type_, values)
    elif type_ in {"google_bigquery_dataset_access", "google_bigquery_dataset"}:
        for access in [values] if type_.endswith("_access") else blocks(values, "access"):
            yield from _of_dataset(values, access)
    elif type_.endswith("_access_control"):
        yield Grant(on=target(type_, values), member=_entity(str(values.get("entity"))), role=str(values.get("role")))
    elif type_.startswith("google_storage_") and type_.endswith("_acl"):
        yield from _of_list(type_, values)
    elif type_ == "google_cloud_identity_group_membership":
        who = blocks(values, "preferred_member_key") or blocks(values, "member_key")
        yield Grant(on=f"group {values.get('group')}", member=_mail(str((who or [{}])[0].get("id"))), role="group member")
    elif type_ in {"google_workbench_instance", "google_notebooks_instance"}:
        for owner in items(values.get("instance_owners")):
            yield Grant(on=f"notebook {values.get('name')}", member=_mail(owner), role="notebook owner")
    elif type_ == "google_sql_user":
        yield Grant(on=f"database server {values.get('instance')}", member=_sql_user(values), role="database user")


def _of(type_: str, values: Values, members: list[str]) -> Iterator[Grant]:
    for member in members:
        condition = _condition(values.get("condition"))
        yield Grant(on=target(type_, values), member=member, role=str(values.get("role")), condition=condition)


def _condition(found: Any) -> str:
    block = found[0] if isinstance(found, list) and found else found
    return str(block.get("expression", "")) if isinstance(block, Mapping) else str(found or "") if found in (HIDDEN, UNKNOWN) else ""


def _of_policy(type_: str, values: Values) -> Iterator[Grant]:
    try:
        policy = json.loads(values.get("policy_data") or "{}")
        for binding in policy.get("bindings") or []:
            for member in items(binding.get("members")):
                condition = str((binding.get("condition") or {}).get("expression", ""))
                yield Grant(on=target(type_, values), member=member, role=str(binding.get("role")), condition=condition)
    except (TypeError, ValueError, AttributeError):
        return  # not known before the apply, which the rule on unknown values tells


def _of_dataset(values: Values, access: Mapping[str, Any]) -> Iterator[Grant]:
    """One entry of a dataset's access; authorised views, routines and datasets are members as well."""
    on = f"dataset {values.get('dataset_id')}"
    role, condition = str(access.get("role") or "READER"), _condition(access.get("condition"))
    members = [
        *(_mail(mail) for mail in items(access.get("user_by_email"))),
        *(f"group:{mail}" for mail in items(access.get("group_by_email"))),
        *(f"domain:{domain}" for domain in items(access.get("domain"))),
        *items(access.get("special_group")),
        *(_from_iam(member) for member in items(access.get("iam_member"))),
    ]
    for kind in ("view", "routine", "dataset"):
        for block in blocks(access, kind):
            inner = (blocks(block, "dataset") or [block])[0]
            parts = [str(inner.get(key)) for key in ("project_id", "dataset_id", "table_id", "routine_id") if inner.get(key)]
            members.append(f"{kind}:{'.'.join(parts)}")
    for member in members:
        yield Grant(on=on, member=member, role=role, condition=condition)


def _from_iam(member: str) -> str:
    return member.removeprefix("iamMember:")


def _of_list(type_: str, values: Values) -> Iterator[Grant]:
    on = target(type_, values)
    if found := PREDEFINED.get(str(values.get("predefined_acl") or values.get("default_acl") or "")):
        yield Grant(on=on, member=found[0], role=found[1])
    for entry in items(values.get("role_entity")):
        if match := ACL.match(entry):
            yield Grant(on=on, member=_entity(match[2]), role=match[1])
    for entry in items(values.get("default_acl")):
        if match := ACL.match(entry):
            yield Grant(on=on, member=_entity(match[2]), role=match[1])


def _entity(entity: str) -> str:
    """The member that an entity of an access list is."""
    if match := ENTITY.match(entity):
        return _mail(match[2]) if match[1] == "user" else f"{match[1]}:{match[2]}"
    return entity


def _mail(mail: str) -> str:
    return f"serviceAccount:{mail}" if mail.endswith("gserviceaccount.com") else f"user:{mail}" if "@" in mail else mail


def _sql_user(values: Values) -> str:
    kind, name = str(values.get("type") or "BUILT_IN"), str(values.get("name"))
    return _mail(name) if "@" in name else f"group:{name}" if "GROUP" in kind else f"database:{name}"


def target(type_: str, values: Values) -> str:
    """What a grant is on, in words: `bucket raw`, `project p`."""
    noun = re.sub(r"_(iam_(member|binding|policy)|access_control|acl|access)$", "", type_.removeprefix("google_")).replace("_", " ")
    found = [str(values[name]) for name in TARGETS if name != "project" and values.get(name) not in (None, "", [])]
    narrow = found[0] if found else str(values.get("project") or values.get("org_id") or "")
    if "table_id" in values and "dataset_id" in values:
        narrow = f"{values['dataset_id']}.{values['table_id']}"
    if narrow == UNKNOWN:
        return f"the {noun} that this plan makes"
    # A bucket's grants call it b/NAME.
    return f"{noun} {narrow.removeprefix('b/').removeprefix('projects/')}".strip()
