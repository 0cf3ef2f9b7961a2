"""Every name, derived: what Terraform declares and what code uses come from the same lines, so nothing is looked up."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from environments.schema import Environment, KeyPurpose, Organisation

Duty = Literal["builder", "pipelines", "training", "serving", "workbench", "dataflow", "plan", "apply"]
Bucket = Literal["raw", "processed", "models", "pipelines", "logs", "web", "workbench"]
Table = Literal["examples", "predictions", "verdicts"]
Topic = Literal["alerts", "retraining", "monitoring", "undelivered"]
Subscription = Literal["retraining", "monitoring", "undelivered"]
Secret = Literal["github"]
Agent = Literal[
    "aiplatform", "artifactregistry", "bigquery", "cloudbuild", "compute", "dataflow", "notebooks", "pubsub", "run", "secretmanager",
    "storage",
]  # fmt: skip


def shorten(name: str, limit: int) -> str:
    """`name`, or its head with a digest of the whole when it is longer than `limit` characters."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: limit - 7].rstrip('-_')}-{digest}"


@dataclass(frozen=True)
class Names:
    """The names of one environment of one team."""

    organisation: Organisation
    environment: Environment

    DUTIES: ClassVar[tuple[Duty, ...]] = get_args(Duty)
    BUCKETS: ClassVar[tuple[Bucket, ...]] = get_args(Bucket)
    TABLES: ClassVar[tuple[Table, ...]] = get_args(Table)
    TOPICS: ClassVar[tuple[Topic, ...]] = get_args(Topic)
    SUBSCRIPTIONS: ClassVar[tuple[Subscription, ...]] = get_args(Subscription)
    SECRETS: ClassVar[tuple[Secret, ...]] = get_args(Secret)
    AGENTS: ClassVar[dict[Agent, str]] = {
        "aiplatform": "service-{}@gcp-sa-aiplatform.iam.gserviceaccount.com",
        "artifactregistry": "service-{}@gcp-sa-artifactregistry.iam.gserviceaccount.com",
        "bigquery": "bq-{}@bigquery-encryption.iam.gserviceaccount.com",
        "cloudbuild": "service-{}@gcp-sa-cloudbuild.iam.gserviceaccount.com",
        "compute": "service-{}@compute-system.iam.gserviceaccount.com",
        "dataflow": "service-{}@dataflow-service-producer-prod.iam.gserviceaccount.com",
        "notebooks": "service-{}@gcp-sa-notebooks.iam.gserviceaccount.com",
        "pubsub": "service-{}@gcp-sa-pubsub.iam.gserviceaccount.com",
        "run": "service-{}@serverless-robot-prod.iam.gserviceaccount.com",
        "secretmanager": "service-{}@gcp-sa-secretmanager.iam.gserviceaccount.com",
        "storage": "service-{}@gs-project-accounts.iam.gserviceaccount.com",
    }

    def name(self, purpose: str, limit: int = 63) -> str:
        """The organisation's pattern around `purpose`, e.g. `acme-gemini-dev-raw`."""
        parts = {
            "prefix": self.organisation.prefix,
            "team": self.organisation.team,
            "environment": self.environment.name,
            "purpose": purpose,
        }
        return shorten(self.organisation.separator.join(parts[part] for part in self.organisation.order), limit)

    def identifier(self, purpose: str, limit: int = 60) -> str:
        """The same with underscores, for BigQuery and Feature Store, which forbid dashes."""
        return self.name(purpose, limit).replace("-", "_")

    @property
    def project(self) -> str:
        """Project id."""
        return self.environment.project.id

    @property
    def project_number(self) -> str:
        """Number of the project, by which Google names its own service agents.

        Raises:
            ConfigurationError: when the environment's file does not say it yet.
        """
        number = self.environment.project.number
        if number is None:
            from environments.loading import ConfigurationError  # which reads files into these names

            name = self.environment.name
            raise ConfigurationError(
                f"environments/{name}.yaml has no project.number, so Google's service agents could be granted nothing. "
                f"Nothing was changed. Run make bootstrap ENV={name}, which makes the project, and write down the number that it says."
            )
        return number

    @property
    def location(self) -> str:
        """`projects/P/locations/R`, the parent of every regional Vertex AI resource."""
        return f"projects/{self.project}/locations/{self.environment.region}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels on everything of this environment."""
        expires = self.environment.expires_on
        ends = {"ttl": expires.isoformat()} if expires else {}
        return {**self.organisation.labels, "environment": self.environment.name, "team": self.organisation.team, **ends}

    # Terraform's own state

    @property
    def state_bucket(self) -> str:
        """The bucket that holds this environment's Terraform state; made by `make bootstrap`, before any stack."""
        return self.name("tfstate")

    def stack(self, stack: str) -> str:
        """Stack id, which is also its prefix in the state bucket: `dev-serving`."""
        return f"{self.environment.name}-{stack}"

    # Identity

    def service_account_id(self, duty: Duty) -> str:
        """Account id (at most 30 characters) of the identity that does `duty`."""
        return self.name(duty, 30)

    def service_account(self, duty: Duty) -> str:
        """E-mail of the identity that does `duty`."""
        return f"{self.service_account_id(duty)}@{self.project}.iam.gserviceaccount.com"

    def service_agent(self, service: Agent) -> str:
        """E-mail of the identity under which Google's own `service` works in the project."""
        return self.AGENTS[service].format(self.project_number)

    @property
    def workload_identity_pool_id(self) -> str:
        """Id of the pool through which GitHub's workflows act, where it is ours."""
        return self.name("github", 32)

    @property
    def workload_identity_pool(self) -> str | None:
        """Full resource name of that pool; None where nobody acts from outside."""
        federation = self.environment.federation
        if federation.mode == "none":
            return None
        if federation.mode == "use":
            return federation.pool
        return f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.workload_identity_pool_id}"

    def secret(self, purpose: Secret) -> str:
        """Secret id; what it holds never passes through Terraform."""
        return self.name(purpose)

    @property
    def audit_logs(self) -> str:
        """The log bucket that keeps the audit logs, and the sink that fills it."""
        return self.name("audit")

    @property
    def budget(self) -> str:
        """Display name of the budget."""
        return self.name("budget", 60)

    # Keys

    @property
    def key_ring(self) -> str:
        """The ring of the environment's own keys. Neither it nor a key can ever be deleted."""
        return self.name("keys")

    def key(self, purpose: KeyPurpose) -> str | None:
        """Full resource name of the key that encrypts `purpose`; None where Google's own keys do."""
        keys = self.environment.keys
        if keys.mode == "create":
            return f"{self.location}/keyRings/{self.key_ring}/cryptoKeys/{purpose}"
        return keys.names[purpose] if keys.mode == "use" else None

    @property
    def approval_ring(self) -> str:
        """The ring of the keys with which people sign approvals; as permanent as the other."""
        return self.name("approvals")

    def approver_key_id(self, person: str) -> str:
        """Id of the key with which one person signs, e.g. `ml-lead-1a2b3c`."""
        digest = hashlib.sha256(person.encode()).hexdigest()[:6]
        readable = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in person.partition("@")[0])
        return f"{readable[:56]}-{digest}"

    def approver_key(self, person: str) -> str:
        """Full resource name of that key."""
        return f"{self.location}/keyRings/{self.approval_ring}/cryptoKeys/{self.approver_key_id(person)}"

    # Network

    @property
    def network(self) -> str:
        """The VPC, where it is ours."""
        return self.name("vpc")

    @property
    def subnetwork(self) -> str:
        """The subnetwork of the region, where it is ours."""
        return self.name("subnet")

    @property
    def network_resource(self) -> str:
        """Full resource name of the VPC, ours or the one that is used."""
        network = self.environment.network
        return network.network if network.mode == "use" else f"projects/{self.project}/global/networks/{self.network}"

    @property
    def subnetwork_resource(self) -> str:
        """Full resource name of the subnetwork, ours or the one that is used."""
        network = self.environment.network
        if network.mode == "use":
            return network.subnetwork
        return f"projects/{self.project}/regions/{self.environment.region}/subnetworks/{self.subnetwork}"

    @property
    def google_apis_endpoint(self) -> str:
        """The private endpoint of Google's APIs. Google takes at most 20 lower-case letters and digits here."""
        return self.name("apis", 20).replace("-", "")

    # Data

    def bucket(self, purpose: Bucket) -> str:
        """A bucket's name, globally unique by its prefix and team."""
        return self.name(purpose)

    def uri(self, purpose: Bucket, *parts: str) -> str:
        """`gs://` address inside a bucket."""
        return "/".join((f"gs://{self.bucket(purpose)}", *parts))

    @property
    def dataset(self) -> str:
        """BigQuery dataset for examples, features and predictions."""
        return self.identifier("ml")

    def table(self, table: Table) -> str:
        """`project.dataset.table` of a table that every task shares."""
        return f"{self.project}.{self.dataset}.{table}"

    def managed_dataset(self, task: str) -> str:
        """Display name of the Vertex AI dataset of a task; Google numbers them itself."""
        return self.name(f"{task}-examples")

    @property
    def repository(self) -> str:
        """Artifact Registry repository of container images."""
        return self.name("images")

    @property
    def image_repository(self) -> str:
        """The repository's address: `europe-west4-docker.pkg.dev/P/acme-gemini-dev-images`."""
        return f"{self.environment.region}-docker.pkg.dev/{self.project}/{self.repository}"

    def image(self, image: str) -> str:
        """A container image without tag or digest: `europe-west4-docker.pkg.dev/P/acme-gemini-dev-images/serving`."""
        return f"{self.image_repository}/{image}"

    def built_images(self, source: str) -> str:
        """`gs://` address of the digests of the images that were built from the source with this digest."""
        return self.uri("pipelines", "images", source, "images.json")

    # People

    def workbench_instance(self, key: str) -> str:
        """A Workbench instance, by its key in `workbench.instances`."""
        return self.name(f"workbench-{key}")

    # Features

    def feature_group(self, task: str) -> str:
        """Feature group of a task's embeddings; its BigQuery table carries the same name."""
        return self.identifier(f"{task}-features")

    def feature_table(self, task: str) -> str:
        """`project.dataset.table` of a task's features."""
        return f"{self.project}.{self.dataset}.{self.feature_group(task)}"

    def annotation_group(self, task: str) -> str:
        """Feature group of what Gemini says about a task's examples; its BigQuery table carries the same name."""
        return self.identifier(f"{task}-annotations")

    def annotation_table(self, task: str) -> str:
        """`project.dataset.table` of a task's annotations."""
        return f"{self.project}.{self.dataset}.{self.annotation_group(task)}"

    @property
    def online_store(self) -> str:
        """Feature online store."""
        return self.identifier("online")

    def feature_view(self, task: str) -> str:
        """Feature view of a task in the online store."""
        return self.identifier(f"{task}-view")

    def similar_view(self, task: str) -> str:
        """Feature view of a task with an index over its embeddings, in an optimised store."""
        return self.identifier(f"{task}-similar")

    # Training and serving

    @property
    def tensorboard(self) -> str:
        """Display name: Google numbers TensorBoards itself, so this is the one name that is listed by filter."""
        return self.name("tensorboard")

    @property
    def staging(self) -> str:
        """`gs://` prefix under which the SDK and Dataflow stage what a job brings along."""
        return self.uri("pipelines", "staging")

    @property
    def network_attachment(self) -> str:
        """What gives a training job an address in the VPC."""
        return self.name("training")

    @property
    def dataflow_subnetwork(self) -> str:
        """The subnetwork of Dataflow's workers, where they have one of their own."""
        return self.name("dataflow")

    def experiment(self, task: str) -> str:
        """Vertex AI experiment that collects a task's runs."""
        return self.name(task)

    def model_id(self, task: str) -> str:
        """Model id in the registry; versions and aliases hang below it."""
        return self.name(task)

    def model(self, task: str) -> str:
        """Full resource name of a task's model."""
        return f"{self.location}/models/{self.model_id(task)}"

    def endpoint_id(self, task: str) -> str:
        """Endpoint id: Google wants ten digits, so they are a digest of the name."""
        digest = hashlib.sha256(self.name(f"endpoint-{task}").encode()).digest()
        return str(10**9 + int.from_bytes(digest[:8], "big") % (9 * 10**9))

    def endpoint(self, task: str) -> str:
        """Full resource name of a task's endpoint."""
        return f"{self.location}/endpoints/{self.endpoint_id(task)}"

    @property
    def resource_pool(self) -> str:
        """The pool of replicas that the models of all tasks share, where they do."""
        return self.name("replicas")

    @property
    def resource_pool_name(self) -> str:
        """Full resource name of the pool."""
        return f"{self.location}/deploymentResourcePools/{self.resource_pool}"

    @property
    def web_server(self) -> str:
        """The Cloud Run service that answers pages which cannot run a model themselves."""
        return self.name("web", 49)

    # Monitoring

    def requests_table(self, task: str) -> str:
        """BigQuery table of a task's requests and answers, in `dataset`."""
        return f"requests_{task}"

    def topic(self, purpose: Topic) -> str:
        """Pub/Sub topic."""
        return self.name(purpose)

    def subscription(self, purpose: Subscription) -> str:
        """Pub/Sub subscription of the one who acts on a topic's messages."""
        return self.name(purpose)

    @property
    def alert_policy(self) -> str:
        """Display name of the alert policy on prediction errors."""
        return self.name("prediction-errors")

    @property
    def drift_metric(self) -> str:
        """Type of the metric that the drift monitors write, with the label `task`: 1 where a window has shifted, else 0."""
        return f"custom.googleapis.com/{self.identifier('drift')}"

    @property
    def accuracy_metric(self) -> str:
        """Type of the metric of the accuracy that a champion seems to have lost on a window of its traffic, with the label `task`."""
        return f"custom.googleapis.com/{self.identifier('accuracy-loss')}"

    @property
    def retirement_metric(self) -> str:
        """Type of the metric of the days until Google retires the Gemini model that labels a task's rows, with the label `task`."""
        return f"custom.googleapis.com/{self.identifier('model-days-left')}"

    def drift_alert_policy(self, task: str) -> str:
        """Display name of the alert policy on a task's drift."""
        return self.name(f"{task}-drift")

    def schedule(self, task: str) -> str:
        """Cloud Scheduler job that asks for a monitor of a task."""
        return self.name(f"monitor-{task}")

    # Delivery

    @property
    def release_bucket(self) -> str:
        """The bucket of releases, reviews and the ledger, none of which can be changed or deleted before its time."""
        return self.name("releases")

    @property
    def plan_bucket(self) -> str:
        """The bucket of saved plans, which hold secrets: whoever applies one deletes it, and time does the rest."""
        return self.name("plans")

    def release(self, digest: str) -> str:
        """`gs://` address of the manifest with this digest."""
        return f"gs://{self.release_bucket}/releases/{digest}.json"

    @property
    def connection(self) -> str:
        """Cloud Build's connection to the host of the repository."""
        return self.name("github")
