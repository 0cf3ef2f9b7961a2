"""Tuning jobs of Gemini, and the models and endpoints that they make: a tuned model is a head on this machine's small encoders.

The head is fitted to its one optimum, so that epochs, learning rate and adapter size are accepted and change nothing.
https://cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-use-supervised-tuning
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, at_start, on, refuses
from emulator.behaviours.gemini import GENERATION, generated, kind_of, last, streamed, tokens_of
from emulator.behaviours.models import TUNED, VERSIONS, is_generative
from emulator.clock import etag, now, number
from emulator.engines.gemini.refused import Refused
from emulator.engines.metadata import Metadata
from emulator.engines.objects import split
from emulator.operations import CODES

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.gemini.head import Head
    from emulator.engines.gemini.tuning import Outcome

JOBS = "projects.locations.tuningJobs"
ENDPOINTS = "projects.locations.endpoints"
KIND = "TuningJob"
GLANCE_SECONDS = 4.0
"""How long a read of a running job is held, since clients sleep much longer between two reads."""
UNENDED = ("JOB_STATE_PENDING", "JOB_STATE_RUNNING")
SPECS = (
    "preferenceOptimizationSpec",
    "distillationSpec",
    "reinforcementTuningSpec",
    "fullFineTuningSpec",
    "partnerModelTuningSpec",
    "veoTuningSpec",
    "veoLoraTuningSpec",
    "preTunedModel",
    "customBaseModel",
)


@on("aiplatform", f"{JOBS}.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Starts a job."""
    _check(call, cloud)
    with cloud.store.transaction():
        job = cloud.resources.create(call)
        job |= {"state": "JOB_STATE_PENDING"}
        cloud.store.of("aiplatform").put(job["name"], KIND, job)
    _start(cloud, job)
    return job


def _check(call: Call, cloud: Cloud) -> None:
    """Refuses what would only fail later, and what is not learnt here."""
    if others := [spec for spec in SPECS if spec in call.body]:
        message = (
            f"The local Google Cloud does not tune by {', '.join(others)}: it fits a classifier to examples, from the beginning. "
            "Nothing was started. Give a baseModel and a supervisedTuningSpec."
        )
        raise Refusal(400, "", message)
    spec = call.body.get("supervisedTuningSpec") or {}
    if not call.body.get("baseModel") or not spec.get("trainingDatasetUri"):
        raise Refusal(
            400, "", "A tuning job needs a baseModel and a supervisedTuningSpec with its trainingDatasetUri. Nothing was started."
        )
    if kind_of(last(call.body["baseModel"])) is not GENERATION:
        raise Refusal(400, "", f"Base model {call.body['baseModel']!r} cannot be tuned. Nothing was started. Name a gemini-… model.")
    if call.location.endswith("/global"):
        raise Refusal(400, "", "Tuning is regional. Nothing was started. Create the job in a region, e.g. europe-west4.")
    if spec.get("evaluationConfig"):
        raise Refusal(400, "", "A tuning job's evaluationConfig is not emulated. Nothing was started. Leave it out.")
    if int((spec.get("hyperParameters") or {}).get("epochCount", 1)) < 1:
        raise Refusal(400, "", "The epochCount is 1 or more. Nothing was started.")
    for field in ("trainingDatasetUri", "validationDatasetUri"):
        if uri := spec.get(field):
            cloud.objects.path(*split(uri))


def _start(cloud: Cloud, job: Json) -> None:
    name, kept = job["name"], cloud.store.of("aiplatform")

    def begun() -> None:
        running = kept.get(name) or job
        kept.put(name, KIND, {**running, "state": "JOB_STATE_RUNNING", "startTime": now(), "updateTime": now()})

    def ended(outcome: Outcome | Refused | Refusal) -> None:
        running = {**(kept.get(name) or job), "endTime": now(), "updateTime": now()}
        if isinstance(outcome, (Refused, Refusal)):
            code = CODES.get(outcome.status_name, 3) if isinstance(outcome, Refusal) else 3
            kept.put(name, KIND, {**running, "state": "JOB_STATE_FAILED", "error": {"code": code, "message": str(outcome)}})
        else:
            _succeed(cloud, running, outcome)

    cloud.tunings.start(name, job["supervisedTuningSpec"], begun, ended)


def _succeed(cloud: Cloud, job: Json, outcome: Outcome) -> None:
    """Registers the model, deploys it and ends the job, all or nothing; the head lies there before."""
    location, _, own = job["name"].rpartition("/tuningJobs/")
    stamp, deployed_id = now(), number()
    shown = job.get("tunedModelDisplayName") or f"tuned-{own}"
    model_name, endpoint_name = f"{location}/models/{own}", f"{location}/endpoints/{own}"
    model = {
        "name": model_name,
        "displayName": shown,
        "description": job.get("description", ""),
        "versionId": "1",
        "versionAliases": ["default"],
        "labels": {
            **job.get("labels", {}),
            "google-vertex-llm-tuning-base-model-id": last(job["baseModel"]),
            "google-vertex-llm-tuning-job-id": own,
            "tune-type": "sft",
        },
        "modelSourceInfo": {"sourceType": TUNED},
        "baseModelSource": {"genieSource": {"baseModelUri": f"publishers/google/models/{last(job['baseModel'])}"}},
        "deployedModels": [{"endpoint": endpoint_name, "deployedModelId": deployed_id}],
        "createTime": stamp,
        "updateTime": stamp,
        "versionCreateTime": stamp,
        "versionUpdateTime": stamp,
        "etag": etag(),
    }
    deployed = {"id": deployed_id, "model": model_name, "modelVersionId": "1", "displayName": shown, "createTime": stamp}
    endpoint = {
        "name": endpoint_name,
        "displayName": shown,
        "deployedModels": [deployed],
        "trafficSplit": {deployed_id: 100},
        "labels": job.get("labels", {}),
        "createTime": stamp,
        "updateTime": stamp,
        "etag": etag(),
    }
    experiment, contexts = _experiment(cloud, job, outcome)
    job = {
        **job,
        "state": "JOB_STATE_SUCCEEDED",
        "experiment": experiment,
        "tunedModel": {"model": f"{model_name}@1", "endpoint": endpoint_name},
        "tuningDataStats": {"supervisedTuningDataStats": outcome.statistics},
    }
    cloud.tunings.keep(model, outcome.head)
    kept = cloud.store.of("aiplatform")
    with cloud.store.transaction():
        cloud.store.of(VERSIONS).put(f"{model_name}/versions/1", "Model", model)
        kept.put(model_name, "Model", model)
        kept.put(endpoint_name, "Endpoint", endpoint)
        kept.put(job["name"], KIND, job)
        for context in contexts:
            kept.put(context["name"], "Context", context)


def _experiment(cloud: Cloud, job: Json, outcome: Outcome) -> tuple[str, list[Json]]:
    """The experiment of a job, and its contexts: itself, and one run with what was set and measured."""
    location, _, own = job["name"].rpartition("/tuningJobs/")
    name = f"{Metadata(cloud.store).open(location)}/contexts/tuning-experiment-{own}"
    stamp = now()
    common = {"createTime": stamp, "updateTime": stamp, "schemaVersion": "0.0.1", "etag": etag()}
    settings = {"base_model": last(job["baseModel"]), **(job["supervisedTuningSpec"].get("hyperParameters") or {})}
    described = {"_params": settings, "_metrics": dict(outcome.metrics), "_state": "COMPLETE"}
    run = {"name": f"{name}-run", "displayName": "run", "schemaTitle": "system.ExperimentRun", "parentContexts": [name], **common}
    experiment = {"name": name, "displayName": f"tuning-experiment-{own}", "schemaTitle": "system.Experiment", **common}
    return name, [{**experiment, "metadata": {"experiment_deleted": False}}, {**run, "metadata": described}]


@on("aiplatform", f"{JOBS}.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """The job; of a running one, its state after its end or after a few seconds."""
    if cloud.resources.load(call)["state"] in UNENDED:
        await cloud.tunings.wait(call.name, GLANCE_SECONDS)
    return cloud.resources.load(call)


@on("aiplatform", f"{JOBS}.cancel")
async def cancel(call: Call, cloud: Cloud) -> Json:
    """Ends a job. One that has ended stays as it is."""
    job = cloud.resources.load(call)
    if job["state"] in UNENDED:
        cloud.tunings.cancel(call.name)
        error = {"code": CODES["CANCELLED"], "message": "The job was cancelled."}
        ended = {**job, "state": "JOB_STATE_CANCELLED", "endTime": now(), "updateTime": now(), "error": error}
        cloud.store.of("aiplatform").put(call.name, KIND, ended)
    return {}


refuses(
    "aiplatform",
    f"{JOBS}.rebaseTunedModel",
    because="A tuned model of the local Google Cloud is a head on one encoder, which no base model changes. Nothing was started. "
    "Create a tuning job with the other baseModel.",
)


@at_start
async def resume(cloud: Cloud) -> None:
    """Runs again what a stop of the emulator cut off."""
    for _, job in cloud.store.of("aiplatform").items(kind=KIND):
        if job["state"] in UNENDED:
            cloud.log(job["name"], "the local Google Cloud was stopped meanwhile; the job begins again")
            _start(cloud, job)


@on("aiplatform", f"{ENDPOINTS}.generateContent")
async def generate(call: Call, cloud: Cloud) -> Json:
    """Generates content with a tuned model."""
    return await generated(call, cloud, call.name, call.body, head_of(cloud, call.name))


@on("aiplatform", f"{ENDPOINTS}.streamGenerateContent")
async def stream_generate(call: Call, cloud: Cloud) -> Response:
    """Generates content with a tuned model as a stream."""
    return streamed(call, cloud, await generated(call, cloud, call.name, call.body, head_of(cloud, call.name)))


@on("aiplatform", f"{ENDPOINTS}.countTokens")
async def count_tokens(call: Call, cloud: Cloud) -> Json:
    """Counts the tokens of contents for a tuned model."""
    head_of(cloud, call.name)
    return await tokens_of(call, cloud)


def is_tuned(cloud: Cloud, name: str) -> bool:
    """Whether an endpoint or a model of a project comes from a tuning job."""
    kept = cloud.store.of("aiplatform")
    found = kept.get(name.partition("@")[0]) or {}
    models = [kept.get(one["model"]) or {} for one in found.get("deployedModels", [])] if "/endpoints/" in name else [found]
    return any(is_generative(model) for model in models)


def head_of(cloud: Cloud, name: str) -> Head:
    """What a tuned model has learnt.

    Args:
        cloud: Where it is kept.
        name: Of an endpoint, or of a model (`…/models/M`, `…@VERSION`).

    Raises:
        Refusal: There is no such resource, or it is no tuned model.
    """
    resource = cloud.store.of("aiplatform").get(name.partition("@")[0])
    if resource is None:
        raise Refusal(404, "", f"Resource '{name}' was not found.")
    if "/endpoints/" in name:
        deployed = {one["id"]: one for one in resource.get("deployedModels", [])}
        shares = {key: share for key, share in resource.get("trafficSplit", {}).items() if share}
        if not shares:
            raise Refusal(400, "FAILED_PRECONDITION", f"Endpoint '{name}' sends traffic to no deployed model. Deploy one.")
        (chosen,) = random.choices(list(shares), weights=list(shares.values()))
        model, version = deployed[chosen]["model"], deployed[chosen]["modelVersionId"]
    else:
        model, version = resource["name"], resource["versionId"]
    try:
        return cloud.tunings.head(model, version)
    except Refusal:
        message = f"'{name}' serves no tuned Gemini model and does not generate content. Name the endpoint of a tuning job's tunedModel."
        raise Refusal(400, "FAILED_PRECONDITION", message) from None
