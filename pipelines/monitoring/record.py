"""Keeps what a window came to: each answer of the champion, and the monitor's verdict, as rows that can be asked later."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments.clients import Clients
from pipelines.monitoring.traffic import Champion, window

if TYPE_CHECKING:
    from ml.drift.window import Answered

KEY = ("task", "version", "entity_id", "window_start")
STAMP = "written_at"


def answers(clients: Clients, task: str, served: Champion, start: str, end: str, rows: Sequence[Answered]) -> int:
    """Append a row for each thing that was asked, unless the window has it; the number of rows.

    What was asked twice is one row, and the content itself is not kept: its digest is the id that an example with the same
    content has, so that a label which comes later finds its prediction.

    Args:
        clients: clients of the environment.
        task: name of the task.
        served: the version that answered.
        start: first moment of the window, ISO 8601 with a time zone.
        end: the moment before which it ends.
        rows: what was asked and answered.
    """
    import pyarrow as pa

    from ml.data.rows import write
    from ml.features.table import append

    first, last = window(start, end)
    told = {entity: one.scores for one in rows if (entity := _entity(one.instance)) and one.scores}
    if not told:
        return 0
    labels = [max(scores, key=scores.__getitem__) for scores in told.values()]
    moment = pa.timestamp("us", tz="UTC")
    table = pa.table(
        {
            "task": [task] * len(told),
            "version": [served.version] * len(told),
            "entity_id": list(told),
            "label": labels,
            "confidence": pa.array([scores[label] for scores, label in zip(told.values(), labels, strict=True)], pa.float64()),
            "window_start": pa.array([first] * len(told), moment),
            "window_end": pa.array([last] * len(told), moment),
        }
    )
    with tempfile.TemporaryDirectory(prefix="answers-") as folder:
        write(table, Path(folder) / "answers.parquet")
        return append(clients.bigquery(), clients.names.table("predictions"), Path(folder) / "answers.parquet", KEY, STAMP).rows


def verdict(clients: Clients, task: str, drift: Mapping[str, Any]) -> None:
    """Add the verdict on a window, unless it is there: a step that runs again adds nothing.

    Args:
        clients: clients of the environment.
        task: name of the task.
        drift: content of `drift.json`.
    """
    from google.cloud.bigquery import QueryJobConfig, ScalarQueryParameter

    first, last = window(drift["start"], drift["end"])
    values = {
        "task": ("STRING", task),
        "event_id": ("STRING", drift["event_id"]),
        "version": ("STRING", drift["version"]),
        "status": ("STRING", drift["status"]),
        "reason": ("STRING", drift["reason"]),
        "p": ("FLOAT64", drift["p"]),
        "answers": ("INT64", drift["rows"]),
        "window_start": ("TIMESTAMP", first),
        "window_end": ("TIMESTAMP", last),
    }
    table = clients.names.table("verdicts")
    statement = f"""
        INSERT INTO `{table}` ({", ".join(values)}, {STAMP})
        SELECT {", ".join(f"@{name}" for name in values)}, CURRENT_TIMESTAMP()
        FROM (SELECT COUNT(*) AS known FROM `{table}` WHERE task = @task AND event_id = @event_id AND version = @version)
        WHERE known = 0
    """
    parameters = [ScalarQueryParameter(name, type_, value) for name, (type_, value) in values.items()]
    clients.bigquery().query(statement, job_config=QueryJobConfig(query_parameters=parameters)).result()


def _entity(instance: Any) -> str | None:
    """The id of what was asked; None where it is no content of ours."""
    from ml.data.rows import digest

    if isinstance(instance, str):
        return digest(instance)
    if not isinstance(instance, Mapping):
        return None
    if isinstance(text := instance.get("text"), str):
        return digest(text)
    try:
        return digest(base64.b64decode(instance["b64"], validate=True))
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
