"""What has outlived its `ttl` label, and deployed models that serve nobody: listed first, deleted only when asked to."""

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from environments import Names
from infra.saving.found import Deployed, Found, orphans, ours, without_project
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google, Refused

if TYPE_CHECKING:
    from google.cloud import storage

LABEL = "ttl"
"""Its value is a day, `2026-12-31`, after which nobody needs the resource."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep found.

    Attributes:
        expired: resources whose day is over, and that no stack declares.
        orphaned: deployed models that serve nobody.
        declared: resources whose day is over, but that a stack declares: only a destroy takes them away without leaving its state wrong.
        unreadable: names of resources whose label is no day.
    """

    expired: Sequence[Found]
    orphaned: Sequence[Deployed]
    declared: Sequence[Found]
    unreadable: Sequence[str]

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to sweep."""
        return not (self.expired or self.orphaned or self.declared or self.unreadable)


def look(names: Names, google: Google, client: "storage.Client", today: datetime.date) -> Swept:
    """What there is to sweep; nothing is changed.

    Args:
        names: of the environment, whose labels tell what is ours.
        google: Google's REST APIs.
        client: Cloud Storage, for the states.
        today: a resource may live through the day in its label.

    Raises:
        Refused: when Google does not show something.
        TerraformFailed: when a state cannot be read: what it declares would look like nobody's.
    """
    terraform = _in_states(client, names)
    expired: list[Found] = []
    declared: list[Found] = []
    orphaned: list[Deployed] = []
    unreadable: list[str] = []
    for found in ours(names, google):
        if found.kind.name == "endpoint":
            orphaned += orphans(found, google)
        if (day := found.labels.get(LABEL)) is None:
            continue
        try:
            over = datetime.date.fromisoformat(day) < today
        except ValueError:
            unreadable.append(f"{found.kind.name} {found.name}: {LABEL}={day}")
            continue
        if over:
            (declared if found.short in terraform else expired).append(found)
    return Swept(expired=expired, orphaned=orphaned, declared=declared, unreadable=unreadable)


def listed(swept: Swept, environment: str) -> list[str]:
    """What was found, for people, a line each."""
    said = [f"expired on {found.labels[LABEL]}: {found.kind.name} {found.name}" for found in swept.expired]
    said += [f"orphaned: deployed model {one.id} of {one.endpoint}: {one.reason}" for one in swept.orphaned]
    said += [
        f"expired on {found.labels[LABEL]}, but a stack declares it: {found.kind.name} {found.name}; make destroy ENV={environment}"
        for found in swept.declared
    ]
    return said + [f"no day: {what}; write it as {LABEL}=2026-12-31" for what in swept.unreadable]


def delete(swept: Swept, names: Names, google: Google, say: Callable[[str], None]) -> list[str]:
    """Undeploy the orphans and delete what has expired; what could not be deleted, each with Google's reason.

    Nothing that holds data goes with it: a bucket with objects and a dataset with tables are refused by Google, and said.
    """
    kept = []
    vertex = f"https://{names.environment.region}-aiplatform.googleapis.com/v1"
    for one in swept.orphaned:
        try:
            google.finished(vertex, google.call("POST", f"{vertex}/{one.endpoint}:undeployModel", None, {"deployedModelId": one.id}))
            say(f"undeployed {one.id} of {one.endpoint}")
        except Refused as error:
            kept.append(f"deployed model {one.id} of {one.endpoint}: {error}")
    for found in swept.expired:
        try:
            google.finished(found.url.removesuffix(f"/{found.name}"), google.call("DELETE", found.url, dict(found.kind.delete)))
            say(f"deleted {found.kind.name} {found.name}")
        except Refused as error:
            kept.append(f"{found.kind.name} {found.name}: {error}")
    return kept


def _in_states(client: "storage.Client", names: Names) -> set[str]:
    """Names of everything that the environment's states hold, without the project."""
    from google.api_core.exceptions import NotFound

    held: set[str] = set()
    try:
        states = [blob for blob in client.list_blobs(names.state_bucket) if blob.name.endswith("/default.tfstate")]
    except NotFound:
        return held
    for blob in states:
        try:
            resources = json.loads(blob.download_as_bytes())["resources"]
        except (ValueError, KeyError, TypeError):
            stack = blob.name.partition("/")[0].removeprefix(names.stack(""))
            raise TerraformFailed(
                f"gs://{names.state_bucket}/{blob.name} is no state, so what its stack declares would look like nobody's. Nothing was "
                f"swept. Have an older one back: playbook restore --env {names.environment.name} --stack {stack}"
            ) from None
        for resource in resources:
            for instance in resource.get("instances", []):
                attributes = instance.get("attributes") or {}
                held |= {without_project(str(attributes[name])) for name in ("id", "name") if attributes.get(name)}
                if resource["type"] == "google_storage_bucket":
                    held.add(f"b/{attributes['name']}")
    return held
