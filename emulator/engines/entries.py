"""Log entries: kept in the order in which they arrive, and counted by the log-based metrics that they fit.

https://cloud.google.com/logging/docs/logs-based-metrics
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from emulator import filters
from emulator.behaviours import Refusal
from emulator.clock import now

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ENTRIES = "log-entries"
EXTRACT = re.compile(r"EXTRACT\(([^()]+)\)")
USER = "logging.googleapis.com/user/"


def write(cloud: Cloud, entries: Iterable[Json]) -> None:
    """Keeps entries, and counts each for the metrics whose filters it passes.

    Args:
        cloud: The local Google Cloud.
        entries: `LogEntry`s, each with its `logName`.
    """
    counted: dict[str, set[str]] = {}
    metrics: dict[str, list[Json]] = {}
    for entry in entries:
        stamp = now()
        full = {"insertId": uuid.uuid4().hex, "timestamp": stamp, "resource": {"type": "global"}, **entry, "receiveTimestamp": stamp}
        cloud.store.of(ENTRIES).put(f"{full['logName']}/{stamp}-{full['insertId']}", "LogEntry", full)
        project = full["logName"].partition("/logs/")[0]
        if project not in metrics:
            metrics[project] = cloud.store.of("logging").list(f"{project}/metrics")
        if found := _count(cloud, project, metrics[project], full):
            counted.setdefault(project, set()).update(found)
    for project, types in counted.items():
        cloud.alerts.written(project, types, time.time())


def _count(cloud: Cloud, project: str, metrics: list[Json], entry: Json) -> set[str]:
    """Counts an entry; types of the metrics that it was counted for."""
    counted = set()
    for metric in metrics:
        try:
            fits = not metric.get("disabled") and filters.select([entry], metric.get("filter", ""))
        except Refusal as refusal:
            cloud.log(f"{project}/metrics/{metric['name']}", f"An entry was not counted: {refusal.message}")
            continue
        if not fits:
            continue
        type_ = f"{USER}{metric['name']}"
        header = {
            "metric": {"type": type_, "labels": {key: _extracted(entry, how) for key, how in metric.get("labelExtractors", {}).items()}},
            "resource": {"labels": {}, **entry["resource"]},
            "metricKind": "DELTA",
            "valueType": "INT64",
        }
        cloud.metrics.count(project, header, time.time())
        counted.add(type_)
    return counted


def _extracted(entry: Json, how: str) -> str:
    """The value of a label: that of the field which its extractor names."""
    match = EXTRACT.fullmatch(how)
    value: Any = entry
    for part in match[1].split(".") if match else ():
        value = value.get(part) if isinstance(value, dict) else None
    return "" if match is None or value is None else str(value)
