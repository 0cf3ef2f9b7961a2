"""Runs the training pipeline of a task and shows each step as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from environments.clients import Clients
from pipelines import runs
from playbook.loop.record import Record, Status, Step

LABELS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "ingest": lambda d: ", ".join(f"{d['counts'][name]:,} {name}" for name in ("train", "validation", "test")) + " rows",
    "label": lambda d: f"Gemini: {d['accepted']} of {d['rows']} accepted, agreement {shown(d['agreement'])}",
    "evaluate": lambda d: f"accuracy {d['accuracy']:.3f} on {d['rows']:,} frozen rows, majority class {d['majority_accuracy']:.3f}",
    "features": lambda d: f"{', '.join(d['features'])} of {d['rows']:,} rows",
    "register": lambda d: f"version {d['version']}" + ("" if d["created"] else ", which the registry held already"),
    "gate": lambda d: ("passed: " if d["passed"] else "REFUSED: ") + "; ".join(d["reasons"]),
    "join": lambda d: f"{d['new']:,} new rows beside {d['frozen']:,} frozen ones, {d['corrected']:,} of which have another label now",
    "compare": lambda d: "; ".join(f"{part} rows {d[part]['difference']:+.3f}, {d[part]['verdict']}" for part in ("frozen", "new")),
    "deploy": lambda d: (
        f"deployed model {d['deployed_model']} has all traffic" if d["outcome"] == "serving" else f"{d['outcome'].upper()}: {d['text']}"
    ),
    "monitor": lambda d: f"{d['status'].upper()}: {d['reason']}",
    "alert": lambda d: f"event {d['messages']['retraining']} to the retraining topic" if d["messages"] else "no event",
    "write-features": lambda d: f"{d['rows']:,} rows appended, {d['entities']:,} entities" + (", synchronised" if d["online"] else ""),
}
"""Step → its numbers in one line, from the document that it wrote."""


def train(clients: Clients, task: str, rows_uri: str, declared: bool, record: Record) -> runs.Run:
    """Run the pipeline of a task to its end.

    Args:
        clients: clients of the environment.
        task: name of the task.
        rows_uri: `gs://` address of its raw rows.
        declared: whether they are the task's declared data set.
        record: where its steps are kept.

    Raises:
        RunError: when the run failed, naming the step.
    """
    from pipelines.submit import submit

    return follow(clients, submit(clients, task, rows_uri, declared), task, record)


def follow(clients: Clients, job: Any, lane: str, record: Record) -> runs.Run:
    """Show each step of a run as it ends; the finished run.

    Args:
        clients: clients of the environment.
        job: an `aiplatform.PipelineJob`.
        lane: what its steps are called after.
        record: where they are kept.

    Raises:
        RunError: when the run failed, naming the step.
    """
    shown: set[str] = set()
    began = time.monotonic()
    while True:
        for step in runs.steps(job):
            if step.ended and step.name not in shown:
                shown.add(step.name)
                record.add(_entry(clients, job, lane, step, record))
        if runs.state(job) not in runs.RUNNING:
            return runs.succeeded(runs.read(clients, job))
        # Often at first, when steps take seconds; rarely when they take hours.
        time.sleep(min(10.0, max(0.4, (time.monotonic() - began) / 50)))


def _entry(clients: Clients, job: Any, lane: str, step: runs.Step, record: Record) -> Step:
    started = step.started.timestamp() - record.began if step.started else record.elapsed
    if started < 0 and step.ended:  # of a run that an earlier loop has started
        return Step(f"{lane} · {step.name}", "cached", record.elapsed, 0.0, _detail(clients, job, step))
    return Step(f"{lane} · {step.name}", _status(step), max(0.0, started), step.seconds, _detail(clients, job, step))


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
