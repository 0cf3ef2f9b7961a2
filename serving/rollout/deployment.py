"""Puts a version in front of all of an endpoint's traffic and removes what has none."""

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
    """Give `version` of the task's model all traffic.

    Each step looks at what is there, so a rollout that was cut off is finished by the next one: traffic moves only once the
    new version is up, and the old one goes only once it has no traffic.

    Args:
        clients: clients of the environment.
        task: name of the task; its endpoint and its model are derived from it.
        version: version id, e.g. `3`.

    Raises:
        RolloutError: when the endpoint is not there, or Vertex AI does not list what it says it deployed.
    """
    aiplatform = clients.vertex()
    endpoint = aiplatform.Endpoint(clients.names.endpoint(task))
    model = clients.names.model_id(task)
    serving = clients.names.environment.serving
    changed = False
    try:
        deployed = _deployed(endpoint, model, version)
    except NotFound:
        environment = clients.names.environment.name
        raise RolloutError(
            f"the endpoint {clients.names.endpoint(task)} does not exist, so version {version} cannot serve. Nothing was changed. "
            f"Terraform declares it: python -m infra.terraform apply --env {environment} --stack serving"
        ) from None
    if deployed is None:
        endpoint.deploy(
            aiplatform.Model(clients.names.model(task), version=version),
            deployed_model_display_name=f"{task}-{version}",
            traffic_percentage=100,
            machine_type=serving.machine_type,
            min_replica_count=serving.min_replicas,
            max_replica_count=serving.max_replicas,
            service_account=clients.names.service_account("serving"),
        )
        changed = True
        deployed = _deployed(endpoint, model, version)
        if deployed is None:
            raise RolloutError(
                f"Vertex AI reports that version {version} was deployed to {endpoint.resource_name}, but does not list it. "
                "The old version keeps its place. Run the pipeline again, which looks at the endpoint anew."
            )
    elif endpoint.traffic_split != {deployed.id: 100}:
        endpoint.update(traffic_split={deployed.id: 100})
        changed = True
    idle = tuple(one.id for one in endpoint.list_models() if one.id != deployed.id)
    for one in idle:
        endpoint.undeploy(one)
    return Deployment(endpoint.resource_name, version, deployed.id, changed, idle)


def _deployed(endpoint: Any, model: str, version: str) -> Any | None:
    """The endpoint's deployed model of that version; the newest, should a rollout that was cut off have left two."""
    of_version = [one for one in endpoint.list_models() if one.model_version_id == version]
    # Google answers with the project's number where names have its id, so only the last part is compared.
    found = [one for one in of_version if one.model.partition("@")[0].endswith(f"/models/{model}")]
    return max(found, key=lambda one: one.create_time, default=None)
