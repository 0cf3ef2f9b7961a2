"""Endpoints: deployed models are processes, traffic is split among them, predictions are forwarded to them.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, completes, on
from emulator.behaviours.models import find, is_generative, mark_deployed
from emulator.clock import now, number
from emulator.projects import project_number
from emulator.quotas import check_serving

if TYPE_CHECKING:
    from emulator.cloud import Cloud

ENDPOINTS = "projects.locations.endpoints"
DEPLOYED_WITHIN_SECONDS = 20.0
"""A deployment that is quicker is answered as done, which saves the client a poll."""
WHOLE = 100
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
    deployed = deployed_of(endpoint, deployed_id)
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
    changes = call.body.get("deployedModel", {})
    deployed = deployed_of(endpoint, changes.get("id", ""))
    deployed |= {key: changes[key] for key in ("disableContainerLogging", "enableAccessLogging") if key in changes}
    # How many replicas there are may change, and not what machines they are.
    resources = {**deployed.get("dedicatedResources", {}), **changes.get("dedicatedResources", {})}
    if "machineSpec" in deployed.get("dedicatedResources", {}):
        resources["machineSpec"] = deployed["dedicatedResources"]["machineSpec"]
    if resources:
        deployed["dedicatedResources"] = resources
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


def deployed_of(endpoint: Json, deployed_id: str) -> Json:
    """The deployed model of an id.

    Raises:
        Refusal: The endpoint has none of it.
    """
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
