"""What the Cloud Run service behind the page runs: a build of the Node server, with the converted model of one version.

The service is Terraform's; its image and variables are ours, so the stack ignores changes of those fields.
"""

from __future__ import annotations

import re
import time
from typing import Any

from environments.clients import TIMEOUT_SECONDS, Clients
from serving.registry import versions

RUN = "https://run.googleapis.com/v2"
BY_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
MODEL = "AIP_STORAGE_URI"
READY_SECONDS, POLL_SECONDS = 600.0, 2.0


class WebServerError(Exception):
    """The service goes on as it was; the message is complete and meant for people."""


def run(clients: Clients, task: str, version: str, image: str) -> str:
    """Let the service answer with a registered version of a task; returns the name of the revision that does.

    Args:
        clients: clients of the environment.
        task: name of the task.
        version: version id or alias, which `web.attach` has given a converted model.
        image: the Node server's image by digest, as `pipelines.images` records it.

    Raises:
        WebServerError: when the image is named by a tag, the version is not registered, Cloud Run refuses, or the revision never starts.
    """
    if not BY_DIGEST.fullmatch(image):
        raise WebServerError(
            f"{image} is no image by digest, so that another build could answer tomorrow. Nothing was changed. Take the digest of "
            f"serving-node from the record of make images ENV={clients.names.environment.name}."
        )
    registered = versions.find(clients, task, version)
    if registered is None:
        raise WebServerError(f"version {version} of {task} is not registered, so nothing was changed. Register it first.")
    url = f"{RUN}/{clients.names.location}/services/{clients.names.web_server}"
    service = _answer(clients, "GET", url)
    template = service["template"]
    (container,) = template["containers"]
    others = [one for one in container.get("env", []) if one["name"] != MODEL]
    wanted = {**container, "image": image, "env": [*others, {"name": MODEL, "value": f"{registered.uri}/web"}]}
    if wanted == container:
        return ready(clients, service)
    # The next revision gets a name of its own from Cloud Run.
    changed = {key: value for key, value in template.items() if key != "revision"} | {"containers": [wanted]}
    operation = _answer(clients, "PATCH", url, {"template": changed, "etag": service.get("etag")})
    deadline = time.monotonic() + READY_SECONDS
    while not operation.get("done") and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        operation = _answer(clients, "GET", f"{RUN}/{operation['name']}")
    if not operation.get("done") or "error" in operation:
        reason = operation.get("error", {}).get("message", f"no answer within {READY_SECONDS:g} s")
        raise _not_ready(clients, reason)
    return ready(clients, operation["response"])


def ready(clients: Clients, service: dict[str, Any]) -> str:
    """The newest revision of a service; one that never started is not what answers."""
    if service["latestReadyRevision"] != service["latestCreatedRevision"]:
        raise _not_ready(clients, service.get("terminalCondition", {}).get("message", "it has not started"))
    return str(service["latestReadyRevision"])


def _not_ready(clients: Clients, reason: str) -> WebServerError:
    return WebServerError(
        f"the new revision of {clients.names.web_server} is not ready: {reason}. The former one goes on answering. Read its log and build "
        "again, or let it answer with the version before."
    )


def _answer(clients: Clients, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    response = clients.session().request(method, url, json=body, timeout=TIMEOUT_SECONDS)
    if response.ok:
        content: dict[str, Any] = response.json()
        return content
    environment = clients.names.environment.name
    raise WebServerError(
        f"Cloud Run refused ({response.status_code}): {response.text.strip()[:300]} The service goes on as it was. Terraform declares it "
        f"where web.server is on: make deploy ENV={environment}"
    )
