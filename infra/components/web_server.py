"""The service that answers pages which cannot run a model themselves."""

from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.cloud_run_v2_service import (
    CloudRunV2Service,
    CloudRunV2ServiceTemplate,
    CloudRunV2ServiceTemplateContainers,
    CloudRunV2ServiceTemplateContainersResources,
    CloudRunV2ServiceTemplateScaling,
)
from constructs import Construct

PLACEHOLDER = "us-docker.pkg.dev/cloudrun/container/hello@sha256:95ade4b17adcd07623b0a0c68359e344fe54e65d0cb01b989e24c39f2fcd296a"
"""What runs until the rollout brings an image: Google refuses a service without one, and ours is built after this stack is applied."""


@dataclass(frozen=True, kw_only=True)
class WebServerProps:
    """A service, the identity that it runs under, and how far it may grow."""

    name: str
    region: str
    service_account: str
    max_instances: int
    kms_key: str | None
    """Full name of the key that encrypts its copy of the image; None leaves that to Google's own."""
    deletion_protection: bool


class WebServer(Construct):
    """Creates the shell of one Cloud Run service: name, identity, size, and that only a load balancer of this project reaches it.

    Deliberately has no image and no variables of its own: which model and which build answer is the rollout's, by digest. Nor may
    anybody call it yet: whoever puts it behind an address grants that, to somebody.
    """

    def __init__(self, scope: Construct, id: str, props: WebServerProps) -> None:
        super().__init__(scope, id)
        CloudRunV2Service(
            self,
            "service",
            name=props.name,
            location=props.region,
            ingress="INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
            deletion_protection=props.deletion_protection,
            template=CloudRunV2ServiceTemplate(
                service_account=props.service_account,
                encryption_key=props.kms_key,
                scaling=CloudRunV2ServiceTemplateScaling(min_instance_count=0, max_instance_count=props.max_instances),
                containers=[
                    CloudRunV2ServiceTemplateContainers(
                        image=PLACEHOLDER,
                        resources=CloudRunV2ServiceTemplateContainersResources(limits={"cpu": "1", "memory": "1Gi"}),
                    )
                ],
            ),
            lifecycle=TerraformResourceLifecycle(
                # The rollout owns image and variables; Terraform would set them back to the placeholder. Who wrote last, it notes too.
                ignore_changes=["template[0].containers[0].image", "template[0].containers[0].env", "client", "client_version"]
            ),
        )
