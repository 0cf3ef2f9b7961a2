"""Organisation policies as they are in effect on the project, each held against what the stacks declare.

They refuse in the middle of an apply, one resource at a time, and nobody in the project can see them coming from a plan.
https://cloud.google.com/resource-manager/docs/organization-policy/org-policy-constraints
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.preflight.asked import Asked, values
from infra.preflight.findings import Finding, unread
from infra.terraform.rest import Google, Refused

POLICIES = "https://orgpolicy.googleapis.com/v2"
CHECK = "organisation policy"
EU = {
    "eu", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1", "europe-west1", "europe-west3", "europe-west4",
    "europe-west8", "europe-west9", "europe-west10", "europe-west12",
}  # fmt: skip
"""Places of the value group `in:eu-locations`: those in member states, so neither London nor Zurich."""
CONTINENTS = {"europe": "europe-", "us": "us-", "asia": "asia-", "australia": "australia-", "canada": "northamerica-northeast"}


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """One constraint and what we need of it."""

    name: str
    """Without `constraints/`."""
    wants: Callable[[Asked], Iterable[str]]
    """Values that must be allowed; of a constraint that is on or off, what would be refused when it is on. Nothing: it does not matter."""
    mend: str
    boolean: bool = False


def _google_images(asked: Asked) -> set[str]:
    return {
        f"projects/{image['project']}" for found in values(asked.resources, "vm_image") for image in _listed(found) if image.get("project")
    }


def _listed(found: Any) -> list[dict[str, Any]]:
    return [block for block in (found if isinstance(found, list) else [found]) if isinstance(block, dict)]


def _access_modes(asked: Asked) -> set[str]:
    """An instance with an owner is that person's; without one, whoever may act as its account works there."""
    return {
        "single-user" if instance.body.get("instance_owners") else "service-account" for instance in asked.of("google_workbench_instance")
    }


def _notebook_networks(asked: Asked) -> set[str]:
    instances = asked.of("google_workbench_instance")
    return {str(found) for found in values(instances, "network") if isinstance(found, str) and "${" not in found}


def _load_balancers(asked: Asked) -> list[str]:
    return [resource.address for resource in asked.of("google_compute_global_forwarding_rule")]


def _worker_pools(asked: Asked) -> list[str]:
    """Builds run on Google's own pool."""
    return ["default pool"] if asked.of("google_cloudbuild_trigger") else []


CONSTRAINTS: tuple[Constraint, ...] = (
    Constraint(
        name="gcp.resourceLocations",
        wants=lambda asked: asked.locations,
        mend="choose an allowed region and data_location in the environment's file, or have the place allowed",
    ),
    Constraint(
        name="gcp.restrictServiceUsage",
        wants=lambda asked: asked.enabled,
        mend="have the API allowed, or switch off in the environment's file what needs it",
    ),
    Constraint(
        name="gcp.restrictCmekCryptoKeyProjects",
        wants=lambda asked: {f"projects/{project}" for project in asked.key_projects},
        mend="use keys of an allowed project (keys.mode: use), or have this one allowed",
    ),
    Constraint(
        name="gcp.restrictNonCmekServices",
        wants=lambda asked: () if asked.key_projects else asked.apis,
        mend="set keys.mode to create or use, so that what these services keep is encrypted with a key of ours",
    ),
    Constraint(
        name="iam.disableServiceAccountCreation",
        wants=lambda asked: [resource.address for resource in asked.of("google_service_account")],
        mend="have an exception for the project, or have the accounts made by whoever may and adopt them: playbook adopt",
        boolean=True,
    ),
    Constraint(
        name="iam.workloadIdentityPoolProviders",
        wants=lambda asked: {
            str(uri) for uri in values(asked.of("google_iam_workload_identity_pool_provider"), "issuer_uri") if isinstance(uri, str)
        },
        mend="have the issuer allowed, or use the organisation's pool (federation.mode: use)",
    ),
    Constraint(
        name="compute.trustedImageProjects",
        wants=_google_images,
        mend="have the image's project trusted, or switch the workbench off",
    ),
    Constraint(
        name="compute.disableGlobalLoadBalancing",
        wants=_load_balancers,
        mend="have an exception for the project, or set web.domain to null",
        boolean=True,
    ),
    Constraint(
        name="cloudbuild.allowedWorkerPools",
        wants=_worker_pools,
        mend="have the default pool allowed, or set delivery.enabled to false and let people deploy",
    ),
    Constraint(
        name="ainotebooks.accessMode",
        wants=_access_modes,
        mend="list one owner for single-user, several for service-account, or have the mode allowed",
    ),
    Constraint(
        name="ainotebooks.restrictVpcNetworks",
        wants=_notebook_networks,
        mend="use an allowed network (network.mode: use), or have ours allowed",
    ),
)


def findings(asked: Asked, google: Google) -> list[Finding]:
    """One finding a constraint that could refuse something of ours."""
    found = []
    for constraint in CONSTRAINTS:
        wanted = sorted(set(constraint.wants(asked)))
        if not wanted:
            continue
        try:
            policy = google.call("GET", f"{POLICIES}/projects/{asked.project}/policies/{constraint.name}:getEffectivePolicy")
        except Refused as error:
            mend = (
                f"enable orgpolicy.googleapis.com in {asked.project} and ask for roles/orgpolicy.policyViewer on it, or have whoever holds "
                "them run this"
            )
            found.append(unread(CHECK, constraint.name, error, mend))
        else:
            found.append(judged(constraint, wanted, policy.get("spec", {}).get("rules", []), asked.project))
    return found


def judged(constraint: Constraint, wanted: Sequence[str], rules: Sequence[dict[str, Any]], project: str) -> Finding:
    """What the rules in effect say to what is wanted.

    Args:
        constraint: which.
        wanted: values that must be allowed.
        rules: of the effective policy.
        project: that the policy is in effect on.
    """
    if any("condition" in rule for rule in rules):
        says = "its rules depend on tags, so that what holds for a new resource cannot be told"
        return Finding(check=CHECK, subject=constraint.name, status="cannot be read", says=says, mend="ask whoever sets the tags")
    if constraint.boolean:
        refused = list(wanted) if any(rule.get("enforce") for rule in rules) else []
        doubtful: list[str] = []
    else:
        answers = {value: _allowed(value, rules, project) for value in wanted}
        refused = [value for value, answer in answers.items() if answer is False]
        doubtful = [value for value, answer in answers.items() if answer is None]
    if refused:
        says = f"refuses {', '.join(refused)}: the apply would stop there"
        return Finding(check=CHECK, subject=constraint.name, status="blocks", says=says, mend=constraint.mend)
    if doubtful:
        says = f"whether it allows {', '.join(doubtful)} hangs on folders or value groups that are not known here"
        return Finding(check=CHECK, subject=constraint.name, status="cannot be read", says=says, mend="ask whoever set the policy")
    return Finding(check=CHECK, subject=constraint.name, status="ok", says=f"allows {', '.join(wanted)}"[:160])


def _allowed(value: str, rules: Iterable[dict[str, Any]], project: str) -> bool | None:
    """Whether the rules of a list constraint allow `value`; None where that cannot be told."""
    allowed: bool | None = True
    for rule in rules:
        if rule.get("denyAll"):
            return False
        listed = rule.get("values", {})
        denied = [_matches(value, entry, project) for entry in listed.get("deniedValues", [])]
        if True in denied:
            return False
        if None in denied:
            allowed = None
        if entries := listed.get("allowedValues", []):
            matches = [_matches(value, entry, project) for entry in entries]
            if True not in matches:
                return None if None in matches else False
    return allowed


def _matches(value: str, entry: str, project: str) -> bool | None:
    """Whether an entry of a policy means `value`; None where it names a folder, an organisation or an unknown group."""
    prefix, colon, rest = entry.partition(":")
    if not colon or prefix == "is":
        return value.lower() == (rest or prefix).lower()
    if prefix == "under":
        return True if rest == f"projects/{project}" and f"projects/{project}" in value else None
    group = re.fullmatch(r"([a-z0-9-]+)-locations", rest)
    if prefix != "in" or group is None:
        return None
    if group[1] == "eu":
        return value in EU
    if group[1] in CONTINENTS:
        return value == group[1] or value.startswith(CONTINENTS[group[1]]) or (group[1] == "europe" and value == "eu")
    return value == group[1] if re.fullmatch(r"[a-z]+-[a-z]+\d+", group[1]) else None
