"""The address behind which a task's models are served."""

from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.vertex_ai_endpoint import (
    VertexAiEndpoint,
    VertexAiEndpointPredictRequestResponseLoggingConfig,
    VertexAiEndpointPredictRequestResponseLoggingConfigBigqueryDestination,
)
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
    log_table: str
    """`project.dataset.table` of every request with its answer: what drift is measured on."""


class Endpoint(Construct):
    """Creates one empty endpoint that logs its requests.

    Deliberately deploys nothing: models, deployments and the traffic between champion and challenger change many times a
    day and belong to the rollout, so that a plan of this stack never touches them. Nor the table of the log: Vertex AI makes it,
    with columns of its own.
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
            predict_request_response_logging_config=VertexAiEndpointPredictRequestResponseLoggingConfig(
                enabled=True,
                sampling_rate=1,
                bigquery_destination=VertexAiEndpointPredictRequestResponseLoggingConfigBigqueryDestination(
                    output_uri=f"bq://{props.log_table}"
                ),
            ),
            # The rollout owns the traffic split; Terraform would set it back to nothing in the middle of a canary.
            # `deployed_models` is read-only in the provider and needs no entry here.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["traffic_split"]),
        )
