"""Moves traffic to a challenger by steps, each of which must pass the gates; else all of it goes back to the champion.

What has been done is read from the endpoint (who is deployed, with what share) and from the registry (aliases, labels), so
whoever was killed in the middle is followed by a rerun that goes on, or back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from google.api_core.exceptions import FailedPrecondition, InternalServerError

from environments.clients import Clients
from serving.instances import batches
from serving.registry import versions
from serving.rollout import deployment
from serving.rollout.deployment import RolloutError
from serving.rollout.gates import Criteria, Decision, Figures, Reason, Window, judge
from serving.rollout.probing import Probe, ask

PLAN = (10, 50, 100)
"""Percent of the traffic that the challenger gets, step by step."""
VERDICT, REASON = "rollout", "rollout-reason"
"""Labels of a version that was rolled back."""
ROLLED_BACK = "rolled-back"


@dataclass(frozen=True)
class Step:
    """One step of a canary."""

    share: int
    """Percent of the traffic that the challenger had."""
    split: dict[str, int]
    """Deployed model id → percent."""
    began: str
    seconds: float
    champion: Figures
    challenger: Figures
    unattributed: int
    """Failed requests of which the answer does not say who failed; they are counted as the challenger's."""
    decision: Decision


@dataclass(frozen=True)
class Canary:
    """How a challenger fared."""

    champion: str
    """Version."""
    challenger: str
    outcome: Literal["passed", "rolled back"]
    """After `passed` the challenger has all traffic; the alias is not moved yet."""
    reason: Reason
    text: str
    steps: tuple[Step, ...]


def roll(
    clients: Clients,
    task: str,
    version: str,
    probe: Sequence[Probe],
    plan: Sequence[int] = PLAN,
    criteria: Criteria | None = None,
    report: Callable[[str], None] = print,
) -> Canary:
    """Take a challenger from no traffic to all of it, or back.

    Args:
        clients: clients of the environment.
        task: name of the task.
        version: version id of the challenger.
        probe: labelled rows that neither model has learned from.
        plan: percent of the traffic at each step; ends with 100.
        criteria: the gates' bounds.
        report: told each change when it has been made.

    Raises:
        RolloutError: when no champion serves, there is nothing to ask, or someone else moves the traffic meanwhile.
    """
    criteria = criteria or Criteria()
    requests = batches(probe, criteria.rows_per_request, lambda one: one.instance)
    if not requests:
        raise RolloutError(
            f"there are no labelled rows to ask {task} about, so a canary would prove nothing. The traffic stays as it is. Give test rows."
        )
    endpoint = deployment.endpoint(clients, task)
    champion = serving_champion(clients, task, endpoint)
    found = versions.find(clients, task, version)
    if champion is None or found is None or champion.model_version_id == version:
        raise RolloutError(
            f"version {version} of {task} cannot be compared: a canary needs a champion that serves and another version beside it. The "
            "traffic stays as it is. Release the first version without one: serving.rollout.promotion.release"
        )

    def back(reason: Reason, text: str, steps: Sequence[Step]) -> Canary:
        _back(clients, task, endpoint, champion, version, reason, report)
        return Canary(champion.model_version_id, version, "rolled back", reason, text, tuple(steps))

    if found.labels.get(VERDICT) == ROLLED_BACK:
        known = found.labels.get(REASON, "")
        return back(known, f"version {version} was rolled back before ({known}); remove its label {VERDICT!r} to try it again", ())
    if not endpoint.traffic_split:
        # Else Vertex AI would give all of it to the challenger as soon as it is deployed.
        endpoint.update(traffic_split={champion.id: 100})
    challenger = deployment.deployed(endpoint, clients.names.model_id(task), version)
    if challenger is None:
        try:
            challenger = deployment.start(clients, task, endpoint, version)
        except (FailedPrecondition, InternalServerError) as error:
            return back("did-not-start", f"version {version} did not start: {error.message}", ())
        report(f"version {version} is deployed beside the champion, without traffic")

    windows = {
        champion.id: Window(champion.id, champion.model_version_id),
        challenger.id: Window(challenger.id, version),
    }
    split = endpoint.traffic_split
    steps: list[Step] = []
    for share in _remaining(plan, split.get(challenger.id, 0)):
        split = _move(endpoint, split, {challenger.id: share, champion.id: 100 - share})
        report(f"version {version} has {share} % of the traffic")
        step = _observe(endpoint, share, split, windows[champion.id], windows[challenger.id], requests, criteria)
        steps.append(step)
        report(f"at {share} %: {step.decision.verdict}; {step.decision.text}")
        if step.decision.verdict == "refuse":
            return back(step.decision.reason, f"at {share} %: {step.decision.text}", steps)
    return Canary(champion.model_version_id, version, "passed", "", steps[-1].decision.text, tuple(steps))


def serving_champion(clients: Clients, task: str, endpoint: Any) -> Any | None:
    """The deployed model of the champion, if there is one."""
    crowned = versions.find(clients, task, versions.CHAMPION)
    return crowned and deployment.deployed(endpoint, clients.names.model_id(task), crowned.version_id)


def _remaining(plan: Sequence[int], share: int) -> Sequence[int]:
    """The steps that are left when the challenger has this share.

    The step that was cut off is done again, since what it saw is lost. From 100 % it goes a step back: latency is compared
    with the champion's, who must have traffic for it.
    """
    reached = [at for at, step in enumerate(plan) if step <= share and step < 100]
    return plan[reached[-1] if reached else 0 :]


def _move(endpoint: Any, before: dict[str, int], split: dict[str, int]) -> dict[str, int]:
    """Set the traffic split in one update; refuses when it is no longer what this rollout has left."""
    wanted = {key: share for key, share in split.items() if share}
    now = {key: share for key, share in endpoint.traffic_split.items() if share}
    if now != {key: share for key, share in before.items() if share}:
        raise RolloutError(
            f"the traffic of {endpoint.resource_name} is {now}, which is not what this rollout left ({before}): someone else moves it. "
            "It was left as it is. See which rollout is at work, and start this one again when that has ended."
        )
    if now != wanted:
        endpoint.update(traffic_split=wanted)
    return wanted


def _observe(
    endpoint: Any,
    share: int,
    split: dict[str, int],
    champion: Window,
    challenger: Window,
    requests: Sequence[Sequence[Probe]],
    criteria: Criteria,
) -> Step:
    """Send requests until the gates decide."""
    began = datetime.now(UTC)
    champion.next()
    challenger.next()
    unattributed, probes = 0, sum(map(len, requests))
    turns = itertools.cycle(requests)
    decision = Decision("go on", "", "")
    while decision.verdict == "go on":
        answer = ask(endpoint, _next(turns, len(requests), champion, challenger) if share < 100 else next(turns))
        if not answer.deployed_model:
            unattributed += 1
        (champion if answer.deployed_model == champion.deployed_model else challenger).add(answer)
        decision = judge(champion, challenger, probes, criteria)
    common = champion.right.keys() & challenger.right.keys()
    return Step(
        share,
        split,
        began.isoformat(timespec="milliseconds"),
        round((datetime.now(UTC) - began).total_seconds(), 3),
        champion.figures(common),
        challenger.figures(common),
        unattributed,
        decision,
    )


def _next(turns: Iterator[Sequence[Probe]], requests: int, champion: Window, challenger: Window) -> Sequence[Probe]:
    """The next request with a row that one of them has not answered yet, so that soon there are rows that both have."""
    batch = next(turns)
    for _ in range(requests):
        if any(row.id not in champion.right or row.id not in challenger.right for row in batch):
            break
        batch = next(turns)
    return batch


def _back(clients: Clients, task: str, endpoint: Any, champion: Any, version: str, reason: Reason, report: Callable[[str], None]) -> None:
    """All traffic to the champion, then the label, then the challenger's end: users first, the cheapest to repeat last."""
    if {key: share for key, share in endpoint.traffic_split.items() if share} != {champion.id: 100}:
        endpoint.update(traffic_split={champion.id: 100})
        report(f"all traffic is back with version {champion.model_version_id}")
    condemn(clients, task, version, reason)
    report(f"version {version} is labelled: {reason}")
    for one in endpoint.list_models():
        if one.id != champion.id:
            endpoint.undeploy(one.id)
            report(f"deployed model {one.id} is undeployed")


def condemn(clients: Clients, task: str, version: str, reason: str) -> None:
    """Label a version as rolled back, so that no rerun tries it again."""
    versions.label(clients, task, version, {VERDICT: ROLLED_BACK, REASON: reason})
