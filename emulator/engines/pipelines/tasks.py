"""What is known of a task while it runs and after: the source of PipelineTaskDetail and of its lineage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emulator.clock import now, number

Json = dict[str, Any]

SUCCESSFUL = ("SUCCEEDED", "SKIPPED")
CONTAINER = "system.ContainerExecution"
FINAL = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELLED", "NOT_TRIGGERED")


class TaskFailed(Exception):
    """A task, or a task below it, failed."""


class TaskCancelled(Exception):
    """A task, or a task below it, was cancelled."""


@dataclass
class Values:
    """Parameters and artifacts by name: the inputs or the outputs of a task."""

    parameters: Json = field(default_factory=dict)
    artifacts: dict[str, list[Json]] = field(default_factory=dict)
    """Each artifact as KFP's RuntimeArtifact: name, type, uri, metadata."""


@dataclass(eq=False)
class Task:
    """One node of a running pipeline: a step, a nested pipeline, a loop or one turn of it."""

    name: str
    parent: Task | None = None
    exits: bool = False
    """It belongs to an exit handler, and so runs after a failure and after a cancellation."""
    kind: str = "system.DagExecution"
    id: str = field(default_factory=number)
    state: str = "PENDING"
    created: str = field(default_factory=now)
    started: str = ""
    ended: str = ""
    history: list[tuple[str, str]] = field(default_factory=list)
    error: str = ""
    inputs: Values = field(default_factory=Values)
    outputs: Values = field(default_factory=Values)
    used: Json = field(default_factory=dict)
    """Seconds, CPU seconds, peak memory and attempts of its process."""

    @property
    def path(self) -> str:
        """Names from the outermost task inwards, `for-loop-1.for-loop-1-0.train`; empty for the pipeline itself."""
        if self.parent is None:
            return ""
        return f"{self.parent.path}.{self.name}".lstrip(".")

    def become(self, state: str, error: str = "") -> None:
        """Enter `state` now."""
        moment = now()
        self.state = state
        self.error = error or self.error
        self.history.append((moment, state))
        if state == "RUNNING" and not self.started:
            self.started = moment
        if state in FINAL:
            self.started = self.started or moment
            self.ended = moment
