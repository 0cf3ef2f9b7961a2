"""Request–response logging of endpoints: what was asked and answered, as rows of a BigQuery table.

A prediction waits for one write to the store, not for BigQuery; rows reach their table many at a time, and each once, also after a kill.
https://cloud.google.com/vertex-ai/docs/predictions/online-prediction-logging
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import now

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

PENDING = "logged-requests"
PAUSE_SECONDS = 0.25
TABLE = "request_response_logging"
"""Where the destination names no table."""
FIELDS = [
    {"name": "endpoint", "type": "STRING", "mode": "NULLABLE"},
    {"name": "deployed_model_id", "type": "STRING", "mode": "NULLABLE"},
    {"name": "logging_time", "type": "TIMESTAMP", "mode": "NULLABLE"},
    {"name": "request_id", "type": "NUMERIC", "mode": "NULLABLE"},
    {"name": "request_payload", "type": "STRING", "mode": "REPEATED"},
    {"name": "response_payload", "type": "STRING", "mode": "REPEATED"},
]
"""Each instance and each prediction is a string of JSON of its own; a raw body is one string."""


class RequestLog:
    """Rows on their way to BigQuery."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._kept = cloud.store.of(PENDING)
        self._writing = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None
        self._waiting = bool(self._kept.list())
        self._left_over = self._waiting
        # Made here so that it is closed after the last flush.
        self._bigquery = cloud.bigquery
        cloud.at_end(self._end)

    def add(self, endpoint: Json, deployed_id: str, requests: list[str], responses: list[str]) -> None:
        """Logs one request, if its endpoint logs and the sample takes it."""
        configuration = endpoint.get("predictRequestResponseLoggingConfig", {})
        if not configuration.get("enabled") or random.random() >= configuration.get("samplingRate", 1.0):
            return
        request_id = str(time.time_ns())
        row = {
            "endpoint": endpoint["name"].rpartition("/")[2],
            "deployed_model_id": deployed_id,
            "logging_time": now(),
            "request_id": request_id,
            "request_payload": requests,
            "response_payload": responses,
        }
        self._kept.put(request_id, "Row", {"table": destination(endpoint), "row": row})
        self._waiting = True
        if self._later is None or self._later.done():
            self._later = asyncio.ensure_future(self._soon())

    async def _soon(self) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        await self.flush()

    async def flush(self) -> None:
        """Brings what waits into its tables: whoever reads a table sees every request that was answered before."""
        if not self._waiting:
            return
        async with self._writing:
            self._waiting = False
            waiting: dict[str, dict[str, Json]] = defaultdict(dict)
            for request_id, pending in self._kept.items():
                waiting[pending["table"]][request_id] = pending["row"]
            for table, rows in waiting.items():
                try:
                    await self._write(table, rows)
                except Refusal as refusal:
                    # A prediction never fails because its log does.
                    self._cloud.log(table, f"{len(rows)} logged requests were lost: {refusal.message}")
                for request_id in rows:
                    self._kept.remove(request_id)
            self._left_over = False

    async def _write(self, table: str, rows: dict[str, Json]) -> None:
        self._bigquery.tables.declare(table, FIELDS)
        written: set[str] = set()
        if self._left_over:
            # The kill may have come between the rows and the note that they are written.
            found = await self._bigquery.read(table, "SELECT CAST(CAST(request_id AS HUGEINT) AS VARCHAR) FROM rows")
            written = {request_id for (request_id,) in found}
        fresh = [row for request_id, row in rows.items() if request_id not in written]
        if fresh:
            await self._bigquery.insert(table, fresh)

    async def _end(self) -> None:
        if self._later is not None:
            self._later.cancel()
        await self.flush()


def destination(endpoint: Json) -> str:
    """`projects/P/datasets/D/tables/T` that an endpoint logs into, by Vertex AI's rules for what the address leaves out."""
    uri = endpoint["predictRequestResponseLoggingConfig"].get("bigqueryDestination", {}).get("outputUri", "")
    given: list[str] = uri.removeprefix("bq://").split(".")
    project, dataset, table = [*given, "", "", ""][:3]
    _, own, _, _, _, number = endpoint["name"].split("/")
    shown = re.sub(r"\W", "_", endpoint.get("displayName", ""))
    return f"projects/{project or own}/datasets/{dataset or f'logging_{shown}_{number}'}/tables/{table or TABLE}"


def payloads(body: bytes, key: str) -> list[str]:
    """The items of a prediction's request (`instances`) or answer (`predictions`), each as JSON; of another body, its text."""
    try:
        items = json.loads(body)[key]
        return [json.dumps(item, separators=(",", ":"), ensure_ascii=False) for item in items]
    except (ValueError, KeyError, TypeError):
        return [body.decode(errors="replace")]
