"""Live traffic, and whether the monitor is right about it: silent about rows like those before, loud about shifted ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from environments.clients import TIMEOUT_SECONDS, Clients
from ml.drift.injection import Row, another_domain, pictures, typing_errors
from pipelines import runs
from playbook import STATE, PlaybookError
from playbook.loop.ingest import Rows
from playbook.loop.memory import Memory, Page
from playbook.loop.predict import ROWS_PER_REQUEST, fitting
from playbook.loop.record import Record
from playbook.loop.training import follow
from serving.instances import batches, instance

Kind = Literal["control", "shifted"]

ROWS: dict[Kind, int] = {"control": 300, "shifted": 600}
SHARE = 0.5
"""Of the shifted window's rows."""
SEED = 20
CORRUPTION = "inversion"
NEIGHBOUR = "product-reviews"
"""The other domain that a declared text data set brings along."""


class MonitorFailed(PlaybookError):
    """The monitor is silent where it must not be, or the other way round."""


@dataclass(frozen=True)
class Window:
    """Traffic that was sent."""

    kind: Kind
    start: str
    """ISO 8601, UTC."""
    end: str
    rows: int
    shift: str
    """What was changed; empty in the control window."""
    version: str
    """The model version that answered."""
    job: str = ""
    """The monitor's run over it, once there is one."""


@dataclass(frozen=True)
class Sent:
    """A window that was sent, with its rows."""

    window: Window
    rows: Sequence[Row]
    page: Page
    """Where a rerun finds the window."""


def send(clients: Clients, rows: Rows, kind: Kind, version: str, memory: Memory, record: Record) -> Sent:
    """Send a window through the endpoint, unless it was sent to this version before.

    Args:
        clients: clients of the environment.
        rows: rows of the task.
        kind: which window.
        version: the version that serves.
        memory: where a rerun finds what was sent.
        record: where the step is kept.
    """
    task = rows.source.task.name
    content, shift = _rows(rows, kind)
    page = memory.page(kind, task, version)
    with record.step(f"{task} · {kind} traffic") as outcome:
        if (before := page.read()) is not None:
            outcome.status, window = "cached", Window(**before)
        else:
            endpoint = clients.vertex().Endpoint(clients.names.endpoint(task))
            start = datetime.now(UTC)
            for batch in batches(content, ROWS_PER_REQUEST, lambda row: instance(row.content)):
                endpoint.predict(instances=[instance(row.content) for row in batch], timeout=TIMEOUT_SECONDS)
            window = Window(kind, start.isoformat(), datetime.now(UTC).isoformat(), len(content), shift, version)
            page.write(asdict(window))
        outcome.detail = f"{window.rows} rows" + (f", half of them changed: {window.shift}" if window.shift else ", as they come")
    return Sent(window, content, page)


def watch(clients: Clients, task: str, sent: Sent, record: Record) -> runs.Run:
    """Run the monitor over a window, unless it was; its run, with the verdict in the document of `monitor`.

    Raises:
        MonitorFailed: when the control window alarms, or the shifted one does not.
    """
    from pipelines.monitoring.start import submit

    window, job = sent.window, None
    if window.job:
        job = clients.vertex().PipelineJob.get(window.job)
    if job is None or job.has_failed:
        job = submit(clients, task, window.start, window.end)
        sent.page.write(asdict(replace(window, job=job.resource_name)))
    run = follow(clients, job, f"{task} {window.kind}", record)
    status = run.documents["monitor"]["status"]
    wrong = {"control": status == "shifted", "shifted": status == "silent"}[window.kind]
    if wrong:
        raise MonitorFailed(
            f"the monitor of {task} calls the {window.kind} window {status}: {run.documents['monitor']['reason']}. The loop does not "
            "close. Look at drift.json of its run."
        )
    return run


def _rows(rows: Rows, kind: Kind) -> tuple[list[Row], str]:
    """The window's rows, from the two ends of the frozen ones, which no model has learned from; and how they were changed."""
    frozen = [Row(row["content"], row["label"]) for row in fitting(rows.frozen(), rows.source.task.name)]
    if kind == "control":
        return frozen[-ROWS[kind] :], ""
    window = frozen[: ROWS[kind]]
    if rows.source.task.kind == "image_classification":
        return pictures(window, CORRUPTION, SHARE, SEED), CORRUPTION
    if rows.source.own:
        return typing_errors(window, SHARE, SEED), "typing errors"
    return another_domain(window, _neighbours(rows), SHARE, SEED), NEIGHBOUR


def _neighbours(rows: Rows) -> Sequence[Row]:
    from ml.data.sources import DATASETS, fetched, neighbour

    folder = fetched(DATASETS[rows.source.place], STATE / "data")
    known = set(rows.dataset["classes"])
    return [Row(text, label) for _, text, label in neighbour(NEIGHBOUR, folder) if label in known]
