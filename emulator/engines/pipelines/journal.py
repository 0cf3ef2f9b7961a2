"""What the tasks of a run have come to, kept until it ends: after a kill the run goes on from there, and no step that ended runs again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from emulator.engines.pipelines.tasks import CONTAINER, FINAL, Task, Values
from emulator.store import Store

Json = dict[str, Any]

FIELDS = ("id", "state", "created", "started", "ended", "history", "error", "used")


class Journal:
    """The tasks of one run by their paths.

    Args:
        store: Holds it.
        job: `projects/P/locations/L/pipelineJobs/J`.
    """

    def __init__(self, store: Store, job: str) -> None:
        self._kept = store.of("pipelines.journal")
        self._job = job

    def write(self, task: Task) -> None:
        """Keeps a task that runs, or a step that has ended; a nested pipeline is worked through again, and finds its steps here."""
        if task.state != "RUNNING" and (task.kind != CONTAINER or task.state == "CANCELLED"):
            return
        kept = {field: getattr(task, field) for field in FIELDS}
        self._kept.put(
            self._name(task), "Task", {**kept, "kind": task.kind, "inputs": asdict(task.inputs), "outputs": asdict(task.outputs)}
        )

    def restore(self, task: Task) -> None:
        """Gives a task what it had come to before a kill: all of a step that had ended, of another its identity and its first start."""
        kept = self._kept.get(self._name(task))
        if kept is None:
            return
        task.id, task.created, task.started = kept["id"], kept["created"], kept["started"]
        task.history = [(moment, state) for moment, state in kept["history"]]
        if kept["state"] in FINAL:
            task.kind, task.state, task.ended, task.error, task.used = (kept[key] for key in ("kind", "state", "ended", "error", "used"))
            task.inputs, task.outputs = Values(**kept["inputs"]), Values(**kept["outputs"])

    def forget(self) -> None:
        """Forgets the run."""
        self._kept.delete(self._job)

    def _name(self, task: Task) -> str:
        return f"{self._job}/{task.path or '.'}"
