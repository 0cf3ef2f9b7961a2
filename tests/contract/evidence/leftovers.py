"""What a run of `make verify` has made and did not take away: found by the run's name in names and labels, and deleted with its content."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from infra.saving.found import KINDS, PLACE, VERTEX, Found, Kind, everything
from infra.terraform.rest import Google, Refused

if TYPE_CHECKING:
    from environments import Names

RUN = re.compile(r"verify[-_]([0-9a-f]{8})(?![0-9a-f])")
"""The name of a run: when it began, in seconds, as hexadecimal digits."""
OVER_SECONDS = 6 * 3600
"""A run that began longer ago is over; one that began later may belong to somebody else, who still needs what it made."""
MONITORING, LOGGING = "https://monitoring.googleapis.com/v3", "https://logging.googleapis.com/v2"
OTHERS = (
    Kind(name="feature group", api=VERTEX, collection=f"{PLACE}/featureGroups", items="featureGroups"),
    Kind(name="scheduled job", api="https://cloudscheduler.googleapis.com/v1", collection=f"{PLACE}/jobs", items="jobs"),
    Kind(
        name="repository",
        api="https://artifactregistry.googleapis.com/v1",
        collection=f"{PLACE}/repositories",
        items="repositories",
    ),
    Kind(name="alert policy", api=MONITORING, collection="projects/{project}/alertPolicies", items="alertPolicies"),
    Kind(name="notification channel", api=MONITORING, collection="projects/{project}/notificationChannels", items="notificationChannels"),
    Kind(name="sink", api=LOGGING, collection="projects/{project}/sinks", items="sinks", path="projects/{project}/sinks/{name}"),
    Kind(name="metric", api=LOGGING, collection="projects/{project}/metrics", items="metrics", path="projects/{project}/metrics/{name}"),
    Kind(name="service account", api="https://iam.googleapis.com/v1", collection="projects/{project}/serviceAccounts", items="accounts"),
    Kind(name="context", api=VERTEX, collection=f"{PLACE}/metadataStores/default/contexts", items="contexts"),
)
"""What the clients' tests make beside the kinds that `make sweep` looks for."""
WITH_CONTENT = {
    "BigQuery dataset": {"deleteContents": "true"},
    "online store": {"force": "true"},
    "feature group": {"force": "true"},
    "context": {"force": "true"},
    "notification channel": {"force": "true"},
}
"""Kind → query of a request that deletes also what is inside."""


def name(moment: float) -> str:
    """The name of a run that begins at `moment`, in seconds."""
    return f"verify-{int(moment):08x}"


def found(names: Names, google: Google, mine: Callable[[str], bool]) -> Iterator[Found]:
    """What runs have made whose names `mine` accepts, in an order in which it can be deleted.

    Raises:
        Refused: when Google does not show a kind.
    """
    for one in everything(names, google, tuple(_including_content(kind) for kind in (*KINDS, *OTHERS))):
        labels = {**one.body.get("labels", {}), **one.body.get("userLabels", {})}
        text = " ".join((one.name, str(one.body.get("displayName", "")), str(labels.get("run", ""))))
        if (match := RUN.search(text)) and mine(f"verify-{match[1]}"):
            yield one


def over(run: str, now: float) -> bool:
    """Whether a run of that name has ended, one way or the other."""
    return now - int(run.removeprefix("verify-"), 16) > OVER_SECONDS


def delete(names: Names, google: Google, mine: Callable[[str], bool]) -> list[str]:
    """Deletes what runs have made; what could not be deleted, each with the reason."""
    kept = []
    try:
        there = list(found(names, google, mine))
    except Refused as error:
        return [f"what is there could not be listed: {error}"]
    for one in there:
        try:
            _empty(one, google)
            google.finished(one.url.removesuffix(f"/{one.name}"), google.call("DELETE", one.url, dict(one.kind.delete)))
        except Refused as error:
            if error.status != 404:
                kept.append(f"{one.kind.name} {one.name}: {error}")
    return kept


def _including_content(kind: Kind) -> Kind:
    return dataclasses.replace(kind, delete=WITH_CONTENT.get(kind.name, kind.delete))


def _empty(one: Found, google: Google) -> None:
    """Ends or deletes what keeps a resource from being deleted."""
    api = one.url.removesuffix(f"/{one.name}")
    if one.kind.name == "endpoint":
        for deployed in one.body.get("deployedModels", []):
            google.finished(api, google.call("POST", f"{one.url}:undeployModel", None, {"deployedModelId": deployed["id"]}))
    elif one.kind.name in ("pipeline run", "training job") and "endTime" not in one.body:
        google.call("POST", f"{one.url}:cancel", None, {})
        deadline = time.monotonic() + 600
        while "endTime" not in google.call("GET", one.url) and time.monotonic() < deadline:
            time.sleep(5)
    elif one.kind.name == "bucket":
        query = {"versions": "true"}
        while page := google.call("GET", f"{one.url}/o", query).get("items"):
            for item in page:
                google.call("DELETE", item["selfLink"], {"generation": item["generation"]})
