"""The models behind `<environment>.yaml` and `organisation.yaml`: strict, frozen, unknown keys refused."""

import datetime
import re
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
"""One part of a name. No separator inside, so that joined parts can always be taken apart again."""

ProjectId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$")]
LabelKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
LabelValue = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{0,63}$")]
CidrRange = Annotated[str, StringConstraints(pattern=r"^(\d{1,3}\.){3}\d{1,3}/(1[6-9]|2[0-9])$")]
MachineType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*-[a-z0-9-]+$")]


class Strict(BaseModel):
    """A model whose values are never coerced, whose unknown keys are refused and which never changes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Organisation(Strict):
    """How this organisation names and labels what it owns (`organisation.yaml`)."""

    prefix: Annotated[Word, StringConstraints(max_length=6)]
    """Short name of the organisation; the first part of globally unique names such as buckets."""
    team: Annotated[Word, StringConstraints(max_length=8)]
    """The team that owns this deployment. Two teams with different values never share a name, also in one project."""
    order: Annotated[list[Literal["prefix", "team", "environment", "purpose"]], Field(min_length=4, max_length=4)]
    """The order of the four parts in every name."""
    separator: Literal["-"] = "-"
    """Between the parts; BigQuery and Feature Store names use an underscore, since Google forbids the dash there."""
    labels: dict[LabelKey, LabelValue]
    """Labels on everything that takes labels, in every environment."""
    required_labels: list[LabelKey]
    """Label keys that every resource must carry; checked over the synthesised stacks."""

    @model_validator(mode="after")
    def _order_names_each_part_once(self) -> Self:
        if len(set(self.order)) != len(self.order):
            raise ValueError(f"order names a part twice: {self.order}; names would collide; list each of the four parts once")
        return self


class Project(Strict):
    """The Google Cloud project: created by the foundation stack, or an existing one that is used."""

    mode: Literal["create", "use"]
    id: ProjectId
    folder: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,}$")] | None = None
    """Number of the folder a created project goes into."""
    billing_account: Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{6}(-[0-9A-F]{6}){2}$")] | None = None
    number: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,}$")] | None = None
    """Google names its own service agents by it. A project that is yet to be created has none: `make bootstrap` makes it and says it."""

    @model_validator(mode="after")
    def _a_created_project_has_a_home_and_is_paid_for(self) -> Self:
        if self.mode == "create" and not (self.folder and self.billing_account):
            raise ValueError(
                "mode 'create' needs folder and billing_account, otherwise Google refuses the project; set both or use mode 'use'"
            )
        return self


KeyPurpose = Literal["data", "ml", "workbench", "secrets", "releases"]
"""What one customer-managed key encrypts: `data` (buckets, BigQuery, Pub/Sub, images), `ml` (everything of Vertex AI), `workbench`
(disks), `secrets`, and `releases` (what is promoted)."""

KeyName = Annotated[
    str,
    StringConstraints(
        pattern=r"^projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}$"
    ),
]


class CreatedKeys(Strict):
    """Customer-managed encryption keys that the foundation stack makes, in a ring in `region`."""

    mode: Literal["create"]
    rotation_days: Annotated[int, Field(ge=1, le=90)]
    """A key gets a new version this often; 90 days is what CIS 1.10 allows at most."""


class UsedKeys(Strict):
    """Keys that the organisation keeps, often in a project of their own."""

    mode: Literal["use"]
    names: dict[KeyPurpose, KeyName]
    """The full name of the key of every purpose."""

    @model_validator(mode="after")
    def _every_purpose_has_a_key(self) -> Self:
        if missing := sorted(set(get_args(KeyPurpose)) - self.names.keys()):
            raise ValueError(
                f"names lacks {', '.join(missing)}; what they encrypt would fall to Google's keys; "
                "add projects/P/locations/R/keyRings/RING/cryptoKeys/KEY for each"
            )
        return self


class NoKeys(Strict):
    """Google's own encryption at rest."""

    mode: Literal["none"]


class CreatedNetwork(Strict):
    """A VPC of the environment's own."""

    mode: Literal["create"]
    ip_range: CidrRange
    """Of the one subnetwork. Environments are separate networks that never meet, so that one range serves them all."""
    google_apis: Literal["private", "restricted"]
    """Which of Google's addresses private DNS answers with: `restricted` reaches only services that a VPC Service Controls perimeter can
    hold, `private` all of them."""
    nat: bool
    """Cloud NAT, the way out for machines without an address; paid for by the hour."""
    private_service_connect: bool
    """An endpoint of our own for Google's APIs, inside the VPC, in place of Google's addresses; paid for by the hour."""


class UsedNetwork(Strict):
    """A VPC that a network team keeps, in this project or in the host project of a Shared VPC."""

    mode: Literal["use"]
    network: Annotated[
        str, StringConstraints(pattern=r"^projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/global/networks/[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
    ]
    subnetwork: Annotated[
        str,
        StringConstraints(
            pattern=r"^projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/regions/[a-z]+-[a-z]+[0-9]/subnetworks/[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
        ),
    ]


class Repository(Strict):
    """The GitHub repository whose workflows may act here."""

    id: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")]
    """Its number: a name can be given up and taken by somebody else. `gh api repos/OWNER/NAME --jq .id`"""
    ref: Annotated[str, StringConstraints(pattern=r"^refs/heads/[A-Za-z0-9._/-]+$")]
    """The one branch from which plans are applied; any pull request may plan."""


class CreatedFederation(Strict):
    """A workload identity pool for GitHub, so that no key of a service account exists."""

    mode: Literal["create"]
    repository: Repository


class UsedFederation(Strict):
    """A pool that the organisation keeps. Its provider must map `attribute.repository_id` and `attribute.repository_ref`."""

    mode: Literal["use"]
    repository: Repository
    pool: Annotated[str, StringConstraints(pattern=r"^projects/[0-9]{6,}/locations/global/workloadIdentityPools/[a-z0-9-]{4,32}$")]


class NoFederation(Strict):
    """Nobody acts from outside Google Cloud."""

    mode: Literal["none"]


class OrganisationPolicies(Strict):
    """What nobody in the project may do, whatever their roles: set on the project by us, or above it by the organisation."""

    mode: Literal["create", "use"]
    """`create` needs the organisation policy administrator's role, which is granted on the organisation only."""


class CreatedSink(Strict):
    """A log bucket of the project's own that keeps the audit logs."""

    mode: Literal["create"]
    retention_days: Annotated[int, Field(ge=30, le=3650)]


class UsedSink(Strict):
    """A sink of the organisation or folder that takes the audit logs away."""

    mode: Literal["use"]
    sink: Annotated[str, StringConstraints(pattern=r"^(organizations|folders)/[0-9]{6,}/sinks/[A-Za-z0-9._-]{1,100}$")]


class Audit(Strict):
    """Cloud Audit Logs. Administrative changes are always logged; reading of data is logged where it is switched on."""

    data_access: bool
    """Who read and wrote which data, in every service."""
    sink: Annotated[CreatedSink | UsedSink, Field(discriminator="mode")]


class Budget(Strict):
    """What the project may cost in a month; mails go out at half, nine tenths and all of it. Google never stops spending by itself."""

    monthly: Annotated[int, Field(ge=1)]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    """That of the billing account."""


class Accelerator(Strict):
    """GPUs attached to one machine."""

    type: Literal["NVIDIA_TESLA_T4", "NVIDIA_TESLA_V100", "NVIDIA_L4", "NVIDIA_TESLA_A100", "NVIDIA_A100_80GB", "NVIDIA_H100_80GB"]
    count: Annotated[int, Field(ge=1, le=16)]


class Instance(Strict):
    """One Workbench instance; stopped, it still pays for its disks."""

    kind: Literal["python", "javascript"]
    """`python`: a machine image of Google's with TensorFlow and PyTorch; `javascript`: our container with Node and TensorFlow.js."""
    image: str
    """The machine image by its name, or the container image by its tag; never what moves by itself (a family, `latest`)."""
    node: bool = False
    """Whether a Python instance gets Node beside Python, from the same lock as the web page."""
    machine_type: MachineType
    accelerator: Accelerator | None
    boot_disk_gb: Annotated[int, Field(ge=150, le=4096)]
    data_disk_gb: Annotated[int, Field(ge=10, le=64_000)]
    """The disk of the home folder, which outlives an upgrade of the image."""
    idle_shutdown_minutes: Annotated[int, Field(ge=10, le=1440)]
    owners: Annotated[list[Email], Field(min_length=1)]

    @model_validator(mode="after")
    def _the_image_is_pinned(self) -> Self:
        wanted, example = {
            "python": (r"workbench-instances-v20[0-9]{6}", "workbench-instances-v20260122"),
            "javascript": (r"[0-9a-f]{40}", "the tag of workbench-javascript that make images prints"),
        }[self.kind]
        if not re.fullmatch(wanted, self.image):
            raise ValueError(
                f"image {self.image!r} is no pinned image of a {self.kind} instance; two starts could run different software; "
                f"give {example}"
            )
        if self.node and self.kind == "javascript":
            raise ValueError("node is for a python instance; a javascript one has Node anyway; remove it")
        return self


class Workbench(Strict):
    """The machines on which people work; none at all where there are no instances."""

    zone_suffix: Annotated[str, StringConstraints(pattern=r"^[a-f]$")]
    repository: Annotated[str, StringConstraints(pattern=r"^https://[a-z0-9.-]+/[A-Za-z0-9._/-]+$")]
    """What a new instance clones into its home folder."""
    revision: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    """Branch, tag or commit of it."""
    instances: dict[Annotated[Word, StringConstraints(max_length=16)], Instance]
    """Key → instance. The key is part of the instance's name and of its Terraform address: another key is another machine."""

    @property
    def enabled(self) -> bool:
        """Whether anybody works here."""
        return bool(self.instances)


class Features(Strict):
    """Feature Store: groups live in BigQuery and cost nothing when idle; an online store runs all day."""

    online_store: Literal["bigtable", "optimized"] | None
    """`bigtable` serves the largest tables, `optimized` the fastest answers and the search for similar examples; null serves nothing."""


class Dataflow(Strict):
    """Where Dataflow's workers run. Idle, it costs nothing."""

    ip_range: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$")] | None
    """Of a subnetwork of their own in our VPC; null has them share the subnetwork of the environment."""


class Training(Strict):
    """Where training steps and custom jobs run."""

    machine_type: MachineType
    accelerator: Accelerator | None
    private_network: bool
    """Whether jobs can have an address in the VPC, by a network attachment."""
    dataflow: Dataflow | None
    """Null means that there is no identity for workers, and no network."""


class Serving(Strict):
    """How models are reached, and the replicas behind every endpoint. A deployed replica is paid for by the hour."""

    endpoints: Literal["dedicated", "shared", "private"]
    """`dedicated`: each has a host of its own (requests of 10 MB, no neighbours); `shared`: the region's common host, the only public one
    inside VPC Service Controls; `private`: Private Service Connect from the projects in `consumers`. A change replaces the endpoints."""
    consumers: Annotated[list[ProjectId], Field(default_factory=list)]
    """Projects whose networks may reach private endpoints."""
    resource_pool: bool
    """Whether the models of all tasks share one pool of replicas, which runs all day, instead of each having its own."""
    machine_type: MachineType
    min_replicas: Annotated[int, Field(ge=1, le=100)]
    max_replicas: Annotated[int, Field(ge=1, le=100)]

    @model_validator(mode="after")
    def _replicas_are_ordered(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(
                f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}; Vertex AI would refuse the deployment"
            )
        return self

    @model_validator(mode="after")
    def _private_endpoints_have_consumers(self) -> Self:
        if (self.endpoints == "private") != bool(self.consumers):
            raise ValueError(
                f"endpoints {self.endpoints!r} with {len(self.consumers)} consumers: private endpoints without one are reached by nobody, "
                "and others would ignore them; list projects for 'private', and none otherwise"
            )
        return self


Domain = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$", max_length=253)]


class Web(Strict):
    """The browser application, whose page and models lie in the web bucket. What stands in front of it is paid for by the hour."""

    domain: Domain | None
    """Host name at which anybody finds the page: a load balancer with CDN and a managed certificate; null means that nobody does."""
    server: bool
    """Whether a Cloud Run service stands ready to answer pages that cannot run a model themselves. Idle, it costs nothing."""


class Schedule(Strict):
    """When each task's traffic is judged."""

    cron: Annotated[str, StringConstraints(pattern=r"^\S+( \S+){4}$")]
    """In UTC."""
    hours: Annotated[int, Field(ge=1, le=744)]
    """Length of the window that ends with the run."""


class Monitoring(Strict):
    """Who is told, and when."""

    alert_email: Email
    error_ratio: Annotated[float, Field(gt=0, lt=1)]
    """Share of failed predictions above which an incident opens."""
    latency_ms: Annotated[float, Field(gt=0, le=3_600_000)]
    """Milliseconds that 5 % of an endpoint's predictions may exceed before an incident opens."""
    accuracy_loss: Annotated[float, Field(gt=0, lt=1)]
    """Accuracy that a champion may seem to have lost on its traffic before an incident opens."""
    scanned_gib_a_day: Annotated[int, Field(ge=1)]
    """Gibibytes that BigQuery may scan in a day before an incident opens: the cost that grows unseen."""
    schedule: Schedule | None
    """Null means that only people and other systems start monitors."""


class Delivery(Strict):
    """How a commit reaches this environment through Cloud Build."""

    enabled: bool
    """Off means no connection, no trigger and no release bucket."""
    repository: Annotated[str, StringConstraints(pattern=r"^https://github\.com/[A-Za-z0-9-]+/[A-Za-z0-9._-]+\.git$")]
    installation: Annotated[int, Field(ge=1)]
    """Number of the installation of Cloud Build's GitHub application in the organisation; its page's address ends with it."""
    branch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]+$")]
    """What is pushed to it is planned, and applied."""
    approval: bool
    """Whether a person releases each apply."""
    retention_days: Annotated[int, Field(ge=1, le=3650)]
    """How long plans and releases can be neither changed nor deleted."""


class Data(Strict):
    """How long data is kept and how hard it is to lose."""

    soft_delete_days: Annotated[int, Field(ge=0, le=90)]
    noncurrent_version_days: Annotated[int, Field(ge=1, le=3650)]
    access_log_days: Annotated[int, Field(ge=1, le=3650)]
    """Who read and wrote which object, in the bucket `logs`."""
    prediction_days: Annotated[int, Field(ge=30, le=3650)]
    """What models answered: it is about people who asked, so that it ends by itself."""
    deletion_protection: bool
    """When true, Terraform refuses to destroy buckets with objects and BigQuery tables."""

    @model_validator(mode="after")
    def _soft_delete_is_off_or_a_week(self) -> Self:
        if 0 < self.soft_delete_days < 7:
            raise ValueError(f"soft_delete_days {self.soft_delete_days} would be refused by Cloud Storage; set 0 (off) or 7 to 90")
        return self


class Environment(Strict):
    """One environment: `local`, `dev`, `staging` or `prod`."""

    name: Annotated[Word, StringConstraints(max_length=7)]
    """Equal to the file's name."""
    address: Literal["google", "emulator"] = "google"
    """Who answers for Google's hosts by default: Google, or the local Google Cloud. `--emulator` overrides it for a rehearsal."""
    protected: bool
    """A protected environment applies reviewed plans only."""
    expires_on: datetime.date | None = None
    """The last day of an environment that is made for a while: everything in it carries it as the label `ttl`, and the sweeper lists what
    has outlived it. Null for one that stays."""
    project: Project
    region: Region
    """Where Vertex AI, Workbench and endpoints run."""
    data_location: Annotated[str, StringConstraints(pattern=r"^([a-z]+-[a-z]+[0-9]|EU|US)$")]
    """Where buckets and BigQuery datasets keep their data."""
    gemini_location: Annotated[str, StringConstraints(pattern=r"^([a-z]+-[a-z]+[0-9]|global)$")]
    """Where Gemini requests are answered; `global` has the most capacity, a region the strictest residency."""
    network: Annotated[CreatedNetwork | UsedNetwork, Field(discriminator="mode")]
    keys: Annotated[CreatedKeys | UsedKeys | NoKeys, Field(discriminator="mode")]
    federation: Annotated[CreatedFederation | UsedFederation | NoFederation, Field(discriminator="mode")]
    organisation_policies: OrganisationPolicies
    audit: Audit
    budget: Budget | None
    workbench: Workbench
    features: Features
    training: Training
    serving: Serving
    web: Web
    monitoring: Monitoring
    delivery: Delivery
    data: Data

    @model_validator(mode="after")
    def _a_used_project_is_known_by_number(self) -> Self:
        if self.project.mode == "use" and not self.project.number:
            raise ValueError(
                "project.mode 'use' needs project.number, or Google's service agents could be granted nothing; "
                f"gcloud projects describe {self.project.id} --format='value(projectNumber)' says it"
            )
        return self

    @model_validator(mode="after")
    def _keys_are_where_the_data_is(self) -> Self:
        if self.keys.mode == "create" and self.data_location != self.region:
            raise ValueError(
                f"keys.mode 'create' makes keys in {self.region}, and Google refuses them for data in {self.data_location}; "
                "set data_location to the region, or keys.mode to use or none"
            )
        return self

    @model_validator(mode="after")
    def _a_budget_belongs_to_a_billing_account(self) -> Self:
        if self.budget and not self.project.billing_account:
            raise ValueError("a budget needs project.billing_account, which it is declared on; set it, or set budget: null")
        return self

    @model_validator(mode="after")
    def _a_subnetwork_is_made_in_a_network_of_ours(self) -> Self:
        if self.training.dataflow and self.training.dataflow.ip_range and self.network.mode == "use":
            raise ValueError(
                "training.dataflow.ip_range asks for a subnetwork in a network that others own (network.mode 'use'), and they would "
                "refuse it; set it to null, so that workers share the subnetwork that network.subnetwork names"
            )
        return self

    @model_validator(mode="after")
    def _a_protected_environment_stays(self) -> Self:
        if self.protected and self.expires_on:
            raise ValueError("expires_on would have a protected environment swept away one day; remove it, or set protected: false")
        return self

    @model_validator(mode="after")
    def _a_protected_environment_protects_its_data(self) -> Self:
        if self.protected and not self.data.deletion_protection:
            raise ValueError(
                "a protected environment without data.deletion_protection could lose its data to one wrong plan; set it to true"
            )
        return self

    @model_validator(mode="after")
    def _a_protected_environment_is_applied_by_consent(self) -> Self:
        if self.protected and self.delivery.enabled and not self.delivery.approval:
            raise ValueError(
                "a protected environment without delivery.approval would be changed by whoever merges; set it to true, "
                "so that somebody releases the plan that was reviewed"
            )
        return self

    @model_validator(mode="after")
    def _a_resource_pool_takes_no_key(self) -> Self:
        if self.serving.resource_pool and self.keys.mode != "none":
            raise ValueError(
                f"serving.resource_pool with keys.mode {self.keys.mode!r}: google provider 6.50.0 cannot give a pool the endpoints' key, "
                "and Vertex AI deploys to a pool of the same key only; set resource_pool: false, or keys.mode: none"
            )
        return self

    @property
    def zone(self) -> str:
        """The zone of zonal resources, e.g. `europe-west4-a`."""
        return f"{self.region}-{self.workbench.zone_suffix}"
