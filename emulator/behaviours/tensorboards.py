"""Vertex AI TensorBoard: the time series that experiments log; each is kept whole and read back whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, completes, on
from emulator.clock import now, number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

BOARDS = "projects.locations.tensorboards"
SERIES = "tensorboard.series"
NESTED = {"tensorboardRun": ("runs", "TensorboardRun"), "tensorboardTimeSeries": ("timeSeries", "TensorboardTimeSeries")}


@completes("aiplatform", "Tensorboard")
def complete(call: Call, cloud: Cloud, name: str, board: Json) -> None:
    """Clients call a TensorBoard without this field obsolete."""
    board["blobStoragePathPrefix"] = f"cloud-ai-platform-{name.rpartition('/')[2]}"


@on("aiplatform", f"{BOARDS}.experiments.runs.batchCreate", f"{BOARDS}.experiments.batchCreate")
async def batch_create(call: Call, cloud: Cloud) -> Json:
    """Creates runs, or time series, in one call."""
    created: dict[str, list[Json]] = {}
    for request in call.body["requests"]:
        key = next(key for key in NESTED if key in request)
        collection, kind = NESTED[key]
        name = f"{request['parent']}/{collection}/{request.get(f'{key}Id') or number()}"
        resource = {**request[key], "name": name, "createTime": now(), "updateTime": now()}
        cloud.store.of("aiplatform").put(name, kind, resource)
        created.setdefault("tensorboardRuns" if key == "tensorboardRun" else key, []).append(resource)
    return dict(created)


@on("aiplatform", f"{BOARDS}.experiments.runs.write")
async def write_run(call: Call, cloud: Cloud) -> Json:
    """Appends points to the time series of a run."""
    _append(cloud, call.name, call.body.get("timeSeriesData", []))
    return {}


@on("aiplatform", f"{BOARDS}.experiments.write")
async def write_experiment(call: Call, cloud: Cloud) -> Json:
    """Appends points to the time series of several runs."""
    for request in call.body.get("writeRunDataRequests", []):
        _append(cloud, request["tensorboardRun"], request.get("timeSeriesData", []))
    return {}


@on("aiplatform", f"{BOARDS}.batchRead")
async def batch_read(call: Call, cloud: Cloud) -> Json:
    """All points of several time series."""
    return {"timeSeriesData": [_series(cloud, name) for name in call.query.get("timeSeries", [])]}


def _append(cloud: Cloud, run: str, data: list[Json]) -> None:
    kept = cloud.store.of(SERIES)
    for given in data:
        name = f"{run}/timeSeries/{given['tensorboardTimeSeriesId']}"
        known = _series(cloud, name)
        kept.put(name, "Series", {**known, **given, "values": [*known["values"], *given.get("values", [])]})


def _series(cloud: Cloud, name: str) -> Json:
    empty = {"tensorboardTimeSeriesId": name.rpartition("/")[2], "valueType": "SCALAR", "values": []}
    return cloud.store.of(SERIES).get(name) or empty
