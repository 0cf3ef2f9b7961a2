"""Endpoints: deployed models are processes, traffic is split among them, predictions are forwarded to them.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints
"""

from __future__ import annotations

import json
import random
import re
import time
from typing import TYPE_CHECKING

from emulator.behaviours import STATUS_NAMES, Call, Json, Refusal, Response, completes, on, route
from emulator.behaviours.models import find, is_generative, mark_deployed
from emulator.clock import now, number
from emulator.engines.requests import payloads
from emulator.projects import project_number
from emulator.quotas import check_serving
from emulator.validation import parsed

if TYPE_CHECKING:
    from emulator.cloud import Cloud

ENDPOINTS = "projects.locations.endpoints"
DEPLOYED_WITHIN_SECONDS = 20.0
"""A deployment that is quicker is answered as done, which saves the client a poll."""
WHOLE = 100
REQUEST_BYTES, DEDICATED_REQUEST_BYTES = 1_572_864, 10_485_760
"""The largest prediction request, at the shared host and at a dedicated endpoint's own."""
DEPLOYED_ID = re.compile(r"[A-Za-z0-9_-]{1,63}")


@completes("aiplatform", "Endpoint")
def complete(call: Call, cloud: Cloud, name: str, endpoint: Json) -> None:
    """A dedicated endpoint has a host of its own; traffic goes to deployed models only."""
    _, _, _, location, _, number_ = name.split("/")
    if endpoint.get("dedicatedEndpointEnabled"):
        endpoint["dedicatedEndpointDns"] = f"{number_}.{location}-{project_number(call.project)}.prediction.vertexai.goog"
    if endpoint.get("trafficSplit"):
        _check_split(endpoint["trafficSplit"], endpoint.get("deployedModels", []))


@on("aiplatform", f"{ENDPOINTS}.deployModel")
async def deploy(call: Call, cloud: Cloud) -> Json:
    """Starts a model's container and gives it traffic once it is healthy."""
    name = call.name
    endpoint = cloud.resources.load(call, name)
    given, split = dict(call.body["deployedModel"]), call.body.get("trafficSplit", {})
    model = find(cloud, cloud.projects.by_id(given["model"]))
    check_serving(cloud.store, call.location, given)
    known = [one["id"] for one in endpoint.get("deployedModels", [])]
    deployed_id = given.get("id") or number()
    if not DEPLOYED_ID.fullmatch(deployed_id):
        # A folder carries it.
        raise Refusal(400, "", f"{deployed_id[:80]!r} is no id of a deployed model. Nothing was deployed. Leave the id to the service.")
    if deployed_id in known:
        raise Refusal(
            409, "", f"Deployed model '{deployed_id}' already exists on '{name}'. Nothing was deployed. Leave the id to the service."
        )
    deployed = {
        **given,
        "id": deployed_id,
        "model": model["name"],
        "modelVersionId": model["versionId"],
        "displayName": given.get("displayName", model.get("displayName", "")),
        "createTime": now(),
    }
    # "0" stands for the model that is being deployed and has no id yet.
    split = {deployed_id if key == "0" else key: share for key, share in split.items() if share}
    if split:
        _check_split(split, [*endpoint.get("deployedModels", []), deployed])

    async def work() -> Json:
        if not is_generative(model):
            await cloud.servers.open(name, deployed, model)
        try:
            endpoint = cloud.resources.load(call, name)
        except Refusal:
            # Deleted meanwhile.
            await cloud.servers.close(name, deployed_id)
            raise
        endpoint["deployedModels"] = [*endpoint.get("deployedModels", []), deployed]
        endpoint |= {"trafficSplit": split or endpoint.get("trafficSplit", {}), "updateTime": now()}
        with cloud.store.transaction():
            cloud.store.of("aiplatform").put(name, "Endpoint", endpoint)
            mark_deployed(cloud, find(cloud, f"{model['name']}@{model['versionId']}"), name, deployed_id, True)
        return {"deployedModel": deployed}

    operation = cloud.operations.start(call, work(), "DeployModelResponse", metadata_type="DeployModelOperationMetadata")
    return await cloud.operations.get(operation["name"], DEPLOYED_WITHIN_SECONDS)


@on("aiplatform", f"{ENDPOINTS}.undeployModel")
async def undeploy(call: Call, cloud: Cloud) -> Json:
    """Ends a deployed model that has no traffic, or none any more by the split that comes along."""
    name = call.name
    endpoint = cloud.resources.load(call, name)
    deployed_id = call.body["deployedModelId"]
    deployed = _deployed(endpoint, deployed_id)
    others = [one for one in endpoint["deployedModels"] if one["id"] != deployed_id]
    split = {key: share for key, share in (call.body.get("trafficSplit") or endpoint.get("trafficSplit", {})).items() if share}
    if not others:
        split = {}
    elif deployed_id in split:
        message = (
            f"Deployed model '{deployed_id}' still has {split[deployed_id]} % of the traffic. It was not undeployed. "
            "Send a trafficSplit without it."
        )
        raise Refusal(400, "FAILED_PRECONDITION", message)
    elif split:
        _check_split(split, others)
    with cloud.store.transaction():
        cloud.store.of("aiplatform").put(
            name, "Endpoint", {**endpoint, "deployedModels": others, "trafficSplit": split, "updateTime": now()}
        )
        mark_deployed(cloud, find(cloud, f"{deployed['model']}@{deployed['modelVersionId']}"), name, deployed_id, False)
    await cloud.servers.close(name, deployed_id)
    return cloud.operations.done(call, {}, "UndeployModelResponse", metadata_type="UndeployModelOperationMetadata")


@on("aiplatform", f"{ENDPOINTS}.mutateDeployedModel")
async def mutate(call: Call, cloud: Cloud) -> Json:
    """Changes the resources of a deployed model, as far as this API lets them be changed."""
    name = call.name
    endpoint = cloud.resources.load(call, name)
    changes = call.body["deployedModel"]
    deployed = _deployed(endpoint, changes["id"])
    deployed |= {key: changes[key] for key in ("dedicatedResources", "disableContainerLogging", "enableAccessLogging") if key in changes}
    cloud.store.of("aiplatform").put(name, "Endpoint", {**endpoint, "updateTime": now()})
    return cloud.operations.done(
        call, {"deployedModel": deployed}, "MutateDeployedModelResponse", metadata_type="MutateDeployedModelOperationMetadata"
    )


@on("aiplatform", f"{ENDPOINTS}.delete")
async def delete(call: Call, cloud: Cloud) -> Json | Response:
    """Deletes an endpoint on which nothing is deployed."""
    deployed = cloud.resources.load(call).get("deployedModels", [])
    if deployed:
        ids = ", ".join(one["id"] for one in deployed)
        raise Refusal(
            400, "FAILED_PRECONDITION", f"Endpoint '{call.name}' has deployed models ({ids}). It was not deleted. Undeploy them first."
        )
    return await cloud.resources.default(call)


@on("aiplatform", "projects.locations.deploymentResourcePools.delete")
async def delete_pool(call: Call, cloud: Cloud) -> Json | Response:
    """A pool goes after the models that share it."""
    for _, endpoint in cloud.store.of("aiplatform").under(call.location, "Endpoint"):
        if any(cloud.projects.by_id(one.get("sharedResources", "")) == call.name for one in endpoint.get("deployedModels", [])):
            message = f"DeploymentResourcePool '{call.name}' is used by models deployed on '{endpoint['name']}'. Undeploy them first."
            raise Refusal(400, "FAILED_PRECONDITION", message)
    return await cloud.resources.default(call)


@on("aiplatform", f"{ENDPOINTS}.predict")
async def predict(call: Call, cloud: Cloud) -> Json:
    """Forwards instances to a deployed model, chosen by the traffic split."""
    _check_size(call, REQUEST_BYTES)
    _check_host(call, cloud)
    return await _predict(cloud, call.name, call.body)


@on("aiplatform", f"{ENDPOINTS}.rawPredict", f"{ENDPOINTS}.streamRawPredict")
async def raw_predict(call: Call, cloud: Cloud) -> Response:
    """Forwards any body to a deployed model, and its answer back."""
    _check_size(call, REQUEST_BYTES)
    _check_host(call, cloud)
    return await _raw_predict(cloud, call.name, call.raw, call.headers.get("content-type", "application/json"))


@route(
    r"[^.]+\.[a-z0-9-]+\.prediction\.vertexai\.goog",
    "POST",
    r"/v1/(?P<name>projects/[^:]+):(?P<verb>predict|rawPredict)",
    "aiplatform.endpoints.predict",
)
async def dedicated(call: Call, cloud: Cloud) -> Json | Response:
    """The same at a dedicated endpoint's own host."""
    name = cloud.projects.by_id(call.params["name"])
    _check_size(call, DEDICATED_REQUEST_BYTES)
    if call.params["verb"] == "predict":
        return await _predict(cloud, name, parsed(call.raw))
    return await _raw_predict(cloud, name, call.raw, call.headers.get("content-type", "application/json"))


def _check_size(call: Call, limit: int) -> None:
    if len(call.raw) > limit:
        raise Refusal(400, "INVALID_ARGUMENT", f"Request payload size exceeds the limit: {limit} bytes.")


def _check_host(call: Call, cloud: Cloud) -> None:
    """The region's common host does not answer for an endpoint that has its own, or that is reached from a network only."""
    endpoint = cloud.store.of("aiplatform").get(call.name) or {}
    if dns := endpoint.get("dedicatedEndpointDns"):
        message = f"Endpoint '{call.name}' is dedicated: it is asked at https://{dns} and not at {call.host}."
        raise Refusal(400, "FAILED_PRECONDITION", message)
    if endpoint.get("privateServiceConnectConfig", {}).get("enablePrivateServiceConnect"):
        message = f"Endpoint '{call.name}' is private: it is asked through Private Service Connect, from a network of its consumers."
        raise Refusal(400, "FAILED_PRECONDITION", message)


async def _predict(cloud: Cloud, name: str, body: Json) -> Json:
    request = {key: body[key] for key in ("instances", "parameters") if key in body}
    deployed, model, (status, _, content) = await _ask(cloud, name, json.dumps(request).encode(), "application/json")
    if status >= 400:
        raise Refusal(status, STATUS_NAMES.get(status, "INTERNAL"), content.decode(errors="replace"))
    try:
        answer = json.loads(content)
        predictions = answer["predictions"]
    except (ValueError, KeyError, TypeError):
        message = (
            f"Deployed model '{deployed['id']}' did not answer JSON with `predictions` but {content[:200]!r}. "
            "Mend the server, or use rawPredict."
        )
        raise Refusal(500, "INTERNAL", message) from None
    found = {"predictions": predictions, "deployedModelId": deployed["id"], "model": model["name"], "modelVersionId": model["versionId"]}
    extra = {"modelDisplayName": model.get("displayName"), "metadata": answer.get("metadata")}
    return {**found, **{key: value for key, value in extra.items() if value is not None}}


async def _raw_predict(cloud: Cloud, name: str, body: bytes, content_type: str) -> Response:
    deployed, model, (status, answered, content) = await _ask(cloud, name, body, content_type)
    headers = {
        "X-Vertex-AI-Deployed-Model-Id": deployed["id"],
        "X-Vertex-AI-Model": model["name"],
        "X-Vertex-AI-Model-Version-Id": model["versionId"],
    }
    return Response(content, status, headers, answered)


async def _ask(cloud: Cloud, name: str, body: bytes, content_type: str) -> tuple[Json, Json, tuple[int, str, bytes]]:
    """The deployed model that the traffic split chooses, its model, and its answer."""
    endpoint = cloud.store.of("aiplatform").get(name)
    if endpoint is None:
        raise Refusal(404, "", f"Endpoint '{name}' was not found.")
    split = {key: share for key, share in endpoint.get("trafficSplit", {}).items() if share}
    if not split:
        raise Refusal(
            400, "FAILED_PRECONDITION", f"Endpoint '{name}' sends traffic to no deployed model. Deploy one, or set its trafficSplit."
        )
    (chosen,) = random.choices(list(split), weights=list(split.values()))
    deployed = _deployed(endpoint, chosen)
    model = find(cloud, f"{deployed['model']}@{deployed['modelVersionId']}")
    if is_generative(model):
        raise Refusal(400, "FAILED_PRECONDITION", f"Endpoint '{name}' serves a tuned Gemini, which predicts nothing. Ask generateContent.")
    server = await cloud.servers.open(name, deployed, model)
    begun = time.perf_counter()
    try:
        answer = await cloud.servers.ask(server, body, content_type)
    except Refusal as refusal:
        cloud.traffic.count(name, chosen, refusal.status, _milliseconds(begun))
        raise
    cloud.traffic.count(name, chosen, answer[0], _milliseconds(begun))
    if endpoint.get("predictRequestResponseLoggingConfig", {}).get("enabled"):
        cloud.requests.add(endpoint, chosen, payloads(body, "instances"), payloads(answer[2], "predictions"))
    return deployed, model, answer


def _milliseconds(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def _deployed(endpoint: Json, deployed_id: str) -> Json:
    one: Json
    for one in endpoint.get("deployedModels", []):
        if one["id"] == deployed_id:
            return one
    raise Refusal(404, "", f"Deployed model '{deployed_id}' was not found on '{endpoint['name']}'.")


def _check_split(split: Json, deployed: list[Json]) -> None:
    """A traffic split names deployed models only, and its shares sum to 100."""
    unknown = sorted(split.keys() - {one["id"] for one in deployed})
    if unknown:
        raise Refusal(
            400, "", f"The trafficSplit names {unknown}, which are not deployed. The traffic stays as it was. Name deployed models."
        )
    if sum(split.values()) != WHOLE:
        raise Refusal(
            400,
            "",
            f"The shares of the trafficSplit sum to {sum(split.values())}, not {WHOLE}. The traffic stays as it was. Mend the shares.",
        )
