"""Cancel: ends a run, a job or an operation."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from emulator import discovery
from emulator.console.forms import Form, Outcome, ask, form, host_of, result
from emulator.console.markup import Markup, element, join, link, state_kind
from emulator.console.parts import NothingThere, resource_link

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

CANCELLED = {"PipelineJob", "CustomJob", "HyperparameterTuningJob", "TrainingPipeline", "BatchPredictionJob", "TuningJob", "NasJob"}


def cancel_button(service: str, kind: str, name: str, resource: Json) -> Markup | None:
    """A button that cancels what runs; none where nothing runs, or nothing can be cancelled."""
    if not runs(resource) or cancellation(service, kind, name, resource) is None:
        return None
    return form("/cancel", element("button", "Cancel"), service=service, kind=kind, name=name)


def runs(resource: Json) -> bool:
    """Whether a resource is one of work that has not ended."""
    status = resource.get("status")
    reached = resource.get("state") or (status.get("state") if isinstance(status, dict) else status)
    return resource.get("done") is False or (isinstance(reached, str) and state_kind(reached) == "busy")


def cancellation(service: str, kind: str, name: str, resource: Json) -> tuple[str, str, str] | None:
    """API, path and query of the request that cancels a resource."""
    if service == "aiplatform" and kind in CANCELLED:
        return service, f"/v1/{name}:cancel", ""
    if service == "bigquery" and kind == "Job":
        return service, f"/bigquery/v2/{name}/cancel", f"location={resource.get('jobReference', {}).get('location', '')}"
    if service == "cloudbuild" and kind == "Build":
        return service, f"/v1/{name}:cancel", ""
    if service == "operations":
        made = re.search(r"google\.cloud\.(\w+)\.(v\w+)\.", str(resource.get("metadata", {}).get("@type", "")))
        if made and discovery.find(made.group(1), "POST", f"{made.group(2)}/{name}:cancel"):
            return made.group(1), f"/{made.group(2)}/{name}:cancel", ""
    return None


async def act(cloud: Cloud, fields: Form) -> Outcome:
    """Cancels what the form names."""
    service, kind, name = (fields.get(key, "") for key in ("service", "kind", "name"))
    resource = cloud.store.of(service).get(name)
    how = cancellation(service, kind, name, resource) if resource else None
    if resource is None or how is None:
        raise NothingThere(f"There is no {kind or 'resource'} {name} that can be cancelled.")
    begun = time.monotonic()
    api, path, query = how
    status, answer = await ask(cloud, "POST", host_of(api, name), path, query, {})
    done = "It is being cancelled; its page says when it has ended."
    shown = link(name, "/operations", name=name) if service == "operations" else resource_link(name, service, kind, name)
    return status if status >= 400 else 200, "Cancel", join([element("p", shown), result(status, answer, time.monotonic() - begun, done)])
