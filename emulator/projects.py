"""Projects: numbers, and which APIs are enabled in them.

A project that nobody created here is taken as given, as a landing zone hands it over: it exists, and as long as nobody has switched a
service in it, all services count as enabled. From the first switch on, or when it was created here, a service must have been enabled.
"""

from __future__ import annotations

import hashlib
from typing import Any

from emulator.behaviours import Refusal
from emulator.clock import now
from emulator.store import Store

Json = dict[str, Any]

ALWAYS_ENABLED = {"serviceusage", "cloudresourcemanager", "cloudbilling", "iamcredentials", "sts", "oauth2", "billingbudgets"}
"""APIs that manage projects and bill for them: they are called before a project has any service."""

ENABLED_AT_BIRTH = (
    "bigquery", "bigquerystorage", "cloudapis", "cloudtrace", "logging", "monitoring", "servicemanagement", "serviceusage", "storage",
    "storage-api", "storage-component",
)  # fmt: skip


def project_number(project: str) -> str:
    """Number of a project: twelve digits, the same in every run."""
    digest = hashlib.sha256(project.encode()).digest()
    return str(10**11 + int.from_bytes(digest[:8], "big") % (9 * 10**11))


class Projects:
    """The projects of the local Google Cloud."""

    def __init__(self, store: Store) -> None:
        self._kept = store.of("cloudresourcemanager")
        self._services = store.of("serviceusage")
        self._numbers = {project["projectNumber"]: project["projectId"] for project in self._kept.list("projects", "Project")}

    def get(self, project: str) -> Json:
        """The project; one that nobody created is taken as given from now on."""
        kept = self._kept.get(f"projects/{project}")
        return kept if kept is not None else self.keep(project, {"given": True})

    def keep(self, project: str, fields: Json) -> Json:
        """Stores a project."""
        body = {"projectId": project, "projectNumber": project_number(project), "createTime": now(), "state": "ACTIVE", **fields}
        self._numbers[body["projectNumber"]] = project
        return self._kept.put(f"projects/{project}", "Project", body)

    def existing(self, project: str) -> Json | None:
        """The project where it exists already, created or given."""
        return self._kept.get(f"projects/{project}")

    def by_id(self, name: str) -> str:
        """`name` with a known project's number replaced by its id: both name the same resource."""
        head, _, rest = name.partition("/")
        if head != "projects":
            return name
        number, slash, tail = rest.partition("/")
        return f"projects/{self._numbers.get(number, number)}{slash}{tail}"

    def service(self, project: str, service: str) -> Json:
        """State of a service (`aiplatform.googleapis.com`) in a project: every service is there, disabled until it is enabled."""
        name = f"projects/{project}/services/{service}"
        kept = self._services.get(name)
        return kept or {"name": name, "parent": f"projects/{project}", "state": "DISABLED", "config": {"name": service, "title": service}}

    def switch(self, project: str, service: str, state: str) -> Json:
        """Enables or disables a service."""
        self.get(project)
        switched = {**self.service(project, service), "state": state}
        return self._services.put(switched["name"], "Service", switched)

    def services(self, project: str) -> list[Json]:
        """The services that were ever switched in the project."""
        return self._services.list(f"projects/{project}/services")

    def check(self, project: str, service: str) -> None:
        """Refuses a call to an API that is not enabled.

        Raises:
            Refusal: 403 with the reason SERVICE_DISABLED, as Google answers.
        """
        if service in ALWAYS_ENABLED or not project:
            return
        kept = self.get(project)
        if kept["state"] != "ACTIVE":
            raise Refusal(403, "", f"Project '{project}' has been deleted.", reason="forbidden")
        host = f"{service}.googleapis.com"
        if self.service(project, host)["state"] == "ENABLED" or (kept.get("given") and not self.services(project)):
            return
        number = kept["projectNumber"]
        page = f"https://console.developers.google.com/apis/api/{host}/overview?project={number}"
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": {"service": host, "consumer": f"projects/{number}", "activationUrl": page},
        }
        message = (
            f"{host} has not been used in project {project} ({number}) before or it is disabled. Enable it: declare it in the foundation "
            f"stack, or `gcloud services enable {host}`, then retry."
        )
        raise Refusal(403, "", message, details=(info,), reason="accessNotConfigured")
