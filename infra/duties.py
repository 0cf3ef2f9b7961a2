"""Who does what: one identity a duty, and its roles on the project. Everything that can be granted on one resource is granted there."""

from dataclasses import dataclass

from environments import Environment, Names, load
from environments.names import Duty


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a duty is for, and what it may do on the whole project."""

    description: str
    roles: tuple[str, ...]


DUTIES: dict[Duty, Work] = {
    "builder": Work(description="Builds container images", roles=("roles/logging.logWriter",)),
    "pipelines": Work(
        description="Runs pipeline steps: prepares data, registers and deploys models",
        roles=("roles/aiplatform.user", "roles/bigquery.jobUser", "roles/logging.logWriter", "roles/monitoring.metricWriter"),
    ),
    "training": Work(
        description="Runs training jobs and asks Gemini",
        roles=("roles/aiplatform.user", "roles/bigquery.jobUser", "roles/logging.logWriter"),
    ),
    "serving": Work(description="Runs deployed models", roles=("roles/logging.logWriter",)),
    "workbench": Work(
        description="Runs notebooks: reads data, submits pipelines",
        roles=("roles/aiplatform.user", "roles/bigquery.jobUser", "roles/logging.logWriter", "roles/monitoring.metricWriter"),
    ),
    "dataflow": Work(
        description="Runs the workers of Dataflow jobs",
        roles=("roles/dataflow.worker", "roles/logging.logWriter", "roles/monitoring.metricWriter"),
    ),
    # Reads what a plan compares with, and no data: no role here opens an object, a row of a table, a message or a secret. What an online
    # store serves is the exception, which no narrower role of Vertex AI leaves out. Writes its builds' log.
    "plan": Work(
        description="Plans infrastructure for a pull request, and changes nothing",
        roles=(
            "roles/aiplatform.viewer",
            "roles/artifactregistry.reader",
            "roles/bigquery.metadataViewer",
            "roles/browser",
            "roles/cloudbuild.builds.viewer",
            "roles/cloudbuild.connectionViewer",
            "roles/cloudkms.viewer",
            "roles/cloudscheduler.viewer",
            "roles/compute.viewer",
            "roles/dns.reader",
            "roles/iam.securityReviewer",
            "roles/iam.serviceAccountViewer",
            "roles/iam.workloadIdentityPoolViewer",
            "roles/logging.logWriter",
            "roles/logging.viewer",
            "roles/monitoring.viewer",
            "roles/notebooks.viewer",
            "roles/pubsub.viewer",
            "roles/run.viewer",
            "roles/secretmanager.viewer",
            "roles/serviceusage.serviceUsageConsumer",
            "roles/storage.bucketViewer",
        ),
    ),
    "apply": Work(
        description="Applies reviewed plans",
        roles=(
            "roles/aiplatform.admin",
            "roles/artifactregistry.admin",
            "roles/bigquery.dataOwner",
            "roles/cloudbuild.builds.editor",
            "roles/cloudbuild.connectionAdmin",
            "roles/cloudkms.admin",
            "roles/cloudscheduler.admin",
            "roles/compute.networkAdmin",
            "roles/compute.securityAdmin",
            "roles/dns.admin",
            "roles/iam.serviceAccountAdmin",
            "roles/iam.workloadIdentityPoolAdmin",
            "roles/logging.configWriter",
            "roles/logging.logWriter",
            "roles/monitoring.editor",
            "roles/notebooks.admin",
            "roles/pubsub.admin",
            "roles/resourcemanager.projectIamAdmin",
            # For the labels of the project itself; a move would take a role above it.
            "roles/resourcemanager.projectMover",
            "roles/run.admin",
            "roles/secretmanager.admin",
            # Google registers a private endpoint of its APIs in the Service Directory, on behalf of who makes it.
            "roles/servicedirectory.editor",
            "roles/serviceusage.serviceUsageAdmin",
            "roles/storage.admin",
        ),
    ),
}
"""Duty → its work. What nobody can hold on a project is granted above it, to `apply` for changing and to `plan` for reading: organisation
policies on the organisation, the budget on the billing account."""

BOOTSTRAPPED: tuple[Duty, ...] = ("plan", "apply")
"""Whoever applies the first stack must exist before it: `make bootstrap` makes these, and the foundation stack adopts them."""


def promoters(names: Names) -> dict[str, str]:
    """Who takes releases on from here: a short stable word → IAM member. Nobody, where no target is named."""
    target = names.environment.promotion.target
    if target is None:
        return {}
    return {"promotion": f"serviceAccount:{Names(names.organisation, load(target)).service_account('apply')}"}


def duties(environment: Environment) -> list[Duty]:
    """Duties that somebody performs in the environment."""
    off: set[Duty] = set()
    if not environment.workbench.enabled:
        off.add("workbench")
    if environment.training.dataflow is None:
        off.add("dataflow")
    return [duty for duty in DUTIES if duty not in off]
