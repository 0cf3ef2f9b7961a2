"""The address behind which a task's models are served."""

from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.vertex_ai_endpoint import VertexAiEndpoint
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class EndpointProps:
    """An endpoint of one task."""

    endpoint_id: str
    display_name: str
    region: str
    task: str
    owner: str
    """The team that answers for the model."""


class Endpoint(Construct):
    """Creates one empty endpoint.

    Deliberately deploys nothing: models, deployments and the traffic between champion and challenger change many times a
    day and belong to the rollout, so that a plan of this stack never touches them.
    """

    def __init__(self, scope: Construct, id: str, props: EndpointProps) -> None:
        super().__init__(scope, id)
        VertexAiEndpoint(
            self,
            "endpoint",
            name=props.endpoint_id,
            display_name=props.display_name,
            description=f"Online predictions of the task {props.task}",
            location=props.region,
            region=props.region,
            labels={"task": props.task, "owner": props.owner},
            # The rollout owns the traffic split; Terraform would set it back to nothing in the middle of a canary.
            # `deployed_models` is read-only in the provider and needs no entry here.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["traffic_split"]),
        )
