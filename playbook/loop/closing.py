"""The second half of the loop: other engines, live traffic, drift, one retraining with its canary, and two challengers that must fail."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from environments.clients import Clients
from pipelines.retraining.events import Event
from pipelines.runs import Run
from playbook.loop import node, retraining, watching
from playbook.loop.beside import beside
from playbook.loop.ingest import Rows
from playbook.loop.memory import Memory
from playbook.loop.node import Shared
from playbook.loop.predict import Answers
from playbook.loop.record import Record
from playbook.loop.watching import Kind, Window

Sabotage = Literal["mislabelled", "permuted"]


def shared_out(tasks: Sequence[str]) -> dict[str, tuple[Sabotage, ...]]:
    """The bad challengers of each task: each kind comes once in a loop, since a gate is the same for every task."""
    kinds: dict[str, tuple[Sabotage, ...]] = dict.fromkeys(tasks, ())
    for at, kind in enumerate(get_args(Sabotage)):
        kinds[tasks[at % len(tasks)]] += (kind,)
    return kinds


@dataclass
class Closed:
    """How the loop of one task closed, as far as it went."""

    sabotage: tuple[Sabotage, ...]
    """The bad challengers that this task must fend off."""
    node: Shared | None = None
    """What the Node server answered beside the Python server."""
    windows: dict[Kind, Window] = field(default_factory=dict)
    watched: dict[Kind, Run] = field(default_factory=dict)
    retrained: Run | None = None
    refused: Run | None = None
    """The challenger that learned from shuffled labels."""
    rolled_back: dict[str, Any] | None = None
    """The rollout of the artifact that was changed after it had been measured."""
    skipped: str = ""
    """Why nothing was retrained, where that is as it should be."""

    @property
    def whole(self) -> bool:
        """Whether everything happened that should."""
        fended = {"mislabelled": self.refused, "permuted": self.rolled_back}
        return bool(self.retrained or self.skipped) and all(fended[one] is not None for one in self.sabotage)


@dataclass(frozen=True)
class Served:
    """A model that passed its gate and has answered."""

    clients: Clients
    rows: Rows
    uploaded: str
    """`gs://` address of the raw rows."""
    version: str
    """The version that the training pipeline registered."""
    answers: Answers
    converted: str
    """`gs://` address of the converted model of the version that answered."""


def close(served: Served, consumer: retraining.Consumer, memory: Memory, record: Record, closed: Closed) -> None:
    """Take a served model through a second server, drift, retraining and rollout.

    Args:
        served: the model.
        consumer: starts the retraining of an event.
        memory: where a rerun finds what was done.
        record: where the steps are kept.
        closed: filled as it goes.
    """
    clients, rows = served.clients, served.rows
    task = rows.source.task.name
    closed.node = node.serve(clients, task, served.version, served.answers, served.converted, memory, record)
    sent = {kind: watching.send(clients, rows, kind, served.version, memory, record) for kind in watching.ROWS}
    closed.windows = {kind: one.window for kind, one in sent.items()}
    with tempfile.TemporaryDirectory(prefix="loop-") as folder:
        scratch = Path(folder)
        # Before the monitor looks: its event starts a retraining at once, which needs something new to learn from.
        labelled = retraining.keep_labelled(clients, task, [row for row in sent["shifted"].rows if row.changed], scratch, record)
        told_before = bool(sent["shifted"].window.job)
        # Side by side: what learns nonsense never gets as far as the endpoint, and a monitor only reads.
        refused = partial(retraining.refuse_nonsense, clients, rows, served.version, labelled, scratch, record)
        nonsense = beside(refused) if "mislabelled" in closed.sabotage else None
        control = beside(partial(watching.watch, clients, task, sent["control"], record))
        if "permuted" in closed.sabotage:
            # Before the event of the shifted window: a retraining has a canary of its own on the same endpoint.
            closed.rolled_back = retraining.roll_back_permuted(clients, rows, served.version, memory, scratch, record)
        shifted = watching.watch(clients, task, sent["shifted"], record)
        closed.watched = {"control": control.result(), "shifted": shifted}
        drift = shifted.documents["monitor"]
        if drift["status"] == "shifted":
            closed.retrained = retraining.retrain(clients, Event(drift["event_id"], task), told_before, consumer, record)
        else:
            closed.skipped = drift["reason"]
        closed.refused = nonsense.result() if nonsense else None
