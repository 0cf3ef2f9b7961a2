"""Every name, derived: what Terraform declares and what code uses come from the same lines, so nothing is looked up."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Literal

from environments.schema import Environment, Organisation

Duty = Literal["builder", "pipelines", "training", "serving", "workbench"]
Bucket = Literal["raw", "processed", "models", "pipelines", "web"]
Topic = Literal["alerts", "retraining"]


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

    DUTIES: ClassVar[tuple[Duty, ...]] = ("builder", "pipelines", "training", "serving", "workbench")
    BUCKETS: ClassVar[tuple[Bucket, ...]] = ("raw", "processed", "models", "pipelines", "web")
    TOPICS: ClassVar[tuple[Topic, ...]] = ("alerts", "retraining")

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
    def location(self) -> str:
        """`projects/P/locations/R`, the parent of every regional Vertex AI resource."""
        return f"projects/{self.project}/locations/{self.environment.region}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels on everything of this environment."""
        return {**self.organisation.labels, "environment": self.environment.name, "team": self.organisation.team}

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

    # Network

    @property
    def network(self) -> str:
        """The VPC."""
        return self.name("vpc")

    @property
    def subnetwork(self) -> str:
        """The subnetwork of the region."""
        return self.name("subnet")

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

    @property
    def workbench_instance(self) -> str:
        """The Workbench GPU instance."""
        return self.name("workbench")

    # Features

    def feature_group(self, task: str) -> str:
        """Feature group of a task's embeddings; its BigQuery table carries the same name."""
        return self.identifier(f"{task}-features")

    def feature_table(self, task: str) -> str:
        """`project.dataset.table` of a task's features."""
        return f"{self.project}.{self.dataset}.{self.feature_group(task)}"

    @property
    def online_store(self) -> str:
        """Feature online store."""
        return self.identifier("online")

    def feature_view(self, task: str) -> str:
        """Feature view of a task in the online store."""
        return self.identifier(f"{task}-view")

    # Training and serving

    @property
    def tensorboard(self) -> str:
        """Display name: Google numbers TensorBoards itself, so this is the one name that is listed by filter."""
        return self.name("tensorboard")

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

    # Monitoring

    def requests_table(self, task: str) -> str:
        """BigQuery table of a task's requests and answers, in `dataset`."""
        return f"requests_{task}"

    def topic(self, purpose: Topic) -> str:
        """Pub/Sub topic."""
        return self.name(purpose)

    def subscription(self, purpose: Literal["retraining"]) -> str:
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

    def drift_alert_policy(self, task: str) -> str:
        """Display name of the alert policy on a task's drift."""
        return self.name(f"{task}-drift")
