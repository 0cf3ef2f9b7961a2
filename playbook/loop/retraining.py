"""What follows an alert: the window's rows are labelled, one retraining starts, and its challenger takes over or not."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from pathlib import Path
from typing import Any

from environments import tasks
from environments.clients import Clients
from ml.drift.injection import Row
from pipelines import runs
from pipelines.retraining.events import Event
from playbook import PlaybookError
from playbook.loop import sabotage
from playbook.loop.ingest import Rows
from playbook.loop.memory import Memory
from playbook.loop.record import Record
from playbook.loop.training import follow

EPOCHS_OF_NONSENSE = 1
WAIT_SECONDS = 60.0
"""For an event to arrive."""


class RetrainingFailed(PlaybookError):
    """The second half of the loop did not do what it is there to show."""


class Consumer:
    """Starts a retraining for each event, as `python -m pipelines.retraining` does, while the loop runs.

    Args:
        clients: clients of the environment.
        waited: tasks whose retrainings are waited for.
    """

    def __init__(self, clients: Clients, waited: Iterable[str]) -> None:
        self._clients = clients
        self._jobs: dict[str, Future[Any]] = {task: Future() for task in waited}
        self._begun, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to pull; events that came before are waiting."""
        self._thread.start()
        self._begun.set()

    def _run(self) -> None:
        from pipelines.retraining.subscriber import pull

        try:
            while not self._ended.is_set():
                for job in pull(self._clients, report=lambda line: None):
                    if not (future := self._jobs[job.labels["task"]]).done():
                        future.set_result(job)
        except Exception as error:
            for future in self._jobs.values():
                if not future.done():
                    future.set_exception(error)

    def job(self, event: Event, told_before: bool) -> Any:
        """The retraining of an event, once it has arrived; before `start` there is none.

        Args:
            event: what the monitor published.
            told_before: in an earlier loop, which may have been killed with the message in its hands: it would come again late.

        Raises:
            RetrainingFailed: when the event does not arrive.
        """
        from pipelines.retraining.start import start

        self._begun.wait()
        if told_before:
            return start(self._clients, event)
        task = event.task
        try:
            return self._jobs[task].result(WAIT_SECONDS)
        except TookTooLong:
            raise RetrainingFailed(
                f"no event for {task} arrived within {WAIT_SECONDS:.0f} s, so nothing was retrained. The champion keeps the traffic. "
                "Look at the monitor's run and at the retraining subscription."
            ) from None

    def close(self) -> None:
        """Stop pulling."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()


def keep_labelled(clients: Clients, task: str, rows: Sequence[Row], scratch: Path, record: Record) -> str:
    """Put rows that people have labelled where a retraining finds them; their `gs://` address.

    Args:
        clients: clients of the environment.
        task: name of the task.
        rows: each with its true label.
        scratch: folder to write into.
        record: where the step is kept.
    """
    import hashlib

    import pyarrow as pa

    from ml.data.rows import digest, schema, write
    from pipelines.retraining.start import LABELLED

    with record.step(f"{task} · label the window") as outcome:
        table = [{"id": digest(row.content), "content": row.content, "label": row.label} for row in rows]
        keys = sorted(digest(row.content) for row in rows)
        path = scratch / "labelled.parquet"
        write(pa.Table.from_pylist(table, schema=schema(tasks().named(task).kind)), path)
        key = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
        blob = clients.storage().bucket(clients.names.bucket("raw")).blob(f"{task}/{LABELLED}/{key}.parquet")
        if blob.exists():
            outcome.status = "cached"
        else:
            blob.upload_from_filename(str(path))
        outcome.detail = f"{len(table)} rows of the shifted window"
    return f"gs://{blob.bucket.name}/{blob.name}"


def retrain(clients: Clients, event: Event, told_before: bool, consumer: Consumer, record: Record) -> runs.Run:
    """Follow the retraining of an event to its end; one that failed or was cut off in an earlier loop is started once more.

    Args:
        clients: clients of the environment.
        event: what the monitor published.
        told_before: in an earlier loop.
        consumer: starts its retraining.
        record: where the steps are kept.

    Raises:
        RetrainingFailed: when the event does not arrive.
        RunError: when the run failed, naming the step.
    """
    from pipelines.retraining.start import start

    job = consumer.job(event, told_before)
    if job.has_failed:
        job = start(clients, event, again=True)
    return follow(clients, job, f"{event.task} retrained", record)


def refuse_nonsense(clients: Clients, rows: Rows, trained: str, labelled: str, scratch: Path, record: Record) -> runs.Run:
    """Train a challenger on shuffled labels for one epoch: the gate must refuse it.

    Args:
        clients: clients of the environment.
        rows: rows of the task.
        trained: version that the training pipeline registered, whose place it wants.
        labelled: `gs://` address of the rows that were labelled later.
        scratch: folder to write into.
        record: where the steps are kept.

    Raises:
        RetrainingFailed: when the gate lets it through.
    """
    from pipelines.retraining.start import job_id, submit
    from serving.registry import versions

    task = rows.source.task.name
    champion = versions.find(clients, task, trained)
    if champion is None:
        raise RetrainingFailed(f"{task} has no champion, so there is nothing that a bad challenger could replace.")
    path = sabotage.mislabelled(rows.folder / "rows.parquet", scratch / "mislabelled.parquet")
    blob = clients.storage().bucket(clients.names.bucket("raw")).blob(f"{task}/mislabelled/{rows.dataset['digest']}.parquet")
    if not blob.exists():
        blob.upload_from_filename(str(path))
    event = Event(f"mislabelled {champion.version_id} {rows.dataset['digest']}", task)
    # Before the champion's features were written, which know the true labels and would put the shuffled ones right.
    unknown = champion.version_create_time.isoformat()
    address = f"gs://{blob.bucket.name}/{blob.name}"
    for attempt in itertools.count(1):
        # Under its id a run is found again; one that was cut off is followed by another.
        job = submit(clients, event, job_id(clients, event, attempt), address, False, [labelled], unknown, champion.uri, EPOCHS_OF_NONSENSE)
        if not (job.done() and job.has_failed):
            break
    run = follow(clients, job, f"{task} mislabelled", record)
    if run.documents["gate"]["passed"]:
        raise RetrainingFailed(f"the gate of {task} let a challenger through that learned from shuffled labels: {run.job}. Mend it.")
    return run


def roll_back_permuted(clients: Clients, rows: Rows, trained: str, memory: Memory, scratch: Path, record: Record) -> dict[str, Any]:
    """Release an artifact that was changed after it had been measured: the canary must send it back.

    Args:
        clients: clients of the environment.
        rows: rows of the task, with the frozen ones to probe with.
        trained: version that the training pipeline registered, of which it is a copy.
        memory: where a rerun finds what was done: a version that was rolled back is not tried again.
        scratch: folder to write into.
        record: where the step is kept.

    Returns:
        The rollout, as `serving.rollout.promotion.Rollout` says it.

    Raises:
        RetrainingFailed: when it takes the champion's place.
    """
    from dataclasses import asdict

    from serving.rollout.probing import probes
    from serving.rollout.promotion import release

    task = rows.source.task.name
    with record.step(f"{task} permuted · canary") as outcome:
        page = memory.page("permuted", task, trained)
        if (before := page.read()) is not None:
            outcome.status, outcome.detail = "cached", "rolled back before"
            found: dict[str, Any] = before
            return found
        version = sabotage.permuted(clients, task, trained, scratch / "permuted")
        done = release(clients, task, version, probes(rows.split_table), report=lambda line: None)
        if done.outcome != "rolled back":
            raise RetrainingFailed(f"version {version} of {task} answers with permuted classes and serves: {done}. Mend the canary.")
        outcome.detail = f"version {version} ROLLED BACK: {done.text}"
        found = asdict(done)
        page.write(found)
    return found
