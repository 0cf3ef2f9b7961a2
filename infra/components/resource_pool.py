"""Replicas that several deployed models share."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.vertex_ai_deployment_resource_pool import (
    VertexAiDeploymentResourcePool,
    VertexAiDeploymentResourcePoolDedicatedResources,
    VertexAiDeploymentResourcePoolDedicatedResourcesMachineSpec,
)
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class ResourcePoolProps:
    """A pool and its size."""

    name: str
    region: str
    machine_type: str
    min_replicas: int
    max_replicas: int


class ResourcePool(Construct):
    """Creates one deployment resource pool, whose replicas run, and are paid for, from its creation on.

    Deliberately deploys nothing to it (the rollout does) and has no key: google provider 6.50.0 cannot give it one, and an endpoint
    takes a pool of its own key only, so that an environment with keys is refused a pool.
    """

    def __init__(self, scope: Construct, id: str, props: ResourcePoolProps) -> None:
        super().__init__(scope, id)
        VertexAiDeploymentResourcePool(
            self,
            "pool",
            name=props.name,
            region=props.region,
            dedicated_resources=VertexAiDeploymentResourcePoolDedicatedResources(
                machine_spec=VertexAiDeploymentResourcePoolDedicatedResourcesMachineSpec(machine_type=props.machine_type),
                min_replica_count=props.min_replicas,
                max_replica_count=props.max_replicas,
            ),
        )
