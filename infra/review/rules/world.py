"""What rules know beside the resource that they look at: whose projects these are, which zones are private, who belongs to us."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from infra.review.change import Planned, Values, at
from infra.review.report import HIDDEN, UNKNOWN

PROJECT = re.compile(r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")


@dataclass(frozen=True, kw_only=True)
class World:
    """What the plans say together."""

    projects: frozenset[str]
    """Ids of the projects that the plans are about."""
    numbers: frozenset[str]
    """Their numbers, as far as a plan says them."""
    domains: frozenset[str]
    """Domains of our people; nobody is taken for an outsider by their domain where none is known."""
    private_zones: frozenset[str]
    """DNS zones that only networks of ours can read."""
    redirects: frozenset[str] = frozenset()
    """URL maps that do nothing but lead from HTTP to HTTPS."""

    @classmethod
    def of(cls, resources: Iterable[Planned], projects: Iterable[str] = (), domains: Iterable[str] = ()) -> "World":
        """What the resources of some plans say, and what the caller knows."""
        found, numbers, zones = {project for project in projects if project}, set[str](), set[str]()
        redirects = set[str]()
        for resource in resources:
            for values in (resource.before, resource.after):
                if not values:
                    continue
                project = str(values.get("project") or "").removeprefix("projects/")
                if PROJECT.match(project):
                    found.add(project)
                if resource.type == "google_project" and isinstance(made := values.get("project_id"), str):
                    found.add(made)
                for attribute in ("project_number", "number"):
                    if str(values.get(attribute) or "").isdigit() and resource.type in {"google_project", "google_storage_bucket"}:
                        numbers.add(str(values[attribute]))
                if resource.type == "google_dns_managed_zone" and at(values, "visibility") == "private":
                    zones.add(str(values.get("name")))
            if resource.type.endswith("_url_map") and _redirects(resource.after):
                redirects.add(str((resource.after or {}).get("name")))
        return cls(
            projects=frozenset(found),
            numbers=frozenset(numbers),
            domains=frozenset(domains),
            private_zones=frozenset(zones),
            redirects=frozenset(redirects),
        )


def _redirects(values: Values | None) -> bool:
    """Whether a URL map answers nothing itself."""
    served = ("default_service", "host_rule", "path_matcher")
    return at(values, "default_url_redirect.https_redirect") is True and not any((values or {}).get(name) for name in served)


def said(value: object) -> str:
    """A value in a sentence."""
    if value in (None, "", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return {HIDDEN: "a sensitive value", UNKNOWN: "a value that only the apply tells"}.get(str(value), str(value))
