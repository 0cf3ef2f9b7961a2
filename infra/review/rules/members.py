"""Who a member is: the public, a person, an identity of ours, Google's own, or somebody else's."""

import re
from typing import Literal

from infra.review.rules.grants import PUBLIC
from infra.review.rules.world import World

Kind = Literal["public", "person", "group", "domain", "service-account", "agent", "federated", "unknown"]

ACCOUNT = re.compile(r"^serviceAccount:[^@]+@(?P<project>[a-z0-9-]+)\.iam\.gserviceaccount\.com$")
DEFAULT = re.compile(r"^serviceAccount:(?P<number>\d+)(-compute@developer|@cloudservices|@cloudbuild)\.gserviceaccount\.com$")
APP_ENGINE = re.compile(r"^serviceAccount:(?P<project>[a-z0-9-]+)@appspot\.gserviceaccount\.com$")
WORKLOAD = re.compile(r"^serviceAccount:(?P<project>[a-z0-9-]+)\.svc\.id\.goog\[")
AGENT = re.compile(r"^serviceAccount:(service-|bq-|p)(?P<number>\d+)[a-z0-9-]*@[a-z0-9-]+\.(iam\.)?gserviceaccount\.com$")
GOOGLES = re.compile(
    r"^serviceAccount:[^@]+@(gcp-sa-[a-z0-9-]+|gs-project-accounts|compute-system|container-engine-robot|serverless-robot-prod|"
    r"cloud-filer|gae-api-prod[a-z.]*|dataflow-service-producer-prod|dlp-api|bigquery-encryption|storage-transfer-service|system)"
    r"\.(iam\.)?gserviceaccount\.com$"
)


LOG_WRITER = "group:cloud-storage-analytics@google.com"
"""Google's own group, as which Cloud Storage writes access logs."""


def kind(member: str) -> Kind:
    """What sort of member it is."""
    if member in PUBLIC:
        return "public"
    if AGENT.match(member) or GOOGLES.match(member) or member == LOG_WRITER:
        return "agent"
    if member.startswith(("principal://", "principalSet://")) or WORKLOAD.match(member):
        return "federated"
    prefixes: tuple[tuple[str, Kind], ...] = (
        ("serviceAccount:", "service-account"),
        ("user:", "person"),
        ("group:", "group"),
        ("domain:", "domain"),
    )
    found = next((named for prefix, named in prefixes if member.removeprefix("deleted:").startswith(prefix)), None)
    return found or "unknown"


def outside(member: str, world: World) -> bool:
    """Whether a member belongs to a project or a domain that is not ours, as far as that can be told."""
    if member == LOG_WRITER:
        return False
    for pattern in (ACCOUNT, APP_ENGINE, WORKLOAD):
        if (match := pattern.match(member)) and not GOOGLES.match(member):
            return bool(world.projects) and match["project"] not in world.projects
    if (match := DEFAULT.match(member)) or (AGENT.match(member) and world.numbers and (match := AGENT.match(member))):
        return match["number"] not in world.numbers
    domain = member.rpartition("@")[2] if member.startswith(("user:", "group:")) else ""
    if member.startswith("domain:"):
        return member.removeprefix("domain:") not in world.domains
    return bool(domain and world.domains and domain not in world.domains)
