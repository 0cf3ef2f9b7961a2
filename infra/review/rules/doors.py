"""Access that is no grant: federation, keys of identities, custom roles, deny policies, constraints of the organisation."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.review import roles
from infra.review.change import Planned, at, blocks, items
from infra.review.report import UNKNOWN, Finding
from infra.review.rules.world import said

PROVIDERS = ("google_iam_workload_identity_pool_provider", "google_iam_workforce_pool_provider")
KEYS = {
    "google_service_account_key",
    "google_storage_hmac_key",
    "google_apikeys_key",
    "google_os_login_ssh_public_key",
    "google_sql_ssl_cert",
}
CUSTOM_ROLES = ("google_project_iam_custom_role", "google_organization_iam_custom_role")
CONSTRAINTS = (
    "google_org_policy_policy",
    "google_org_policy_custom_constraint",
    "google_project_organization_policy",
    "google_folder_organization_policy",
    "google_organization_policy",
    "google_iam_deny_policy",
    "google_iam_principal_access_boundary_policy",
)
TRUE = {True, "TRUE", "true"}


def opened(it: Planned) -> Iterator[Finding]:
    """What a change to anything but a grant means for access."""
    if it.type in PROVIDERS:
        yield from _federation(it)
    elif it.type in KEYS and it.after is not None and (it.before is None or it.action == "replace"):
        text = f"{it.name} would be a key that opens whatever its identity may, for whoever holds it, until somebody deletes it"
        yield it.finding("key-created", "sign-off", text, "Use federation or impersonation, which leave no key to be lost.")
    elif it.type in CUSTOM_ROLES:
        yield from _custom_role(it)
    elif it.type in CONSTRAINTS:
        yield from _constraint(it)
    elif it.type in {"google_project", "google_folder"} and it.before is not None and it.after is not None:
        for place in ("org_id", "folder_id", "parent"):
            if it.turns(place):
                text = (
                    f"{it.name} would move from {said(it.was(place))} to {said(it.will(place))}, whose policies and grants hold for it then"
                )
                yield it.finding("org-policy-weakened", "sign-off", text, "Leave it where it is, or compare both.", place)
    elif it.type.startswith("google_compute_project_metadata") and it.after is not None and it.before != it.after and _ssh(it):
        yield it.finding("key-created", "sign-off", "keys for every machine of the project would change", "Use OS Login.", "metadata")


def _ssh(it: Planned) -> bool:
    metadata = it.will("metadata")
    return it.will("key") in {"ssh-keys", "sshKeys"} or (isinstance(metadata, Mapping) and bool({"ssh-keys", "sshKeys"} & metadata.keys()))


def _federation(it: Planned) -> Iterator[Finding]:
    """Tokens that are accepted and were not."""
    if it.after is None or it.will("disabled") is True:
        return
    remedy = "Compare the number of one repository and one reference in attribute_condition, as infra/github.py does."

    def weaker(text: str, attribute: str) -> Finding:
        return it.finding("federation-weakened", "block", f"{it.address}: {text}", remedy, attribute)

    old, new = (str(value or "") for value in (it.was("attribute_condition"), it.will("attribute_condition")))
    if not new:
        if it.before is None or old:
            yield weaker("tokens of everybody whom the issuer knows would be accepted, since there is no condition", "attribute_condition")
    elif it.before is not None and old and new != old and not narrower(new, old):
        yield weaker(f"tokens would be accepted under {new} instead of {old}", "attribute_condition")
    if it.before is None:
        return
    if it.was("disabled") is True:
        yield weaker("it would be switched on", "disabled")
    for attribute in ("oidc.issuer_uri", "aws.account_id", "saml.idp_metadata_xml", "oidc.jwks_json", "x509.trust_store"):
        if it.turns(attribute) and it.will(attribute):
            yield weaker(f"{attribute} turns from {said(it.was(attribute))} to {said(it.will(attribute))}", attribute)
    before, after = set(items(it.was("oidc.allowed_audiences"))), set(items(it.will("oidc.allowed_audiences")))
    if before != after and (not after or after - before):
        yield weaker(
            f"tokens for {', '.join(sorted(after - before)) or 'the default audience'} would be accepted", "oidc.allowed_audiences"
        )
    mapping, mapped = (
        dict(value) if isinstance(value, Mapping) else {} for value in (it.was("attribute_mapping"), it.will("attribute_mapping"))
    )
    for name in sorted(mapping.keys() | mapped.keys()):
        if name in mapping and mapping.get(name) != mapped.get(name):
            yield weaker(f"{name} would be {said(mapped.get(name))} instead of {said(mapping.get(name))}", "attribute_mapping")


def narrower(new: str, old: str) -> bool:
    """Whether a condition asks for all that the old one asked for, and for more: only what stands beside && is known to."""
    if "||" in new.replace(f"({old})", "").replace(old, ""):
        return False
    parts = {part.strip() for part in new.split("&&")}
    return old in parts or f"({old})" in parts or {part.strip() for part in old.split("&&")} < parts


def _custom_role(it: Planned) -> Iterator[Finding]:
    before, after = (set(items(value)) for value in (it.was("permissions"), it.will("permissions")))
    more = sorted(after - before)
    if it.before is None or not more:
        return
    level = roles.WORDS[roles.of_permissions(after)]
    text = f"whoever holds {said(it.will('role_id'))} would also have {', '.join(more[:5])}{' and more' if len(more) > 5 else ''} ({level})"
    yield it.finding("role-strengthened", "sign-off", text, "Make another role for those who need it.", "permissions")


def _constraint(it: Planned) -> Iterator[Finding]:
    """A rule of the organisation that forbids less."""
    remedy = "Leave the constraint; an exception belongs on one project, with an end."

    def weaker(text: str, attribute: str = "") -> Finding:
        return it.finding("org-policy-weakened", "sign-off", f"{_constraint_name(it)}: {text}", remedy, attribute)

    if it.after is None:
        yield weaker("it would no longer be declared, and whatever lies above decides")
        return
    if it.before is None:
        if _enforced(it.after) is False or _allows_all(it.after):
            yield weaker("it would be lifted here")
        return
    if it.type in {"google_iam_deny_policy", "google_iam_principal_access_boundary_policy", "google_org_policy_custom_constraint"}:
        attributes = [attribute.path for attribute in it.change.attributes] if it.change else []
        if touched := [path for path in attributes if path.startswith(("rules", "details", "condition", "method_types", "action_type"))]:
            yield weaker(f"what it forbids would change: {', '.join(touched[:5])}", touched[0])
        return
    if _enforced(it.before) is True and _enforced(it.after) is not True:
        yield weaker("it would no longer be enforced", "spec.rules.enforce")
    if _allows_all(it.after) and not _allows_all(it.before):
        yield weaker("everything would be allowed", "spec.rules.allow_all")
    if at(it.after, "spec.reset") is True and at(it.before, "spec.reset") is not True:
        yield weaker("it would fall back to Google's default", "spec.reset")
    more = sorted(_listed(it.after, "allowed") - _listed(it.before, "allowed"))
    if more and _listed(it.before, "allowed"):
        yield weaker(f"{', '.join(more)} would be allowed too", "spec.rules.values")
    if fewer := sorted(_listed(it.before, "denied") - _listed(it.after, "denied")):
        yield weaker(f"{', '.join(fewer)} would no longer be denied", "spec.rules.values")
    if _listed(it.before, "allowed") and not _listed(it.after, "allowed") and not _denies_all(it.after):
        yield weaker("it would no longer say what alone is allowed", "spec.rules.values")
    conditions = {json.dumps(rule.get("condition"), sort_keys=True) for rule in blocks(it.after, "spec.rules") if rule.get("condition")}
    before = {json.dumps(rule.get("condition"), sort_keys=True) for rule in blocks(it.before, "spec.rules") if rule.get("condition")}
    if conditions - before:
        yield weaker("it would hold under a condition only", "spec.rules.condition")


def _constraint_name(it: Planned) -> str:
    found = it.was("name") or it.will("name") or it.was("constraint") or it.will("constraint") or it.name
    return re.sub(r"^(.*/policies/|constraints/)", "", str(found))


def _rules(values: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [*blocks(values, "spec.rules"), *blocks(values, "boolean_policy"), *blocks(values, "list_policy")]


def _enforced(values: Mapping[str, Any] | None) -> bool | None:
    """Whether a constraint that is on or off is on; None for one that lists values."""
    said_ = [rule.get("enforce", rule.get("enforced")) for rule in _rules(values)]
    known = [value for value in said_ if value not in (None, "", UNKNOWN)]
    return any(value in TRUE for value in known) if known else None


def _allows_all(values: Mapping[str, Any] | None) -> bool:
    return any(rule.get("allow_all") in TRUE for rule in _rules(values)) or any(
        block.get("all") is True for block in blocks(values, "list_policy.allow")
    )


def _denies_all(values: Mapping[str, Any] | None) -> bool:
    return any(rule.get("deny_all") in TRUE for rule in _rules(values)) or any(
        block.get("all") is True for block in blocks(values, "list_policy.deny")
    )


def _listed(values: Mapping[str, Any] | None, which: str) -> set[str]:
    new = {value for block in blocks(values, "spec.rules.values") for value in items(block.get(f"{which}_values"))}
    old = {"allowed": "allow", "denied": "deny"}[which]
    return new | {value for block in blocks(values, f"list_policy.{old}") for value in items(block.get("values"))}
