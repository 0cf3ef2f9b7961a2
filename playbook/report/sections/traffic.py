"""The states of an endpoint's traffic in the order of time: who had what share, and what was learned under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from playbook.loop.node import SHARE
from playbook.loop.results import Result

State = dict[str, Any]


def history(result: Result, task: str) -> list[State]:
    """Each state with `began` (ISO 8601; null of what was before), `name`, `split` (version → percent) and `text` (what followed).

    A canary keeps when its steps began, also one of an earlier loop. While the Node server serves beside the first one is known
    from the loop's own record.
    """
    closed = result.closed[task]
    retrained = closed.retrained.documents.get("deploy", {}) if closed.retrained else {}
    states = [
        *_canary(retrained.get("steps", ()), "retrained", retrained.get("outcome", "")),
        *_canary((closed.rolled_back or {}).get("steps", ()), "changed artifact", (closed.rolled_back or {}).get("outcome", "")),
        *_node(result, task),
    ]
    states.sort(key=lambda state: str(state["began"]))
    return [*_before(states), *states]


def _canary(steps: Sequence[Mapping[str, Any]], name: str, outcome: str) -> Iterator[State]:
    for step in steps:
        champion, challenger = step["champion"], step["challenger"]
        versions = {champion["deployed_model"]: champion["version"], challenger["deployed_model"]: challenger["version"]}
        split = {versions[model]: share for model, share in step["split"].items()}
        # The champion first: it keeps its place and its colour from state to state.
        ordered = dict(sorted(split.items(), key=lambda item: item[0] != champion["version"]))
        decision = step["decision"]
        yield _state(_time(step["began"]), f"{name}: canary {step['share']} %", ordered, f"{decision['verdict']}: {decision['text']}")
    if steps:
        last = steps[-1]
        ended = _time(last["began"]) + timedelta(seconds=last["seconds"])
        promoted = outcome == "serving"
        alone = last["challenger" if promoted else "champion"]["version"]
        yield _state(ended, "promoted" if promoted else "rolled back", {alone: 100}, f"version {alone} serves alone")


def _node(result: Result, task: str) -> Iterator[State]:
    node, answers = result.closed[task].node, result.answers.get(task)
    step = next((step for step in result.record.steps if step.name == f"{task} · Node server"), None)
    if node is None or answers is None or step is None:
        return
    first, began = answers.model_version, datetime.fromtimestamp(result.record.began + step.started, UTC)
    said = (
        f"{node.requests['Node']} of {sum(node.requests.values())} requests by Node; {node.same} of {node.rows} rows with the "
        "Python server's label"
    )
    yield _state(began, "Node server beside", {first: 100 - SHARE, node.version: SHARE}, said)
    yield _state(began + timedelta(seconds=step.seconds), "Node server away", {first: 100}, f"version {first} serves alone")


def _before(states: Sequence[State]) -> Iterator[State]:
    """Where the first known state came from: its first version had everything."""
    if states:
        first = next(iter(states[0]["split"]))
        yield {"began": None, "name": "before", "split": {first: 100}, "text": f"version {first} serves alone"}


def _state(began: datetime, name: str, split: Mapping[str, int], said: str) -> State:
    return {"began": began.isoformat(timespec="seconds"), "name": name, "split": dict(split), "text": said}


def _time(written: str) -> datetime:
    return datetime.fromisoformat(written)
