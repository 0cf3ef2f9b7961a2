"""Deploys versions to an endpoint; gives one all of the traffic and removes what has none."""

from dataclasses import dataclass
from typing import Any

from google.api_core.exceptions import NotFound

from environments.clients import Clients


class RolloutError(Exception):
    """A version did not get the traffic; the message is complete and meant for people."""


@dataclass(frozen=True)
class Deployment:
    """What serves an endpoint after a rollout."""

    endpoint: str
    version: str
    deployed_model: str
    """Id of the deployed model, which is a key of the endpoint's traffic split."""
    changed: bool
    """False when the version had all traffic already."""
    undeployed: tuple[str, ...]


def deploy(clients: Clients, task: str, version: str) -> Deployment:
    """Give `version` of the task's model all traffic, at once: for the first champion, and to finish what a canary began.

    Each step looks at what is there, so a rollout that was cut off is finished by the next one: traffic moves only once the
    new version is up, and the old one goes only once it has no traffic.

    Args:
        clients: clients of the environment.
        task: name of the task; its endpoint and its model are derived from it.
        version: version id, e.g. `3`.

    Raises:
        RolloutError: when the endpoint is not there, or Vertex AI does not list what it says it deployed.
    """
    found = endpoint(clients, task)
    serving = deployed(found, clients.names.model_id(task), version)
    changed = serving is None
    if serving is None:
        serving = start(clients, task, found, version)
    if found.traffic_split != {serving.id: 100}:
        found.update(traffic_split={serving.id: 100})
        changed = True
    idle = tuple(one.id for one in found.list_models() if one.id != serving.id)
    for one in idle:
        found.undeploy(one)
    return Deployment(found.resource_name, version, serving.id, changed, idle)


def endpoint(clients: Clients, task: str) -> Any:
    """The task's endpoint, as an `aiplatform.Endpoint`.

    Raises:
        RolloutError: when it is not there.
    """
    found = clients.vertex().Endpoint(clients.names.endpoint(task))
    try:
        found.list_models()
    except NotFound:
        raise RolloutError(
            f"the endpoint {clients.names.endpoint(task)} does not exist, so no version of {task} can serve. Nothing was changed. "
            f"Terraform declares it: python -m infra.terraform apply --env {clients.names.environment.name} --stack serving"
        ) from None
    return found


def deployed(endpoint: Any, model: str, version: str) -> Any | None:
    """The endpoint's deployed model of that version; the newest, should a rollout that was cut off have left two.

    What an endpoint lists is ready: Vertex AI adds a deployed model when its server is healthy.
    """
    of_version = [one for one in endpoint.list_models() if one.model_version_id == version]
    # Google answers with the project's number where names have its id, so only the last part is compared.
    found = [one for one in of_version if one.model.partition("@")[0].endswith(f"/models/{model}")]
    return max(found, key=lambda one: one.create_time, default=None)


def replicas(clients: Clients) -> dict[str, Any]:
    """What a deployed model runs on, as `Endpoint.deploy` takes it: the pool that all share, or replicas of its own."""
    serving = clients.names.environment.serving
    if serving.resource_pool:
        return {"deployment_resource_pool": clients.vertex().DeploymentResourcePool(clients.names.resource_pool_name)}
    return {
        "machine_type": serving.machine_type,
        "min_replica_count": serving.min_replicas,
        "max_replica_count": serving.max_replicas,
    }


def start(clients: Clients, task: str, endpoint: Any, version: str) -> Any:
    """Deploy a version without traffic and return the deployed model once it is ready.

    Raises:
        RolloutError: when Vertex AI does not list what it says it deployed.
    """
    endpoint.deploy(
        clients.vertex().Model(clients.names.model(task), version=version),
        deployed_model_display_name=f"{task}-{version}",
        # An endpoint's first deployed model cannot be without traffic.
        traffic_percentage=0 if endpoint.traffic_split else 100,
        service_account=clients.names.service_account("serving"),
        **replicas(clients),
    )
    found = deployed(endpoint, clients.names.model_id(task), version)
    if found is None:
        raise RolloutError(
            f"Vertex AI reports that version {version} was deployed to {endpoint.resource_name}, but does not list it. "
            "What served before keeps its traffic. Run it again, which looks at the endpoint anew."
        )
    return found
