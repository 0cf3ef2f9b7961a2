"""The champion's traffic, from the request-response log of its endpoint, and what it is held against."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import NotFound

from environments.clients import Clients
from serving.registry import versions
from serving.rollout.deployment import endpoint

if TYPE_CHECKING:
    from ml.drift.window import Answered

ROWS = 2000
"""Of a window at most. Requests come in the order of a digest, so the first are a random sample, the same every time."""
NEEDED = ("embedding.tflite", "preprocessing.json", "baseline/baseline.json", "baseline/reference.npz")
"""Of a model folder, to judge its traffic."""


class MonitoringError(Exception):
    """Traffic cannot be judged; the message is complete and meant for people."""


@dataclass(frozen=True)
class Champion:
    """The version whose traffic is judged."""

    version: str
    uri: str
    deployed_models: tuple[str, ...]
    """Their ids on the endpoint. What other versions answered, in a canary for example, is not its traffic."""


def champion(clients: Clients, task: str) -> Champion:
    """The task's champion as it serves now.

    Raises:
        MonitoringError: when there is none.
    """
    found = versions.find(clients, task, versions.CHAMPION)
    if found is None:
        raise MonitoringError(f"{task} has no champion, so there is no traffic to judge. Run the training pipeline first.")
    # Google answers with the project's number where names have its id, so only the last part of the model's name is compared.
    model = f"/models/{clients.names.model_id(task)}"
    listed = [one for one in endpoint(clients, task).list_models() if one.model.partition("@")[0].endswith(model)]
    ids = [one.id for one in listed if one.model_version_id == found.version_id]
    return Champion(found.version_id, found.uri, tuple(sorted(ids)))


def fetch(clients: Clients, uri: str, out: Path) -> None:
    """Copy what a detection needs of the model folder `uri` into `out`.

    Raises:
        MonitoringError: when the version was registered without a baseline.
    """
    from google.cloud.storage import Blob

    client = clients.storage()
    for name in NEEDED:
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            Blob.from_uri(f"{uri}/{name}", client=client).download_to_filename(str(path))
        except NotFound:
            raise MonitoringError(
                f"{uri} holds no {name}: the version was registered without a baseline, so its traffic cannot be judged. Nothing was "
                "compared. Train a new version by the training pipeline."
            ) from None


def read(clients: Clients, task: str, served: Champion, start: str, end: str) -> list[Answered]:
    """What the champion was asked and answered from `start` to before `end` (ISO 8601 with a time zone), at most `ROWS` rows.

    Vertex AI brings its log to BigQuery within minutes: what was asked last may not be there yet.

    Raises:
        MonitoringError: when the times are no window.
    """
    from google.cloud import bigquery

    first, last = window(start, end)
    table = f"{clients.names.project}.{clients.names.dataset}.{clients.names.requests_table(task)}"
    parameters = [
        bigquery.ScalarQueryParameter("start", "TIMESTAMP", first),
        bigquery.ScalarQueryParameter("end", "TIMESTAMP", last),
        bigquery.ArrayQueryParameter("deployed", "STRING", list(served.deployed_models)),
    ]
    query = f"""
        SELECT request_payload, response_payload FROM `{table}`
        WHERE logging_time >= @start AND logging_time < @end AND deployed_model_id IN UNNEST(@deployed)
        ORDER BY MD5(CAST(request_id AS STRING)) LIMIT {ROWS}
    """
    try:
        requests = clients.bigquery().query(query, job_config=bigquery.QueryJobConfig(query_parameters=parameters)).result(page_size=100)
    except NotFound:
        # Vertex AI makes the table with the first request that it logs.
        return []
    rows: list[Answered] = []
    for request in requests:
        rows += _answered(request["request_payload"], request["response_payload"])
        if len(rows) >= ROWS:
            break
    return rows[:ROWS]


def window(start: str, end: str) -> tuple[datetime, datetime]:
    """First moment of a window and the moment before which it ends, from ISO 8601 with a time zone.

    Raises:
        MonitoringError: when the two are no window.
    """
    first, last = moment(start), moment(end)
    if first >= last:
        raise MonitoringError(f"the window from {start} to {end} is empty. Nothing was read. Give a start that lies before the end.")
    return first, last


def moment(text: str) -> datetime:
    """A moment, in UTC, from ISO 8601 with a time zone.

    Raises:
        MonitoringError: when the text is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 2000 <= found.year < 3000:
        raise MonitoringError(
            f"{text!r} is no moment of this millennium with a time zone. Nothing was read. Write it like 2026-01-31T08:00:00+00:00."
        )
    return found.astimezone(UTC)


def _answered(requests: list[str], responses: list[str]) -> Iterator[Answered]:
    """Rows of one logged request; nothing where it was not answered, or not by our contract."""
    from ml.drift.window import Answered

    instances, predictions = _items(requests, "instances"), _items(responses, "predictions")
    if len(instances) != len(predictions):
        return
    for instance, prediction in zip(instances, predictions, strict=True):
        if isinstance(prediction, dict) and isinstance(prediction.get("scores"), dict):
            yield Answered(instance, prediction["scores"])


def _items(payloads: list[str], key: str) -> list[Any]:
    """Instances or predictions: each a string of JSON, or together in the one string of a raw request's body."""
    found: list[Any] = []
    for payload in payloads:
        try:
            item = json.loads(payload)
        except ValueError:
            item = payload
        whole = item.get(key) if isinstance(item, dict) else None
        found += whole if isinstance(whole, list) else [item]
    return found
