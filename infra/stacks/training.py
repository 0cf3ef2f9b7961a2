"""Where training reports, and who may start it."""

from cdktf_cdktf_provider_google.vertex_ai_tensorboard import VertexAiTensorboard
from constructs import Construct

from environments import Names
from environments.tasks import Tasks
from infra.components.acting_as import ActingAs, ActingAsProps
from infra.stacks.base import Stack


class TrainingStack(Stack):
    """Creates the TensorBoard and lets pipelines start jobs under the training identity.

    Deliberately creates no job, experiment or schedule: a run is an event, and events belong to the pipelines.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        VertexAiTensorboard(
            self,
            "tensorboard",
            display_name=names.tensorboard,
            description="Training runs of every task",
            region=self.environment.region,
        )
        ActingAs(
            self,
            "pipelines-train",
            ActingAsProps(
                project=names.project,
                account=names.service_account("training"),
                member=f"serviceAccount:{names.service_account('pipelines')}",
            ),
        )
