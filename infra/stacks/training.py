"""Where training reports, which networks its jobs can be in, and who may start it."""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.compute_network_attachment import ComputeNetworkAttachment
from cdktf_cdktf_provider_google.vertex_ai_tensorboard import VertexAiTensorboard, VertexAiTensorboardEncryptionSpec
from constructs import Construct

from environments import Names
from environments.names import Duty
from environments.tasks import Tasks
from infra.components.acting_as import ActingAs, ActingAsProps
from infra.components.dataflow import DataflowNetwork, DataflowNetworkProps
from infra.stacks.base import Stack


class TrainingStack(Stack):
    """Creates the TensorBoard, what puts jobs into the VPC where that is switched on, and lets pipelines start jobs.

    Deliberately creates no job, experiment or schedule: a run is an event, and events belong to the pipelines. Nor a bucket for
    what jobs stage: that lies under a prefix of the bucket `pipelines` (`names.staging`), which forgets it after half a year. A
    persistent resource has no type in this provider; whoever needs one makes it in Python.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        key = names.key("ml")
        VertexAiTensorboard(
            self,
            "tensorboard",
            display_name=names.tensorboard,
            description="Training runs of every task",
            region=self.environment.region,
            encryption_spec=VertexAiTensorboardEncryptionSpec(kms_key_name=key) if key else None,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if self.environment.data.deletion_protection else None,
        )
        self._started_by_pipelines("pipelines-train", "training")
        if self.environment.training.private_network:
            # A job that names it gets an address in the subnetwork; nothing is peered, and no range is reserved for Google.
            ComputeNetworkAttachment(
                self,
                "attachment",
                name=names.network_attachment,
                region=self.environment.region,
                description="Gives training jobs an address in the VPC",
                connection_preference="ACCEPT_AUTOMATIC",
                subnetworks=[names.subnetwork_resource],
            )
        if self.environment.training.dataflow:
            self._dataflow(self.environment.training.dataflow.ip_range)

    def _dataflow(self, ip_range: str | None) -> None:
        self._started_by_pipelines("pipelines-dataflow", "dataflow")
        if ip_range:
            DataflowNetwork(
                self,
                "dataflow",
                DataflowNetworkProps(
                    network=self.names.network_resource,
                    subnetwork=self.names.dataflow_subnetwork,
                    region=self.environment.region,
                    ip_range=ip_range,
                    into=self.names.name("into-workers"),
                    out_of=self.names.name("out-of-workers"),
                ),
            )

    def _started_by_pipelines(self, id: str, duty: Duty) -> None:
        """Pipelines may start jobs under the identity of `duty`."""
        ActingAs(
            self,
            id,
            ActingAsProps(
                project=self.names.project,
                account=self.names.service_account(duty),
                member=f"serviceAccount:{self.names.service_account('pipelines')}",
            ),
        )
