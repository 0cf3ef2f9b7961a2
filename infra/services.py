"""Google's own services: the APIs that an environment's switches need, and the service agents under which they work in the project."""

from environments import Environment
from environments.names import Agent
from environments.schema import KeyPurpose

APIS = (
    "aiplatform",
    "artifactregistry",
    "bigquery",
    "cloudbuild",
    "cloudresourcemanager",
    "compute",
    "containerscanning",
    "iam",
    "iamcredentials",
    "logging",
    "monitoring",
    "pubsub",
    "secretmanager",
    "serviceusage",
    "storage",
)
"""What every environment needs, without `.googleapis.com`."""

AGENTS: tuple[Agent, ...] = (
    "aiplatform",
    "artifactregistry",
    "bigquery",
    "cloudbuild",
    "compute",
    "pubsub",
    "secretmanager",
    "storage",
)
"""Service agents that grants of every environment name. Vertex AI's agent for custom code (`gcp-sa-aiplatform-cc`) is not among them:
it comes into being with the first job, and until then Google refuses any grant to it."""

AGENT_ROLES: dict[Agent, str] = {
    "aiplatform": "roles/aiplatform.serviceAgent",
    "artifactregistry": "roles/artifactregistry.serviceAgent",
    "cloudbuild": "roles/cloudbuild.serviceAgent",
    "dataflow": "roles/dataflow.serviceAgent",
    "notebooks": "roles/notebooks.serviceAgent",
    "pubsub": "roles/pubsub.serviceAgent",
    "run": "roles/run.serviceAgent",
}
"""Agents that are made because somebody asks for them → the role without which their service does not work. Google grants it by itself
only to those that it makes by itself. https://cloud.google.com/iam/docs/create-service-agents"""

KEY_USERS: dict[KeyPurpose, tuple[Agent, ...]] = {
    "data": ("artifactregistry", "bigquery", "dataflow", "pubsub", "run", "storage"),
    "ml": ("aiplatform",),
    "workbench": ("compute", "notebooks"),
    "secrets": ("secretmanager",),
    "releases": ("storage",),
}
"""What a key encrypts → the agents that encrypt and decrypt with it."""


def apis(environment: Environment) -> list[str]:
    """APIs that the environment needs for what is switched on."""
    network = environment.network
    switched = {
        "billingbudgets": environment.budget is not None,
        "cloudbilling": environment.project.mode == "create",
        "cloudkms": environment.keys.mode != "none" or bool(environment.approvers),
        "cloudscheduler": environment.monitoring.schedule is not None,
        "dataflow": environment.training.dataflow is not None,
        "dns": network.mode == "create",
        "notebooks": environment.workbench.enabled,
        "orgpolicy": environment.organisation_policies.mode == "create",
        "run": environment.web.server,
        "servicedirectory": network.mode == "create" and network.private_service_connect,
        "sts": environment.federation.mode != "none",
    }
    return sorted([*APIS, *(api for api, on in switched.items() if on)])


def agents(environment: Environment) -> list[Agent]:
    """Service agents that the environment grants something."""
    switched: dict[Agent, bool] = {
        "dataflow": environment.training.dataflow is not None,
        "notebooks": environment.workbench.enabled,
        "run": environment.web.server,
    }
    return sorted([*AGENTS, *(agent for agent, on in switched.items() if on)])


def key_users(environment: Environment) -> dict[KeyPurpose, list[Agent]]:
    """Purpose → agents that use its key; none where nothing of that kind is switched on."""
    there = agents(environment)
    users = {purpose: [agent for agent in every if agent in there] for purpose, every in KEY_USERS.items()}
    if environment.training.dataflow is not None:
        # The disks of its workers. https://cloud.google.com/dataflow/docs/guides/customer-managed-encryption-keys
        users["data"].append("compute")
    return {purpose: every for purpose, every in users.items() if purpose != "workbench" or environment.workbench.enabled}
