"""Starts the retraining of an event: once, however often the event comes."""

import contextlib
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from google.api_core.exceptions import AlreadyExists, NotFound

from environments.clients import Clients
from pipelines.definitions import retraining
from pipelines.retraining.events import Event
from pipelines.submit import compiled
from pipelines.submit import start as start_run
from serving.registry import origin, versions

LABELLED = "labelled"
"""Folder in the raw bucket, below the task's, for rows that were labelled after the champion's: `<task>/labelled/**/*.parquet`."""


class RetrainingError(Exception):
    """A retraining cannot start; the message is complete and meant for people."""


def start(clients: Clients, event: Event, again: bool = False) -> Any:
    """The run of an event, which is started unless there is one already, whatever became of it.

    The run's id follows from the event's, so of two that start it at the same time one is refused by Vertex AI, and joins.

    Args:
        clients: clients of the environment.
        event: what a monitor published.
        again: start another run when the last one has failed; for whoever has mended the cause.

    Returns:
        The `google.cloud.aiplatform.PipelineJob`.

    Raises:
        RetrainingError: when no champion serves, it is not known what it has learned from, or nothing was labelled since.
    """
    attempts = _attempts(clients, event)
    if attempts and not (again and attempts[-1].has_failed):
        return attempts[-1]
    name = job_id(clients, event, len(attempts) + 1)
    champion = versions.find(clients, event.task, versions.CHAMPION)
    if champion is None:
        raise RetrainingError(f"{event.task} has no champion, so there is nothing to retrain. Run the training pipeline first.")
    learned = origin.read(clients, champion.uri)
    if learned is None:
        raise RetrainingError(
            f"{champion.uri} holds no {origin.NAME}: what version {champion.version_id} has learned from is not known, so no challenger "
            "can be compared on the same frozen rows. Nothing was started. Register champions by the training pipeline."
        )
    labelled = sorted({*learned.labelled, *_labelled(clients, event.task)})
    if not labelled:
        raise RetrainingError(
            f"nothing lies below {clients.names.uri('raw', event.task, LABELLED)}/, so a challenger would learn what the champion knows. "
            "Nothing was started. Put labelled rows there."
        )
    # A second attempt sees what the first one saw, so that what this has finished comes from the cache.
    first = attempts[0].gca_resource.runtime_config.parameter_values["known_at"] if attempts else datetime.now(UTC).isoformat()
    return submit(clients, event, name, learned.rows, learned.declared, labelled, first, champion.uri)


def submit(
    clients: Clients,
    event: Event,
    job_id: str,
    rows_uri: str,
    declared: bool,
    labelled: Sequence[str],
    known_at: str,
    champion_uri: str,
    epochs: int = 0,
) -> Any:
    """Submit the retraining pipeline under this id, or return the run that has it.

    Args:
        clients: clients of the environment.
        event: for which event.
        job_id: id of the run.
        rows_uri: the raw rows, of which the frozen test rows are a part.
        declared: whether they are the task's declared data set.
        labelled: tables of rows that were labelled later.
        known_at: ISO 8601 with a time zone; labels that were put right later do not count.
        champion_uri: artifact folder of the champion.
        epochs: how long the challenger learns; 0 leaves it to the task's recipe.
    """
    inputs = {
        "rows_uri": rows_uri,
        "declared": declared,
        "labelled": list(labelled),
        "known_at": known_at,
        "champion_uri": champion_uri,
        "epochs": epochs,
    }
    with compiled(clients, retraining) as template:
        try:
            return start_run(clients, retraining, template, job_id, event.task, inputs, {"event": digest(event)})
        except AlreadyExists:
            return clients.vertex().PipelineJob.get(f"{clients.names.location}/pipelineJobs/{job_id}")


def job_id(clients: Clients, event: Event, attempt: int = 1) -> str:
    """The id of an event's run."""
    first = f"{clients.names.name(f'{retraining.NAME}-{event.task}')}-{digest(event)}"
    return first if attempt == 1 else f"{first}-{attempt}"


def digest(event: Event) -> str:
    """The event's id in a form that fits ids and labels, whatever a publisher chose."""
    return hashlib.sha256(f"{event.task} {event.id}".encode()).hexdigest()[:16]


def _attempts(clients: Clients, event: Event) -> list[Any]:
    """The runs that there are of an event, oldest first."""
    found: list[Any] = []
    with contextlib.suppress(NotFound):
        while True:
            name = job_id(clients, event, len(found) + 1)
            found.append(clients.vertex().PipelineJob.get(f"{clients.names.location}/pipelineJobs/{name}"))
    return found


def _labelled(clients: Clients, task: str) -> list[str]:
    bucket = clients.names.bucket("raw")
    found = clients.storage().list_blobs(bucket, prefix=f"{task}/{LABELLED}/")
    return [f"gs://{bucket}/{blob.name}" for blob in found if blob.name.endswith(".parquet")]
