"""Cloud Run: services are kept with what Google adds to them; no container of theirs runs here.

https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, completes

if TYPE_CHECKING:
    from emulator.cloud import Cloud


@completes("run", "Service")
def complete(call: Call, cloud: Cloud, name: str, service: Json) -> None:
    """Each change makes a revision, which is ready at once; the address follows from the name."""
    containers = service.get("template", {}).get("containers", [])
    if not containers or not all(container.get("image") for container in containers):
        raise Refusal(400, "INVALID_ARGUMENT", "template.containers: a service needs a container with an image. Nothing was written.")
    account = service["template"].get("serviceAccount", "")
    if account and cloud.store.of("iam").get(f"projects/{call.project}/serviceAccounts/{account}") is None:
        raise Refusal(404, "NOT_FOUND", f"The service account {account} does not exist. Nothing was written. Create it first.")
    _, _, _, location, _, last = name.split("/")
    generation = int(service.get("generation", "0")) + 1 if call.verb != "create" else 1
    revision = f"{name}/revisions/{last}-{generation:05d}"
    digest = hashlib.sha256(f"{call.project} {location}".encode()).hexdigest()[:10]
    service |= {
        "generation": str(generation),
        "observedGeneration": str(generation),
        "latestReadyRevision": revision,
        "latestCreatedRevision": revision,
        "uri": f"https://{last}-{digest}.{location}.run.app",
        "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
        "reconciling": False,
    }
