"""Our rules: each takes a synthesised stack and yields what breaks it. `RULES` lists them all."""

import functools
import importlib
from collections.abc import Callable, Iterator

from infra.policies import enumerations, formats
from infra.policies.subject import Finding, Resource, SynthesisedStack
from infra.synthesis.bindings import PACKAGE

Rule = Callable[[SynthesisedStack], Iterator[Finding]]

PUBLIC = {"allUsers", "allAuthenticatedUsers"}
BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}
ADMINISTRATION = {
    "roles/iam.securityAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountUser",
    "roles/resourcemanager.projectIamAdmin",
}
RETIRED = {
    "google_vertex_ai_featurestore": "Feature Store (Legacy) ends on 2027-02-17; use feature groups and views",
    "google_notebooks": "user-managed notebooks can no longer be created; use google_workbench_instance",
}

IDENTITY = {
    "account_id", "bucket", "dataset_id", "display_name", "feature_group", "feature_online_store", "member", "name", "project_id",
    "repository", "repository_id", "role", "router", "service", "service_account_id", "table_id", "topic",
}  # fmt: skip
"""Attributes that together tell one resource of a type from another."""


def finding(stack: SynthesisedStack, resource: Resource | None, rule: str, message: str) -> Finding:
    """A finding on a resource, or on the stack as a whole."""
    return Finding(stack=stack.id, address=resource.address if resource else "(stack)", rule=rule, message=message)


@functools.cache
def label_attribute(type_: str) -> str | None:
    """Where a type carries labels: `labels`, `user_labels` or nowhere."""
    module = importlib.import_module(f"{PACKAGE}.{type_.removeprefix('google_')}")
    class_ = getattr(module, enumerations.camel(type_.removeprefix("google_")))
    # Blocks of that name describe the labels of something else, such as a metric's.
    return next((name for name in ("user_labels", "labels") if hasattr(class_, name) and not hasattr(class_, f"put_{name}")), None)


def required_labels(stack: SynthesisedStack) -> Iterator[Finding]:
    """Everything that takes labels carries the organisation's, by the provider's defaults or by itself."""
    default = stack.provider.get("default_labels", {})
    for resource in stack.resources:
        attribute = label_attribute(resource.type)
        if attribute is None:
            continue
        # The provider adds its defaults to `labels` only.
        carried = resource.body.get(attribute, {}) | (default if attribute == "labels" else {})
        missing = [key for key in stack.names.organisation.required_labels if not carried.get(key)]
        if missing:
            yield finding(
                stack,
                resource,
                "required-labels",
                f"lacks the labels {', '.join(missing)}; its cost would be nobody's. Build on infra.stacks.Stack, or set {attribute}.",
            )


def public_members(stack: SynthesisedStack) -> Iterator[Finding]:
    """Nothing is granted to everybody."""
    for resource in stack.resources:
        granted = {resource.body.get("member"), *(resource.body.get("members") or [])}
        if granted & PUBLIC:
            yield finding(
                stack, resource, "public-member", "is granted to everybody; anyone could read it. Grant a service account or a group."
            )


def roles(stack: SynthesisedStack) -> Iterator[Finding]:
    """No basic role anywhere, and no power over identities on a whole project."""
    for resource in stack.resources:
        role = resource.body.get("role")
        if role in BASIC_ROLES:
            yield finding(stack, resource, "basic-role", f"grants {role}, which reaches every service. Grant the role of the one service.")
        if role in ADMINISTRATION and resource.type.startswith("google_project_iam"):
            yield finding(
                stack,
                resource,
                "identity-administration",
                f"grants {role} on the project: its holder could become any identity in it. Grant it on one service account.",
            )


def deletion_protection(stack: SynthesisedStack) -> Iterator[Finding]:
    """Where the environment protects its data, no plan can destroy what holds it."""
    if not stack.environment.data.deletion_protection:
        return
    guards: dict[str, Callable[[Resource], bool]] = {
        "google_artifact_registry_repository": prevents_destroy,
        "google_bigquery_dataset": lambda r: prevents_destroy(r) and r.body.get("delete_contents_on_destroy") is not True,
        "google_bigquery_table": lambda r: r.body.get("deletion_protection") is True,
        "google_project": lambda r: r.body.get("deletion_policy") == "PREVENT",
        "google_storage_bucket": lambda r: prevents_destroy(r) and r.body.get("force_destroy") is not True,
        "google_vertex_ai_feature_online_store": lambda r: prevents_destroy(r) and r.body.get("force_destroy") is not True,
    }
    for resource in stack.resources:
        if resource.type in guards and not guards[resource.type](resource):
            yield finding(
                stack,
                resource,
                "deletion-protection",
                f"can be destroyed by a plan although {stack.environment.name} protects its data. "
                "Pass data.deletion_protection of the environment to its component.",
            )


def prevents_destroy(resource: Resource) -> bool:
    """Whether Terraform refuses any plan that destroys the resource."""
    return resource.body.get("lifecycle", {}).get("prevent_destroy") is True


def private_buckets(stack: SynthesisedStack) -> Iterator[Finding]:
    """A bucket has uniform access and can never become public."""
    for resource in stack.resources:
        if resource.type != "google_storage_bucket":
            continue
        if resource.body.get("uniform_bucket_level_access") is not True:
            yield finding(stack, resource, "uniform-access", "allows access lists per object, which no review sees. Set uniform access.")
        if resource.body.get("public_access_prevention") != "enforced":
            yield finding(stack, resource, "public-access", "could be made public by one grant. Set public_access_prevention to enforced.")


def nothing_is_looked_up(stack: SynthesisedStack) -> Iterator[Finding]:
    """No data source and no remote state: a plan must not depend on what happens to exist."""
    for type_, declared in sorted(stack.document.get("data", {}).items()):
        for id_ in sorted(declared):
            resource = Resource(type=f"data.{type_}", id=id_, body={})
            yield finding(
                stack,
                resource,
                "no-lookup",
                "is read while planning; a plan could change by itself. Derive the name in environments/names.py instead.",
            )


def no_keys(stack: SynthesisedStack) -> Iterator[Finding]:
    """No service account key: it would lie readable in the state and never expire."""
    for resource in stack.resources:
        if resource.type in {"google_service_account_key", "google_storage_hmac_key", "google_apikeys_key"}:
            yield finding(
                stack, resource, "no-key", "is a long-lived key that would lie in the state. Attach or impersonate the service account."
            )


def address_is_not_configured(stack: SynthesisedStack) -> Iterator[Finding]:
    """The provider knows no address but Google's: the process environment alone decides who answers."""
    for key in sorted(stack.provider):
        if key.endswith("_custom_endpoint") or key in {"access_token", "credentials"}:
            yield finding(
                stack, None, "no-address", f"configures {key} in the provider; what is reviewed would not be what runs. Remove it."
            )


def retired_types(stack: SynthesisedStack) -> Iterator[Finding]:
    """No type whose service is ending."""
    for resource in stack.resources:
        for prefix, reason in RETIRED.items():
            if resource.type.startswith(prefix):
                yield finding(stack, resource, "retired-type", f"{reason}.")


def name_formats(stack: SynthesisedStack) -> Iterator[Finding]:
    """Names, roles and members have the form that Google accepts."""
    for resource in stack.resources:
        for attribute, value in sorted(resource.body.items()):
            pattern = formats.expected(resource.type, attribute)
            if pattern and not formats.fits(pattern, value):
                yield finding(
                    stack,
                    resource,
                    "name-format",
                    f"{attribute} is {value!r}; Google would refuse it, after other resources were made. It must match {pattern}.",
                )


def names_are_unique(stack: SynthesisedStack) -> Iterator[Finding]:
    """No two resources of a type are the same resource to Google."""
    seen: dict[str, Resource] = {}
    for resource in stack.resources:
        told_apart = {key: value for key, value in resource.body.items() if key in IDENTITY}
        if not told_apart:
            continue
        key = f"{resource.type} {sorted(told_apart.items())}"
        if key in seen:
            yield finding(
                stack, resource, "unique-name", f"is what {seen[key].address} is too; each apply would undo the other. Remove one."
            )
        seen.setdefault(key, resource)


def enumerated_values(stack: SynthesisedStack) -> Iterator[Finding]:
    """An attribute with documented possible values has one of them."""
    for resource in stack.resources:
        for path, value, allowed in enumerations.values(resource.type, resource.body):
            if value not in allowed:
                yield finding(
                    stack,
                    resource,
                    "enumerated-value",
                    f"{path} is {value!r}, which Google would refuse. Use one of {', '.join(sorted(allowed))}.",
                )


RULES: tuple[Rule, ...] = (
    required_labels,
    public_members,
    roles,
    deletion_protection,
    private_buckets,
    nothing_is_looked_up,
    no_keys,
    address_is_not_configured,
    retired_types,
    name_formats,
    names_are_unique,
    enumerated_values,
)
