"""Runs the training pipeline of every task and shows each step as it ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from environments.clients import Clients
from pipelines import runs
from playbook.loop.record import Record, Status, Step

AT_ONCE = 2
LABELS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "ingest": lambda d: ", ".join(f"{d['counts'][name]:,} {name}" for name in ("train", "validation", "test")) + " rows",
    "label": lambda d: f"Gemini: {d['accepted']} of {d['rows']} accepted, agreement {shown(d['agreement'])}",
    "evaluate": lambda d: f"accuracy {d['accuracy']:.3f} on {d['rows']:,} frozen rows, majority class {d['majority_accuracy']:.3f}",
    "register": lambda d: f"version {d['version']}" + ("" if d["created"] else ", which the registry held already"),
    "gate": lambda d: ("passed: " if d["passed"] else "REFUSED: ") + "; ".join(d["reasons"]),
    "deploy": lambda d: f"deployed model {d['deployed_model']} has all traffic",
}
"""Step → its numbers in one line, from the document that it wrote."""


@dataclass(frozen=True)
class Submission:
    """What one task's pipeline is asked to do."""

    task: str
    rows_uri: str
    declared: bool


@dataclass
class _Running:
    job: Any
    shown: set[str] = field(default_factory=set)


def train(clients: Clients, submissions: list[Submission], record: Record) -> dict[str, runs.Run]:
    """Run the pipelines, `AT_ONCE` at a time; the finished runs by task.

    Raises:
        RunError: when a run failed; the others were waited for.
    """
    from pipelines.submit import submit

    waiting = deque(submissions)
    running: dict[str, _Running] = {}
    finished: dict[str, runs.Run] = {}
    began = time.monotonic()
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            next_ = waiting.popleft()
            running[next_.task] = _Running(submit(clients, next_.task, next_.rows_uri, next_.declared))
        for task, run in list(running.items()):
            done = run.job.done()
            _show(clients, task, run, record)
            if done:
                del running[task]
                finished[task] = runs.read(clients, run.job)
        # Often at first, when steps take seconds; rarely when they take hours.
        time.sleep(min(10.0, max(0.2, (time.monotonic() - began) / 50)) if running else 0)
    return {task: runs.succeeded(run) for task, run in finished.items()}


def _show(clients: Clients, task: str, run: _Running, record: Record) -> None:
    for step in runs.steps(run.job):
        if step.ended and step.name not in run.shown:
            run.shown.add(step.name)
            detail = _detail(clients, run.job, step)
            started = step.started.timestamp() - record.began if step.started else record.elapsed
            record.add(Step(f"{task} · {step.name}", _status(step), max(0.0, started), step.seconds, detail))


def _status(step: runs.Step) -> Status:
    if step.cached:
        return "cached"
    return {"SUCCEEDED": "done", "NOT_TRIGGERED": "skipped"}.get(step.state, "failed")  # type: ignore[return-value]


def _detail(clients: Clients, job: Any, step: runs.Step) -> str:
    if step.error:
        return step.error.strip().splitlines()[-1]
    if step.state not in ("SUCCEEDED", "SKIPPED") or step.name not in LABELS:
        return ""
    return LABELS[step.name](runs.document(clients, job, step.name))


def shown(ratio: float | None) -> str:
    """A ratio, or that there is none: agreement over no rows is no number."""
    return "none" if ratio is None else f"{ratio:.3f}"
