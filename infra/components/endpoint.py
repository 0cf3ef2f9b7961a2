"""The address behind which a task's models are served."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.vertex_ai_endpoint import (
    VertexAiEndpoint,
    VertexAiEndpointEncryptionSpec,
    VertexAiEndpointPredictRequestResponseLoggingConfig,
    VertexAiEndpointPredictRequestResponseLoggingConfigBigqueryDestination,
    VertexAiEndpointPrivateServiceConnectConfig,
)
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class EndpointProps:
    """An endpoint of one task."""

    endpoint_id: str
    display_name: str
    region: str
    access: Literal["dedicated", "shared", "private"]
    """A host of its own, the region's common host, or Private Service Connect."""
    consumers: Sequence[str]
    """Projects whose networks may reach a private endpoint."""
    kms_key: str | None
    """Full name of the key that encrypts what is deployed; None leaves it to Google's."""
    task: str
    owner: str
    """The team that answers for the model."""
    log_table: str
    """`project.dataset.table` of every request with its answer: what drift is measured on."""


class Endpoint(Construct):
    """Creates one empty endpoint that logs its requests.

    Clients of Google's SDK find the host of a dedicated endpoint by themselves; others read `dedicatedEndpointDns`, since the region's
    common host does not answer for it.
    Deliberately deploys nothing: models, deployments and the traffic between champion and challenger change many times a
    day and belong to the rollout, so that a plan of this stack never touches them. Nor the table of the log: Vertex AI makes it,
    with columns of its own. A private endpoint's forwarding rule belongs to the network of whoever consumes it.
    """

    def __init__(self, scope: Construct, id: str, props: EndpointProps) -> None:
        super().__init__(scope, id)
        VertexAiEndpoint(
            self,
            "endpoint",
            name=props.endpoint_id,
            display_name=props.display_name,
            description=f"Online predictions of the task {props.task}",
            # Without `region`, which repeats it: no import can read it back, so that an adopted endpoint would be replaced.
            location=props.region,
            labels={"task": props.task, "owner": props.owner},
            dedicated_endpoint_enabled=True if props.access == "dedicated" else None,
            private_service_connect_config=VertexAiEndpointPrivateServiceConnectConfig(
                enable_private_service_connect=True, project_allowlist=list(props.consumers)
            )
            if props.access == "private"
            else None,
            encryption_spec=VertexAiEndpointEncryptionSpec(kms_key_name=props.kms_key) if props.kms_key else None,
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
