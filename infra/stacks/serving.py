"""An empty endpoint a task, and who may deploy to it."""

from constructs import Construct

from environments import Names
from environments.tasks import Tasks
from infra.components.acting_as import ActingAs, ActingAsProps
from infra.components.endpoint import Endpoint, EndpointProps
from infra.stacks.base import Stack


class ServingStack(Stack):
    """Creates the endpoint of every task and lets pipelines deploy models under the serving identity.

    Deliberately deploys no model: machine type and replicas of `serving` in the environment are read by the rollout.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        for task in self.tasks:
            Endpoint(
                self,
                task.name,
                EndpointProps(
                    endpoint_id=names.endpoint_id(task.name),
                    display_name=names.name(f"endpoint-{task.name}"),
                    region=self.environment.region,
                    task=task.name,
                    owner=task.owner,
                    log_table=f"{names.project}.{names.dataset}.{names.requests_table(task.name)}",
                ),
            )
        ActingAs(
            self,
            "pipelines-deploy",
            ActingAsProps(
                project=names.project,
                account=names.service_account("serving"),
                member=f"serviceAccount:{names.service_account('pipelines')}",
            ),
        )
