"""Batch prediction jobs, with models of our own; those of publishers are Gemini's.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, at_start, not_emulated, on
from emulator.behaviours.gemini_tuning import is_tuned
from emulator.behaviours.models import find
from emulator.engines import batch_lines, batch_prediction
from emulator.engines.batch_prediction import CHECKPOINTS, KIND
from emulator.engines.gemini import batches
from emulator.engines.instances import START
from emulator.quotas import check_serving

if TYPE_CHECKING:
    from emulator.cloud import Cloud

JOBS = "projects.locations.batchPredictionJobs"
GLANCE_SECONDS = 4.0


@on("aiplatform", f"{JOBS}.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Starts a job."""
    job = call.body
    if "publishers/" in job.get("model", "") or is_tuned(cloud, cloud.projects.by_id(job.get("model", ""))):
        return await batches.start(cloud, call, job)
    if ("model" in job) == ("unmanagedContainerModel" in job):
        raise Refusal(400, "", "Exactly one of model and unmanagedContainerModel is set. No job was made.")
    if "machineSpec" not in job.get("dedicatedResources", {}):
        raise Refusal(400, "", "A custom model needs dedicatedResources with a machineSpec. No job was made. Set them.")
    if job.get("generateExplanation"):
        raise not_emulated("generateExplanation")
    source = batch_lines.check(cloud, job)
    check_serving(cloud.store, call.location, job)
    known = find(cloud, cloud.projects.by_id(job["model"])) if "model" in job else {}
    container = job.get("unmanagedContainerModel", known).get("containerSpec", {})
    cloud.images.get(container.get("imageUri", ""))
    with cloud.store.transaction():
        created = cloud.resources.create(call)
        name = created["name"]
        created |= {"state": "JOB_STATE_PENDING"}
        created |= {"model": known["name"], "modelVersionId": known["versionId"]} if known else {}
        created["outputInfo"] = batch_lines.output_of(created, known.get("displayName") or name.rpartition("/")[2])
        cloud.store.of("aiplatform").put(name, KIND, created)
        checkpoint = {"source": source.kept(), "position": START, "rows": {}, "sizes": {}, "seconds": 0.0, "error": ""}
        cloud.store.of(CHECKPOINTS).put(name, "Checkpoint", checkpoint)
    cloud.batch_predictions.start(name, batch_prediction.predict(cloud, name))
    return created


@on("aiplatform", f"{JOBS}.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """The job; of a running one, its state after its end or after a few seconds."""
    cloud.resources.load(call)
    await cloud.batch_predictions.wait(call.name, GLANCE_SECONDS)
    return cloud.resources.load(call)


@on("aiplatform", f"{JOBS}.cancel")
async def cancel(call: Call, cloud: Cloud) -> Json:
    """Ends a job, which then has no output. A job that has ended stays as it is."""
    cloud.resources.load(call)
    cloud.batch_predictions.cancel(call.name)
    return {}


@on("aiplatform", f"{JOBS}.delete")
async def delete(call: Call, cloud: Cloud) -> Json | Response:
    """Deletes a job that has ended."""
    cloud.resources.load(call)
    if cloud.batch_predictions.runs(call.name):
        raise Refusal(400, "FAILED_PRECONDITION", f"{call.name} still runs. It was not deleted. Cancel it and wait for its end first.")
    return await cloud.resources.default(call)


@at_start
async def go_on(cloud: Cloud) -> None:
    """Goes on with the jobs that a stop of the emulator cut off."""
    for name, _ in cloud.store.of(CHECKPOINTS).items():
        cloud.batch_predictions.start(name, batch_prediction.predict(cloud, name))
