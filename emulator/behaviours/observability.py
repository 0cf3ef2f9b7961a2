"""Cloud Logging and Cloud Monitoring: sinks, entries, policies, time series."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from emulator import filters
from emulator.behaviours import Call, Json, completes, on, short_name
from emulator.clock import now, number
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

ENTRIES = "log-entries"
SERIES = "time-series"

short_name("logging", "LogMetric", "LogSink")


@completes("logging", "LogSink")
def sink(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A sink writes under an identity of its own."""
    owner = project_number(call.project) if call.project else name.split("/")[1]
    resource["writerIdentity"] = f"serviceAccount:service-{owner}@gcp-sa-logging.iam.gserviceaccount.com"


@on("logging", "entries.write")
async def write_entries(call: Call, cloud: Cloud) -> Json:
    """Entries are kept in the order in which they arrive."""
    common = {"logName": call.body.get("logName", ""), "resource": call.body.get("resource", {"type": "global"})}
    for entry in call.body.get("entries", []):
        stamp = now()
        full = {"insertId": uuid.uuid4().hex, "timestamp": stamp, **common, **entry, "receiveTimestamp": stamp}
        cloud.store.of(ENTRIES).put(f"{full['logName']}/{stamp}-{full['insertId']}", "LogEntry", full)
    return {}


@on("logging", "entries.list")
async def list_entries(call: Call, cloud: Cloud) -> Json:
    """Entries of the named resources that pass the filter."""
    rows = cloud.store.of(ENTRIES).list()
    names = tuple(f"{name}/" for name in call.body.get("resourceNames", []))
    rows = [row for row in rows if not names or row["logName"].startswith(names)]
    rows = sorted(filters.select(rows, call.body.get("filter", "")), key=lambda row: str(row["timestamp"]))
    return {"entries": rows[::-1] if call.body.get("orderBy", "").endswith("desc") else rows}


@on("monitoring", "projects.timeSeries.create", "projects.timeSeries.createService")
async def write_series(call: Call, cloud: Cloud) -> Json:
    """Points of custom metrics."""
    for series in call.body.get("timeSeries", []):
        cloud.store.of(SERIES).put(f"{call.name}/{number()}", "TimeSeries", series)
    return {}


@on("monitoring", "projects.timeSeries.list")
async def list_series(call: Call, cloud: Cloud) -> Json:
    """Series that pass the filter, whose points lie in the interval; points of one series are put together, newest first."""
    start, end = call.one("interval.startTime"), call.one("interval.endTime", "9")
    together: dict[str, Json] = {}
    for series in filters.select(cloud.store.of(SERIES).list(call.name), call.one("filter")):
        key = repr((series.get("metric"), series.get("resource")))
        points = [point for point in series.get("points", []) if start <= _end(point) <= end]
        if points:
            merged = together.setdefault(key, {**series, "points": []})
            merged["points"] = sorted(merged["points"] + points, key=_end, reverse=True)
    return {"timeSeries": list(together.values())}


def _end(point: Json) -> str:
    """When a point's interval ends; points without one come first."""
    return str(point.get("interval", {}).get("endTime", ""))
