"""The project, its APIs, and one identity a duty."""

from cdktf_cdktf_provider_google.project import Project
from cdktf_cdktf_provider_google.project_service import ProjectService
from constructs import Construct

from environments import Environment, Names
from environments.names import Duty
from environments.tasks import Tasks
from infra.components.identity import Identity, IdentityProps
from infra.stacks.base import Stack

APIS = (
    "aiplatform",
    "artifactregistry",
    "bigquery",
    "cloudbuild",
    "cloudresourcemanager",
    "compute",
    "iam",
    "logging",
    "monitoring",
    "pubsub",
    "serviceusage",
    "storage",
)

DUTIES: dict[Duty, tuple[str, tuple[str, ...]]] = {
    "builder": ("Builds container images", ("roles/logging.logWriter",)),
    "pipelines": (
        "Runs pipeline steps: prepares data, registers and deploys models",
        ("roles/aiplatform.user", "roles/bigquery.jobUser", "roles/logging.logWriter", "roles/monitoring.metricWriter"),
    ),
    "training": ("Runs training jobs and asks Gemini", ("roles/aiplatform.user", "roles/bigquery.jobUser", "roles/logging.logWriter")),
    "serving": ("Runs deployed models", ("roles/logging.logWriter", "roles/monitoring.metricWriter")),
    "workbench": (
        "Runs notebooks: reads data, submits pipelines",
        ("roles/aiplatform.user", "roles/bigquery.jobUser", "roles/logging.logWriter", "roles/monitoring.metricWriter"),
    ),
}
"""Duty → what it does, and its roles on the project. Everything that can be granted on one resource is granted there."""


def apis(environment: Environment) -> list[str]:
    """APIs that the environment needs for what is switched on, without `.googleapis.com`."""
    return sorted([*APIS, *(["notebooks"] if environment.workbench.enabled else [])])


def duties(environment: Environment) -> list[Duty]:
    """Duties that somebody performs in the environment."""
    return [duty for duty in DUTIES if duty != "workbench" or environment.workbench.enabled]


class FoundationStack(Stack):
    """Creates (or uses) the project, enables APIs, creates identities and their project roles.

    Deliberately creates no bucket for its own state (`make bootstrap` does, before any stack), no organisation policy, no
    audit configuration and no budget: they belong to the organisation. An API is never disabled on destroy, since somebody
    else's work in a used project may need it.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        create = names.environment.project.mode == "create"
        super().__init__(scope, id, names=names, tasks=tasks, project_exists=not create)
        project = self._project() if create else names.project
        enabled = [
            ProjectService(self, f"api-{api}", project=project, service=f"{api}.googleapis.com", disable_on_destroy=False)
            for api in apis(self.environment)
        ]
        for duty in duties(self.environment):
            description, roles = DUTIES[duty]
            Identity(
                self,
                duty,
                IdentityProps(
                    project=project,
                    account_id=names.service_account_id(duty),
                    description=description,
                    project_roles=roles,
                    depends_on=enabled,
                ),
            )

    def _project(self) -> str:
        """The created project's id, as a reference that orders everything after it."""
        declared = self.environment.project
        project = Project(
            self,
            "project",
            name=declared.id,
            project_id=declared.id,
            folder_id=declared.folder,
            billing_account=declared.billing_account,
            auto_create_network=False,
            # It holds the state bucket: a destroy lets go of it, and never takes Terraform's own state away.
            deletion_policy="PREVENT" if self.environment.data.deletion_protection else "ABANDON",
        )
        # The bootstrap makes it, since the state bucket needs a project before any stack can be planned.
        # An override, since cdktf's own import_from starts a terraform at every synthesis to ask for its version.
        address = f"{project.terraform_resource_type}.{project.friendly_unique_id}"
        self.add_override("import", [{"to": address, "id": f"projects/{declared.id}"}])
        return project.project_id
