"""Where things are, and that one environment never touches another."""

import functools
import re
from collections.abc import Iterator

from environments import Names, load, organisation
from environments.loading import environment_names
from infra.duties import promoters
from infra.policies.policy import Breach, policy
from infra.policies.subject import Resource, SynthesisedStack, strings

WORLDWIDE = {
    "google_certificate_manager_certificate",
    "google_cloudbuild_trigger",
    "google_iam_workload_identity_pool",
    "google_logging_project_bucket_config",
}
"""Types for which Google has the location `global`, beside or instead of a region."""

COPYING = {"roles/artifactregistry.reader", "roles/storage.legacyBucketReader", "roles/storage.objectViewer"}
"""What the environment that releases go to needs of the one that they come from: it copies images and files."""


@policy(
    "region",
    reason="data would leave the region that the organisation promised",
    remedy="Pass environment.region or environment.data_location",
    reference="https://cloud.google.com/architecture/framework/security/meet-regulatory-compliance-and-privacy-needs",
)
def region(stack: SynthesisedStack) -> Iterator[Breach]:
    """Everything is in the environment's region, or where its data rests."""
    environment = stack.environment
    allowed = {environment.region, environment.data_location.lower()}
    for resource in stack.resources:
        for attribute in ("location", "region", "zone"):
            value = resource.body.get(attribute)
            if not isinstance(value, str) or value.startswith("${") or (value == "global" and resource.type in WORLDWIDE):
                continue
            place = value.lower()
            if place not in allowed and re.sub(r"-[a-f]$", "", place) not in allowed:
                yield resource, f"{attribute} is {value}"


@functools.cache
def names_of_others(environment: str) -> re.Pattern[str]:
    """A pattern of the names that belong to the other environments: projects, accounts, buckets, registries."""
    found: set[str] = set()
    for other in environment_names():
        if other != environment:
            names = Names(organisation(), load(other))
            found |= {
                names.project,
                names.state_bucket,
                names.repository,
                names.dataset,
                *(names.bucket(purpose) for purpose in names.BUCKETS),
                *(names.topic(purpose) for purpose in names.TOPICS),
                *(names.service_account_id(duty) for duty in names.DUTIES),
            }
    return re.compile(rf"(?<![a-z0-9_-])({'|'.join(map(re.escape, sorted(found)))})(?![a-z0-9_-])")


@policy(
    "other-environment",
    reason="a change here would change what runs there, or read what only it may read",
    remedy="Take the name from the Names of this environment",
    reference="https://cloud.google.com/architecture/blueprints/security-foundations/resource-hierarchy",
)
def other_environment(stack: SynthesisedStack) -> Iterator[Breach]:
    """No resource names a project, account, bucket or registry of another environment; its promotion.target alone may read here."""
    others, guests = names_of_others(stack.environment.name), promoters(stack.names).values()
    for resource in stack.resources:
        body = resource.body
        if body.get("member") in guests and body.get("role") in COPYING:
            body = {name: value for name, value in body.items() if name != "member"}
        if found := next((match[1] for text in strings(body) if (match := others.search(text))), None):
            yield resource, f"names {found}, which is not {stack.environment.name}'s"


@policy(
    "own-state",
    reason="an apply would write the state of another stack",
    remedy="Build on infra.stacks.Stack",
    reference="https://cloud.google.com/docs/terraform/resource-management/store-state",
)
def own_state(stack: SynthesisedStack) -> Iterator[Breach]:
    """State lies in the environment's bucket, under the id of the stack."""
    backend = stack.document.get("terraform", {}).get("backend", {})
    if backend != {"gcs": {"bucket": stack.names.state_bucket, "prefix": stack.id}}:
        yield None, f"keeps its state in {backend or 'a file'}"


@policy(
    "no-lookup",
    reason="a plan could change by itself",
    remedy="Derive the name in environments/names.py instead",
    reference="https://developer.hashicorp.com/terraform/language/data-sources",
)
def nothing_is_looked_up(stack: SynthesisedStack) -> Iterator[Breach]:
    """No data source and no remote state: a plan must not depend on what happens to exist."""
    for type_, declared in sorted(stack.document.get("data", {}).items()):
        for id_ in sorted(declared):
            yield Resource(type=f"data.{type_}", id=id_, body={}), "is read while planning"


@policy(
    "no-address",
    reason="what is reviewed would not be what runs",
    remedy="Remove it; the process environment says who answers (playbook run)",
    reference="https://github.com/hashicorp/terraform-provider-google/blob/main/website/docs/guides/provider_reference.html.markdown",
)
def address_is_not_configured(stack: SynthesisedStack) -> Iterator[Breach]:
    """The provider knows no address but Google's: the process environment alone decides who answers."""
    for key in sorted(stack.provider):
        if key.endswith("_custom_endpoint") or key in {"access_token", "credentials"}:
            yield None, f"configures {key} in the provider"


POLICIES = (region, other_environment, own_state, nothing_is_looked_up, address_is_not_configured)
