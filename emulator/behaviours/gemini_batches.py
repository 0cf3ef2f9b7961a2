"""Batches of the API that clients with a key call: requests that come inline, answered in the background.

Those of Vertex AI are `batchPredictionJobs`. https://ai.google.dev/api/batch-api
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Call, Json, Refusal, at_start, not_emulated, route
from emulator.behaviours.gemini import GENERATION, answered, require
from emulator.behaviours.gemini_api import HOST, page, require_key
from emulator.clock import now, number
from emulator.engines.gemini import batches
from emulator.engines.gemini.caches import GEMINI_API
from emulator.engines.gemini.request import conformed
from emulator.operations import CODES
from emulator.validation import camel, parsed

if TYPE_CHECKING:
    from emulator.cloud import Cloud

SERVICE, KIND = GEMINI_API.service, "GenerateContentBatch"
REQUESTS = "gemini-inline-requests"
"""The collection of what is still to be answered."""
PATH = r"/v1(beta)?/batches"
ONE = rf"{PATH}/(?P<batch>[^/:]+)"
GLANCE_SECONDS = 4.0
INLINE_BYTES = 20 << 20
UNENDED = ("BATCH_STATE_PENDING", "BATCH_STATE_RUNNING")


@route(HOST, "POST", r"/v1(beta)?/models/(?P<model>[^/:]+):batchGenerateContent")
async def create(call: Call, cloud: Cloud) -> Json:
    """Starts a batch."""
    require_key(call)
    model = call.params["model"]
    require(call, model, GENERATION)
    if len(call.raw) > INLINE_BYTES:
        raise Refusal(400, "", f"The batch is larger than {INLINE_BYTES >> 20} MB. Nothing was started. Send smaller ones.")
    batch = parsed(call.raw).get("batch")
    given = {camel(name): value for name, value in batch.items()} if isinstance(batch, dict) else {}
    requests = _requests(given)
    name, stamp = f"batches/{number()}", now()
    made = {
        "name": name,
        "model": f"models/{model}",
        "displayName": str(given.get("displayName", "")),
        "createTime": stamp,
        "updateTime": stamp,
        "state": "BATCH_STATE_PENDING",
        "batchStats": {"requestCount": str(len(requests)), "pendingRequestCount": str(len(requests))},
    }
    with cloud.store.transaction():
        cloud.store.of(REQUESTS).put(name, KIND, {"requests": requests})
        cloud.store.of(SERVICE).put(name, KIND, made)
    cloud.batch_predictions.start(name, _answer_all(cloud, name))
    return _operation(made)


def _requests(batch: Json) -> list[Json]:
    """The requests of a batch.

    Raises:
        Refusal: They do not come inline, or are none.
    """
    given = batch.get("inputConfig", batch.get("input_config"))
    given = {camel(name): value for name, value in given.items()} if isinstance(given, dict) else {}
    if "fileName" in given:
        raise not_emulated("A batch of requests in a file of the Files API")
    inline = given.get("requests")
    requests = inline.get("requests") if isinstance(inline, dict) else None
    if not requests or not isinstance(requests, list) or not all(isinstance(one, dict) for one in requests):
        raise Refusal(400, "", "batch.inputConfig.requests.requests is no list of requests. Nothing was started. Send them inline.")
    return requests


async def _answer_all(cloud: Cloud, name: str) -> Json:
    """Answers a batch from its beginning."""
    kept, requests = cloud.store.of(SERVICE), (cloud.store.of(REQUESTS).get(name) or {})["requests"]
    batch = kept.put(name, KIND, {**(kept.get(name) or {}), "state": "BATCH_STATE_RUNNING", "updateTime": now()})
    model = batch["model"].removeprefix("models/")
    responses: list[Json] = []
    for at in range(0, len(requests), batches.PAGE):
        responses += await asyncio.gather(*(_answer(cloud, model, one) for one in requests[at : at + batches.PAGE]))
    failed = sum("error" in one for one in responses)
    stats = {"requestCount": len(requests), "successfulRequestCount": len(requests) - failed, "failedRequestCount": failed}
    ended = {
        **batch,
        "state": "BATCH_STATE_SUCCEEDED",
        "updateTime": now(),
        "endTime": now(),
        "batchStats": {stat: str(count) for stat, count in stats.items()},
        "output": {"inlinedResponses": {"inlinedResponses": responses}},
    }
    with cloud.store.transaction():
        cloud.store.of(REQUESTS).remove(name)
        if kept.get(name) is not None:
            kept.put(name, KIND, ended)
    return {}


async def _answer(cloud: Cloud, model: str, one: Json) -> Json:
    """The response to one request, or why there is none, with the metadata that came along."""
    said: Json = {"metadata": one["metadata"]} if "metadata" in one else {}
    request: Any = one.get("request")
    try:
        if not isinstance(request, dict):
            raise Refusal(400, "", "An inline request has no object 'request'.")
        return {"response": await answered(cloud, model, conformed("generateContent", request), GEMINI_API, ""), **said}
    except Refusal as refusal:
        return {"error": {"code": CODES.get(refusal.status_name, 2), "message": refusal.message}, **said}


@route(HOST, "GET", PATH)
async def list_batches(call: Call, cloud: Cloud) -> Json:
    """All batches."""
    require_key(call)
    return page(call, "operations", [_operation(batch) for batch in cloud.store.of(SERVICE).list(kind=KIND)])


@route(HOST, "GET", ONE)
async def get(call: Call, cloud: Cloud) -> Json:
    """A batch; of a running one, its state after its end or after a few seconds."""
    await cloud.batch_predictions.wait(_found(call, cloud)["name"], GLANCE_SECONDS)
    return _operation(_found(call, cloud))


@route(HOST, "POST", rf"{ONE}:cancel")
async def cancel(call: Call, cloud: Cloud) -> Json:
    """Ends a batch. One that has ended stays as it is."""
    batch = _found(call, cloud)
    if batch["state"] in UNENDED:
        cloud.batch_predictions.cancel(batch["name"])
        with cloud.store.transaction():
            cloud.store.of(REQUESTS).remove(batch["name"])
            cloud.store.of(SERVICE).put(
                batch["name"], KIND, {**batch, "state": "BATCH_STATE_CANCELLED", "endTime": now(), "updateTime": now()}
            )
    return {}


@route(HOST, "DELETE", ONE)
async def delete(call: Call, cloud: Cloud) -> Json:
    """Deletes a batch that has ended."""
    batch = _found(call, cloud)
    if batch["state"] in UNENDED:
        raise Refusal(400, "FAILED_PRECONDITION", f"{batch['name']} still runs. It was not deleted. Cancel it first.")
    cloud.store.of(SERVICE).remove(batch["name"])
    return {}


def _found(call: Call, cloud: Cloud) -> Json:
    require_key(call)
    batch = cloud.store.of(SERVICE).get(f"batches/{call.params['batch']}")
    if batch is None:
        raise Refusal(404, "", f"Batch '{call.params['batch']}' was not found.")
    return batch


def _operation(batch: Json) -> Json:
    """A batch as the long-running operation that it is."""
    kind = f"type.googleapis.com/google.ai.generativelanguage.v1main.{KIND}"
    operation: Json = {"name": batch["name"], "metadata": {"@type": kind, **batch}}
    if batch["state"] not in UNENDED:
        operation["done"] = True
    if "output" in batch:
        operation["response"] = {"@type": f"{kind}Output", **batch["output"]}
    if batch["state"] == "BATCH_STATE_CANCELLED":
        operation["error"] = {"code": CODES["CANCELLED"], "message": "The batch was cancelled."}
    return operation


@at_start
async def go_on(cloud: Cloud) -> None:
    """Goes on with what a stop of the emulator cut off: batches of Vertex AI from their last page, inline ones from their beginning."""
    batches.resume(cloud)
    for name, _ in cloud.store.of(REQUESTS).items():
        cloud.batch_predictions.start(name, _answer_all(cloud, name))
