"""A version becomes the champion, and stops being it: endpoint traffic, registry alias and web bundle move together.

In this order, each part repeatable: traffic by the canary, then the alias, which decides whether a rerun goes on or back,
then the web bundle, and last the old version is undeployed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from environments.clients import Clients
from serving.registry import origin, versions
from serving.rollout import canary, deployment
from serving.rollout.canary import PLAN, Step
from serving.rollout.deployment import RolloutError
from serving.rollout.gates import Criteria
from serving.rollout.probing import Probe

PREVIOUS = "previous"
"""Alias of the champion before this one, to which a rollback returns."""

Web = Callable[[str], object]
"""Points the web app at the bundle of a version."""


@dataclass(frozen=True)
class Rollout:
    """What serves an endpoint after a release or a rollback, and how it came to it."""

    endpoint: str
    version: str
    """The version that serves."""
    deployed_model: str
    changed: bool
    undeployed: tuple[str, ...]
    outcome: Literal["serving", "rolled back", "superseded"]
    """Of the version that was to be released; `superseded` when a later one of the same rows and more serves."""
    former: str
    """The champion before; empty where there was none."""
    text: str
    """Why."""
    steps: tuple[Step, ...]
    """Empty where no champion served, so that there was nothing to compare with."""


def release(
    clients: Clients,
    task: str,
    version: str,
    probe: Sequence[Probe],
    web: Web | None = None,
    plan: Sequence[int] = PLAN,
    criteria: Criteria | None = None,
    report: Callable[[str], None] = print,
) -> Rollout:
    """Let a version serve: by canary where a champion serves, at once where none does. A rerun finishes what was cut off.

    Args:
        clients: clients of the environment.
        task: name of the task.
        version: version id.
        probe: labelled rows for the canary.
        web: points the web app at a version's bundle.
        plan: percent of the traffic at each step of the canary.
        criteria: the bounds of the canary's gates.
        report: told each change when it has been made.

    Raises:
        RolloutError: when the endpoint is missing, or someone else moves the traffic meanwhile.
    """
    endpoint = deployment.endpoint(clients, task)
    champion = canary.serving_champion(clients, task, endpoint)
    rolled, former = None, ""
    if champion is not None and champion.model_version_id != version:
        former = champion.model_version_id
        if _superseded(clients, task, version, former):
            text = f"version {former} serves, which was trained later, on the same rows and those labelled since"
            return Rollout(endpoint.resource_name, former, champion.id, False, (), "superseded", former, text, ())
        rolled = canary.roll(clients, task, version, probe, plan, criteria, report)
        if rolled.outcome == "rolled back":
            return Rollout(endpoint.resource_name, former, champion.id, False, (), "rolled back", former, rolled.text, rolled.steps)
        _promote(clients, task, version, web, report)
        done = deployment.deploy(clients, task, version)
    else:
        done = deployment.deploy(clients, task, version)
        _promote(clients, task, version, web, report)
    report(f"version {version} serves alone")
    return Rollout(
        endpoint=done.endpoint,
        version=version,
        deployed_model=done.deployed_model,
        changed=done.changed or rolled is not None,
        undeployed=done.undeployed,
        outcome="serving",
        former=former,
        text=rolled.text if rolled else "no other champion serves",
        steps=rolled.steps if rolled else (),
    )


def rollback(clients: Clients, task: str, reason: str, web: Web | None = None, report: Callable[[str], None] = print) -> Rollout:
    """Return to the champion before this one: it is deployed if need be, gets all traffic in one update, the alias and the web bundle.

    Args:
        clients: clients of the environment.
        task: name of the task.
        reason: why; it becomes a label of the version that goes.
        web: points the web app at a version's bundle.
        report: told each change when it has been made.

    Raises:
        RolloutError: when there is no champion before this one.
    """
    endpoint = deployment.endpoint(clients, task)
    champion, previous = (versions.find(clients, task, alias) for alias in (versions.CHAMPION, PREVIOUS))
    if champion is None or previous is None:
        raise RolloutError(
            f"no champion of {task} came before this one, so there is nothing to return to. Nothing was changed. "
            "Train and release another version."
        )
    # Both aliases on one version: a rollback was cut off after its alias had moved.
    if previous.version_id != champion.version_id:
        back = deployment.deployed(endpoint, clients.names.model_id(task), previous.version_id)
        if back is None:
            back = deployment.start(clients, task, endpoint, previous.version_id)
            report(f"version {previous.version_id} is deployed again, without traffic")
        endpoint.update(traffic_split={back.id: 100})
        report(f"all traffic is back with version {previous.version_id}")
        canary.condemn(clients, task, champion.version_id, _as_label(reason))
        versions.crown(clients, task, previous.version_id)
        report(f"version {previous.version_id} is the champion again")
    # Before the web app: a version may have no bundle to return to, and the endpoint must not wait for it.
    done = deployment.deploy(clients, task, previous.version_id)
    if web is not None:
        web(previous.version_id)
        report(f"the web app shows version {previous.version_id}")
    return Rollout(done.endpoint, done.version, done.deployed_model, True, done.undeployed, "rolled back", champion.version_id, reason, ())


def _superseded(clients: Clients, task: str, version: str, champion: str) -> bool:
    """Whether the champion is the retrained successor of a version: submitted again, an old training must not take its place."""
    ours, theirs = (versions.find(clients, task, one) for one in (version, champion))
    if ours is None or theirs is None or int(version) > int(champion):
        return False
    before, since = origin.read(clients, ours.uri), origin.read(clients, theirs.uri)
    return before is not None and since is not None and since.rows == before.rows and set(since.labelled) > set(before.labelled)


def _promote(clients: Clients, task: str, version: str, web: Web | None, report: Callable[[str], None]) -> None:
    """Move alias and web bundle to a version that has the traffic."""
    champion = versions.find(clients, task, versions.CHAMPION)
    if champion is None or champion.version_id != version:
        if champion is not None:
            versions.alias(clients, task, champion.version_id, PREVIOUS)
        versions.crown(clients, task, version)
        report(f"version {version} is the champion")
    if web is not None:
        web(version)
        report(f"the web app shows version {version}")


def _as_label(reason: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", reason.lower()).strip("-")[:63]
