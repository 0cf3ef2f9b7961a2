"""Training pipelines of the custom kind: a job, and after it the model that it wrote.

https://cloud.google.com/vertex-ai/docs/training/create-training-pipeline
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, at_start, not_emulated, on
from emulator.behaviours.models import find, register
from emulator.clock import now, number
from emulator.engines.tuning.study import Study
from emulator.quotas import check_training
from emulator.resources import check_name, described
from emulator.validation import of_schema

if TYPE_CHECKING:
    from emulator.cloud import Cloud

KIND = "TrainingPipeline"
DEFINITIONS = "gs://google-cloud-aiplatform/schema/trainingjob/definition/"
CUSTOM = f"{DEFINITIONS}custom_task_1.0.0.yaml"
TUNING = f"{DEFINITIONS}hyperparameter_tuning_task_1.0.0.yaml"


@on("aiplatform", "projects.locations.trainingPipelines.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Starts the job of a pipeline. Definitions that are not custom train what only Google has; data of a dataset are not exported."""
    task = call.body["trainingTaskDefinition"]
    if task not in (CUSTOM, TUNING):
        raise not_emulated(f"The training task {task!r}")
    if "inputDataConfig" in call.body:
        raise not_emulated("A training pipeline's inputDataConfig")
    job = _job(call, task)
    spec = job["jobSpec" if task == CUSTOM else "trialJobSpec"]
    _check_model(call, cloud, spec)
    if task == TUNING:
        cloud.tuning.check(call.location, job)
    else:
        check_training(cloud.store, call.location, spec)
    with cloud.store.transaction():
        name = cloud.resources.create(call)["name"]
        started = (cloud.jobs if task == CUSTOM else cloud.tuning).start(job)
        backing = "backingCustomJob" if task == CUSTOM else "backingHyperparameterTuningJob"
        pipeline = cloud.background.become(name, KIND, "PENDING", trainingTaskMetadata={backing: started["name"]})
    cloud.background.start(name, KIND, _work(cloud, name))
    return pipeline


def _job(call: Call, task: str) -> Json:
    """The custom job or the tuning job of a pipeline; its inputs arrive as any value, spelled in either way."""
    method, given, stamp = described(call), call.body.get("trainingTaskInputs"), now()
    prefix = method.resource.removesuffix(KIND)
    common: Json = {field: call.body[field] for field in ("labels", "encryptionSpec") if field in call.body}
    common |= {"createTime": stamp, "updateTime": stamp}
    title = call.body["displayName"]
    if task == CUSTOM:
        spec = of_schema(method.document, f"{prefix}CustomJobSpec", given, "trainingTaskInputs")
        return {"name": f"{call.location}/customJobs/{number()}", "displayName": f"{title}-custom-job", "jobSpec": spec, **common}
    title = f"{title}-hyperparameter-tuning-job"
    inputs = {"displayName": title, **given} if isinstance(given, dict) else given
    job = of_schema(method.document, f"{prefix}HyperparameterTuningJob", inputs, "trainingTaskInputs")
    return {**job, "name": f"{call.location}/hyperparameterTuningJobs/{number()}", "displayName": title, **common}


def _check_model(call: Call, cloud: Cloud, spec: Json) -> None:
    """Refuses a model that could not be uploaded when the job has ended.

    Raises:
        Refusal: Its parent is missing, its id is none or taken, or nothing says where the job writes it.
    """
    model, parent, wanted = call.body.get("modelToUpload"), call.body.get("parentModel", ""), call.body.get("modelId", "")
    if model is None:
        return
    if parent:
        find(cloud, cloud.projects.by_id(parent))
    elif wanted:
        name = f"{call.location}/models/{wanted}"
        check_name(name)
        if "/" in wanted or "@" in wanted or cloud.store.of("aiplatform").get(name):
            problem = f"The modelId {wanted!r} is taken, or none. Nothing was run. Choose another, or name the model as parentModel."
            raise Refusal(409, "ALREADY_EXISTS", problem)
    if not spec.get("baseOutputDirectory", {}).get("outputUriPrefix") and "artifactUri" not in model:
        problem = "modelToUpload is given, but no baseOutputDirectory, below which the job would write the model."
        raise Refusal(400, "INVALID_ARGUMENT", f"{problem} Nothing was run. Add it to trainingTaskInputs.")


async def _work(cloud: Cloud, name: str) -> Json:
    """Waits for the job of a pipeline and uploads the model; returns what the pipeline knows at its end."""
    pipeline = cloud.background.become(name, KIND, "RUNNING")
    metadata = pipeline["trainingTaskMetadata"]
    backing = next(iter(metadata.values()))
    job = await cloud.background.ended(backing)
    if job.get("state") != "JOB_STATE_SUCCEEDED":
        problem = job.get("error", {}).get("message", "It is gone.")
        raise Refusal(400, "FAILED_PRECONDITION", f"{backing} did not succeed, so no model was uploaded: {problem}")
    spec = job.get("jobSpec", {})
    if "trials" in job:
        best = Study.read(job["studySpec"], "").best(job["trials"])["customJob"]
        metadata["bestTrialBackingCustomJob"] = best
        spec = (cloud.store.of("aiplatform").get(best) or {}).get("jobSpec", {})
    fields = {"trainingTaskMetadata": metadata}
    model = pipeline.get("modelToUpload")
    if model is None or "versionId" in model:
        return fields
    base = spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "").rstrip("/")
    given = {"artifactUri": f"{base}/model", **model, "trainingPipeline": name}
    location, parent = name.partition("/trainingPipelines/")[0], cloud.projects.by_id(pipeline.get("parentModel", ""))
    # One transaction: after a kill, the pipeline does not upload its model again.
    with cloud.store.transaction():
        uploaded, version = register(cloud, location, given, parent, pipeline.get("modelId", ""))
        fields["modelToUpload"] = {**given, "name": uploaded, "versionId": version}
        cloud.background.become(name, KIND, "RUNNING", **fields)
    return fields


@at_start
async def resume(cloud: Cloud) -> None:
    """A pipeline that a stop of the emulator cut off goes on waiting for its job, and ends as that does."""
    for name in cloud.background.unfinished(KIND):
        cloud.background.start(name, KIND, _work(cloud, name))
