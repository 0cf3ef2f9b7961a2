"""Batches of requests to Gemini: rows of Cloud Storage or BigQuery, each answered as if it had been sent alone.

A row that cannot be answered says why in its `status` and does not end the job. After each page the store keeps how far the
job is, so that a stop of the emulator costs the page at most.
https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini
"""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Call, Refusal
from emulator.behaviours.gemini import GENERATION, answered, kind_of, last
from emulator.behaviours.gemini_tuning import head_of, is_tuned
from emulator.engines import instances, predictions
from emulator.engines.batch_prediction import KIND, change, drafts_of
from emulator.engines.gemini import caches
from emulator.engines.gemini.request import conformed
from emulator.engines.instances import BIGQUERY, JSONL, START, Drafts, Row, Source

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.gemini.head import Head

Json = dict[str, Any]

CHECKPOINTS = "gemini-batches"
PAGE = 16
"""Rows that are answered between two checkpoints."""
ANSWERS = "predictions"
BAD_REQUEST = "Bad Request: "
"""What the status of a row begins with that Google refuses too."""
ANSWER_COLUMNS = [
    {"name": "response", "type": "JSON"},
    {"name": "status", "type": "STRING"},
    {"name": "processed_time", "type": "TIMESTAMP"},
]


async def start(cloud: Cloud, call: Call, job: Json) -> Json:
    """Starts a job with a publisher's model or a tuned one.

    Raises:
        Refusal: The model, its rows or the place for its answers do not serve; no job was made.
    """
    _head(cloud, cloud.projects.by_id(job["model"]))
    form = job["inputConfig"].get("instancesFormat")
    if form not in (JSONL, BIGQUERY):
        raise Refusal(400, "", f"Rows for Gemini come as jsonl or bigquery, not as {form}. No job was made.")
    if given := [field for field in ("instanceConfig", "modelParameters", "dedicatedResources") if job.get(field)]:
        raise Refusal(400, "", f"{given[0]} does not apply to Gemini: each row is a whole request. No job was made. Leave it out.")
    source = predictions.check(cloud, job)
    with cloud.store.transaction():
        created = cloud.resources.create(call)
        created |= {"state": "JOB_STATE_PENDING"}
        created["outputInfo"] = predictions.output_of(created, "model")
        cloud.store.of("aiplatform").put(created["name"], KIND, created)
        _keep(cloud, created["name"], source, START, {}, {}, 0)
    cloud.batch_predictions.start(created["name"], _predict(cloud, created["name"]))
    return created


def resume(cloud: Cloud) -> None:
    """Goes on with the jobs that a stop of the emulator cut off, and forgets how far those were that have ended."""
    for name, _ in cloud.store.of(CHECKPOINTS).items():
        job = cloud.store.of("aiplatform").get(name) or {}
        if job.get("state") in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING"):
            cloud.batch_predictions.start(name, _predict(cloud, name))
        else:
            cloud.store.of(CHECKPOINTS).remove(name)


def _head(cloud: Cloud, model: str) -> Head | None:
    """What a tuned model has learnt; none for a publisher's.

    Raises:
        Refusal: No requests can be sent to the model.
    """
    if is_tuned(cloud, model):
        return head_of(cloud, model)
    if kind_of(last(model)) is not GENERATION:
        raise Refusal(400, "", f"Model {model!r} takes no batches of requests. No job was made. Name a gemini-… model, or a tuned one.")
    return None


def _keep(cloud: Cloud, name: str, source: Source, position: instances.Position, rows: Json, sizes: Json, failed: int) -> None:
    checkpoint = {"source": source.kept(), "position": list(position), "rows": rows, "sizes": sizes, "failed": failed}
    cloud.store.of(CHECKPOINTS).put(name, "Checkpoint", checkpoint)


async def _predict(cloud: Cloud, name: str) -> Json:
    """Runs a job from its checkpoint on; returns how it ended."""
    kept = cloud.store.of(CHECKPOINTS).get(name) or {}
    job = cloud.store.of("aiplatform").get(name) or {}
    source, head = Source.of(kept["source"]), _head(cloud, cloud.projects.by_id(job["model"]))
    drafts, failed = Drafts(drafts_of(cloud, name), kept["rows"], kept["sizes"]), int(kept["failed"])
    async for page, after in instances.pages(cloud, source, (kept["position"][0], kept["position"][1]), PAGE):
        lines = await asyncio.gather(*(_line(cloud, job, row, head) for row in page))
        failed += sum(bool(line["status"]) for line in lines)
        # In ASCII, since a row may hold half a character.
        drafts.append(ANSWERS, [json.dumps(line) for line in lines])
        with cloud.store.transaction():
            _keep(cloud, name, source, after, drafts.rows, drafts.sizes, failed)
            change(cloud, name, completionStats=_stats(drafts, failed, -1))
    await _publish(cloud, job, drafts)
    return {"state": "JOB_STATE_SUCCEEDED", "completionStats": _stats(drafts, failed, 0)}


def _stats(drafts: Drafts, failed: int, left: int) -> Json:
    """`CompletionStats`; `left` is -1 while it is unknown."""
    return {"successfulCount": str(drafts.rows.get(ANSWERS, 0) - failed), "failedCount": str(failed), "incompleteCount": str(left)}


async def _line(cloud: Cloud, job: Json, row: Row, head: Head | None) -> Json:
    """A row with its answer, or with why it has none."""
    given = dict(row.value) if isinstance(row.value, dict) else {"request": row.value}
    try:
        if row.error:
            raise Refusal(400, "", row.error)
        response, status = await _answer(cloud, job, given.get("request"), head), ""
    except Refusal as refusal:
        response, status = {}, f"{BAD_REQUEST}{json.dumps(refusal.body()['error'])}"
    if job["outputConfig"]["predictionsFormat"] == BIGQUERY and job["inputConfig"]["instancesFormat"] != BIGQUERY:
        given = {"request": given.get("request")}
    return {**given, "response": response, "status": status, "processed_time": datetime.now(UTC).isoformat(timespec="milliseconds")}


async def _answer(cloud: Cloud, job: Json, request: Any, head: Head | None) -> Json:
    """The response to one request, which a column of texts holds as JSON."""
    if isinstance(request, str):
        try:
            request = json.loads(request)
        except (ValueError, RecursionError) as error:
            raise Refusal(400, "", f"The request is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise Refusal(400, "", "The row has no object 'request'.")
    location = job["name"].partition("/batchPredictionJobs/")[0]
    return await answered(
        cloud, job["model"] if head else last(job["model"]), conformed("generateContent", request), caches.VERTEX, location, head
    )


async def _publish(cloud: Cloud, job: Json, drafts: Drafts) -> None:
    """Gives the answers their final place, whole."""
    info, shards = job["outputInfo"], drafts.files(ANSWERS) or [drafts.empty(ANSWERS)]
    if "gcsOutputDirectory" in info:
        whole = cloud.objects.incoming()
        await asyncio.to_thread(_joined, shards, whole)
        instances.publish(cloud, info["gcsOutputDirectory"], {f"{ANSWERS}.jsonl": whole}, "application/jsonl")
        return
    project, dataset = info["bigqueryOutputDataset"].removeprefix("bq://").split(".")
    table = f"projects/{project}/datasets/{dataset}/tables/{info['bigqueryOutputTable']}"
    await instances.publish_rows(cloud, table, [*_columns(cloud, job), *ANSWER_COLUMNS], shards, job["name"])


def _joined(files: list[Path], whole: Path) -> None:
    with whole.open("wb") as target:
        for file in files:
            with file.open("rb") as source:
                shutil.copyfileobj(source, target)


def _columns(cloud: Cloud, job: Json) -> list[Json]:
    """The columns that the rows had already."""
    if job["inputConfig"]["instancesFormat"] != BIGQUERY:
        return [{"name": "request", "type": "JSON"}]
    table = cloud.bigquery.tables.table(instances.table_of(job["inputConfig"]["bigquerySource"]["inputUri"]))
    own = {column["name"] for column in ANSWER_COLUMNS}
    fields = [field for field in table.get("schema", {}).get("fields", []) if field["name"] not in own]
    return [{**field, "mode": "REPEATED" if field.get("mode") == "REPEATED" else "NULLABLE"} for field in fields]
