"""Names, labels and values that Google or the organisation would refuse."""

import functools
import importlib
from collections.abc import Iterator

from environments import tasks
from infra.policies import enumerations, formats
from infra.policies.policy import Breach, of, policy
from infra.policies.subject import Resource, SynthesisedStack
from infra.synthesis.bindings import PACKAGE

IDENTITY = {
    "account_id", "bucket", "crypto_key_id", "dataset_id", "display_name", "feature_group", "feature_online_store", "key_ring", "log_type",
    "member", "name", "project_id", "repository", "repository_id", "role", "router", "secret_id", "service", "service_account_id",
    "subnetwork", "subscription", "table_id", "topic", "workload_identity_pool_id", "workload_identity_pool_provider_id",
}  # fmt: skip
"""Attributes that together tell one resource of a type from another."""


@functools.cache
def label_attribute(type_: str) -> str | None:
    """Where a type carries labels: `labels`, `user_labels` or nowhere."""
    from cdktf import TerraformResource

    module = importlib.import_module(f"{PACKAGE}.{type_.removeprefix('google_')}")
    class_ = next(value for value in vars(module).values() if isinstance(value, type) and issubclass(value, TerraformResource))
    # Blocks of that name describe the labels of something else, such as a metric's.
    return next((name for name in ("user_labels", "labels") if hasattr(class_, name) and not hasattr(class_, f"put_{name}")), None)


@policy(
    "required-labels",
    reason="its cost would be nobody's",
    remedy="Build on infra.stacks.Stack, whose provider adds them to labels; set user_labels to Names.labels",
    reference="https://cloud.google.com/resource-manager/docs/labels-overview",
)
def required_labels(stack: SynthesisedStack) -> Iterator[Breach]:
    """Everything that takes labels carries the organisation's, by the provider's defaults or by itself."""
    default = stack.provider.get("default_labels", {})
    for type_, resources in stack.by_type.items():
        attribute = label_attribute(type_) if type_.startswith("google_") else None
        if attribute is None:
            continue
        for resource in resources:
            # The provider adds its defaults to `labels` only.
            carried = resource.body.get(attribute, {}) | (default if attribute == "labels" else {})
            missing = [key for key in stack.names.organisation.required_labels if not carried.get(key)]
            if missing:
                yield resource, f"lacks the labels {', '.join(missing)} in {attribute}"


@policy(
    "known-owner",
    reason="nobody would answer for it",
    remedy="Use the owner of environments/organisation.yaml or of the task in environments/tasks.yaml",
    reference="https://cloud.google.com/resource-manager/docs/best-practices-labels",
)
def known_owner(stack: SynthesisedStack) -> Iterator[Breach]:
    """The owner on a label is a team that the repository knows."""
    known = {stack.names.organisation.labels.get("owner"), *owners_of_tasks()}
    for resource in stack.resources:
        for attribute in ("labels", "user_labels"):
            carried = resource.body.get(attribute)
            if isinstance(carried, dict) and (owner := carried.get("owner")) and owner not in known:
                yield resource, f"belongs to {owner!r}, which is no team of ours"


@functools.cache
def owners_of_tasks() -> frozenset[str]:
    """The teams that answer for a task."""
    return frozenset(task.owner for task in tasks().tasks)


@policy(
    "name-format",
    reason="Google would refuse it, after other resources were made",
    remedy="Derive the name in environments/names.py, or correct the pattern in infra/policies/formats.py",
    reference="https://cloud.google.com/apis/design/resource_names",
)
def name_formats(stack: SynthesisedStack) -> Iterator[Breach]:
    """Names, roles and members have the form that Google accepts."""
    for resource in stack.resources:
        for attribute, value in sorted(resource.body.items()):
            pattern = formats.expected(resource.type, attribute)
            if pattern and not formats.fits(pattern, value):
                yield resource, f"{attribute} is {value!r} and must match {pattern}"


@policy(
    "unique-name",
    reason="each apply would undo the other",
    remedy="Remove one",
    reference="https://developer.hashicorp.com/terraform/language/state",
)
def names_are_unique(stack: SynthesisedStack) -> Iterator[Breach]:
    """No two resources of a type are the same resource to Google."""
    seen: dict[str, Resource] = {}
    for resource in stack.resources:
        if key := identity(resource):
            if key in seen:
                yield resource, f"is what {seen[key].address} is too"
            seen.setdefault(key, resource)


def identity(resource: Resource) -> str:
    """What makes a resource this one and no other; empty where it has nothing of that kind."""
    told_apart = {key: value for key, value in resource.body.items() if key in IDENTITY}
    return f"{resource.type} {sorted(told_apart.items())} {resource.body.get('condition', '')}" if told_apart else ""


@of(
    "google_*",
    id="enumerated-value",
    reason="Google would refuse it",
    remedy="Use one of the documented values",
    reference="https://github.com/hashicorp/terraform-provider-google/tree/v6.50.0/website/docs/r",
)
def enumerated_values(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """An attribute with documented possible values has one of them."""
    for path, value, allowed in enumerations.values(resource.type, resource.body):
        if value not in allowed:
            yield f"{path} is {value!r}, which is none of {', '.join(sorted(allowed))}"


POLICIES = (required_labels, known_owner, name_formats, names_are_unique, enumerated_values)
