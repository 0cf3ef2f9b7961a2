"""An empty endpoint a task, who may deploy to it, and what stands before the browser application."""

from constructs import Construct

from environments import Names
from environments.tasks import Tasks
from infra.components.acting_as import ActingAs, ActingAsProps
from infra.components.endpoint import Endpoint, EndpointProps
from infra.components.public_page import PublicPage, PublicPageProps
from infra.components.resource_pool import ResourcePool, ResourcePoolProps
from infra.components.web_server import WebServer, WebServerProps
from infra.stacks.base import Stack


class ServingStack(Stack):
    """Creates the endpoint of every task and lets pipelines deploy models under the serving identity.

    Shared replicas, the public page and its server exist where the environment switches them on.
    Deliberately deploys no model: machine type and replicas of `serving` in the environment are read by the rollout.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        serving = self.environment.serving
        for task in self.tasks:
            Endpoint(
                self,
                task.name,
                EndpointProps(
                    endpoint_id=names.endpoint_id(task.name),
                    display_name=names.name(f"endpoint-{task.name}"),
                    region=self.environment.region,
                    access=serving.endpoints,
                    consumers=serving.consumers,
                    kms_key=names.key("ml"),
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
        if serving.resource_pool:
            ResourcePool(
                self,
                "replicas",
                ResourcePoolProps(
                    name=names.resource_pool,
                    region=self.environment.region,
                    machine_type=serving.machine_type,
                    min_replicas=serving.min_replicas,
                    max_replicas=serving.max_replicas,
                ),
            )
        self._web()

    def _web(self) -> None:
        names, web = self.names, self.environment.web
        if web.domain:
            PublicPage(self, "page", PublicPageProps(name=names.name("page", 50), bucket=names.bucket("web"), domain=web.domain))
        if web.server:
            WebServer(
                self,
                "server",
                WebServerProps(
                    name=names.web_server,
                    region=self.environment.region,
                    service_account=names.service_account("serving"),
                    max_instances=self.environment.serving.max_replicas,
                    kms_key=names.key("data"),
                    deletion_protection=self.environment.data.deletion_protection,
                ),
            )
