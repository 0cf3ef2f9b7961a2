"""Which APIs are enabled, and whether the stacks enable what they are applied through."""

from infra.preflight.asked import Asked
from infra.preflight.findings import Finding, unread
from infra.terraform.rest import Google, Refused

SERVICES = "https://serviceusage.googleapis.com/v1"
CHECK = "api"
BEFORE_ALL = {"cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com"}
"""What enables the others; in a project that is used they must be on already."""


def findings(asked: Asked, google: Google) -> list[Finding]:
    """One finding an API that the stacks need."""
    try:
        on = enabled(asked.project, google)
    except Refused as error:
        mend = f"ask for roles/serviceusage.serviceUsageViewer on {asked.project}; a project that is to be created: make bootstrap first"
        return [unread(CHECK, f"enabled APIs of {asked.project}", error, mend)]
    return [_one(api, asked, on) for api in sorted(asked.apis | asked.enabled | BEFORE_ALL)]


def enabled(project: str, google: Google) -> set[str]:
    """APIs that are enabled, e.g. `storage.googleapis.com`.

    Raises:
        Refused: when they may not be seen.
    """
    found: set[str] = set()
    query = {"filter": "state:ENABLED", "pageSize": 200}
    while True:
        page = google.call("GET", f"{SERVICES}/projects/{project}/services", query)
        found |= {service["name"].rpartition("/")[2] for service in page.get("services", [])}
        if not (token := page.get("nextPageToken")):
            return found
        query = {**query, "pageToken": token}


def _one(api: str, asked: Asked, on: set[str]) -> Finding:
    if api in on:
        return Finding(check=CHECK, subject=api, status="ok", says="enabled")
    # A project in which nobody has switched anything yet.
    if api in asked.enabled:
        return Finding(check=CHECK, subject=api, status="ok", says="not enabled yet; the foundation stack enables it")
    if api in BEFORE_ALL and not on:
        return Finding(check=CHECK, subject=api, status="ok", says="the project enables it by itself")
    return Finding(
        check=CHECK,
        subject=api,
        status="blocks",
        says="not enabled, and no stack enables it: what is applied through it would be refused",
        mend=f"gcloud services enable {api} --project {asked.project}, or add it to infra/services.py",
    )
