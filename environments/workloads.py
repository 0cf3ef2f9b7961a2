"""The sections of an environment that say what runs in it, how big, and who hears of it: from the workbench to the data."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from environments.fields import CidrRange, Domain, Email, MachineType, ProjectId, Strict, Word

RETIRED_ACCELERATORS = {
    "NVIDIA_TESLA_K80": "ended on 2024-05-01",
    "NVIDIA_TESLA_P4": "can no longer be had for Workbench",
    "NVIDIA_TESLA_P100": "can no longer be had for Workbench",
}
"""Accelerator → since when it is no choice. https://cloud.google.com/compute/docs/eol"""

CARRIERS = {
    "NVIDIA_TESLA_T4": "n1-",
    "NVIDIA_TESLA_V100": "n1-",
    "NVIDIA_L4": "g2-",
    "NVIDIA_TESLA_A100": "a2-highgpu-",
    "NVIDIA_A100_80GB": "a2-ultragpu-",
    "NVIDIA_H100_80GB": "a3-",
}
"""Accelerator → beginning of the machine types that carry it. https://cloud.google.com/compute/docs/gpus"""


def _still_offered(accelerator: Any) -> Any:
    """Refuses what has ended; anything else is for the list of those that there are."""
    if accelerator in RETIRED_ACCELERATORS:
        raise ValueError(
            f"{accelerator} {RETIRED_ACCELERATORS[accelerator]}: nothing that asks for it would start; use NVIDIA_L4 on a g2 machine "
            "or NVIDIA_TESLA_T4 on an n1 machine"
        )
    return accelerator


class Accelerator(Strict):
    """GPUs attached to one machine."""

    type: Annotated[
        Literal["NVIDIA_TESLA_T4", "NVIDIA_TESLA_V100", "NVIDIA_L4", "NVIDIA_TESLA_A100", "NVIDIA_A100_80GB", "NVIDIA_H100_80GB"],
        BeforeValidator(_still_offered),
    ]
    count: Annotated[int, Field(ge=1, le=16)]


def _carried(accelerator: Accelerator | None, machine_type: str) -> None:
    """Refuses a machine that Google attaches no such accelerator to."""
    if accelerator and not machine_type.startswith(carrier := CARRIERS[accelerator.type]):
        raise ValueError(
            f"a machine {machine_type} carries no {accelerator.type}, and Google would refuse it; "
            f"use a machine_type that begins with {carrier}, or another accelerator"
        )


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
    def _the_machine_carries_the_accelerator(self) -> Self:
        _carried(self.accelerator, self.machine_type)
        return self

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

    ip_range: CidrRange | None
    """Of a subnetwork of their own in our VPC; null has them share the subnetwork of the environment."""


class Training(Strict):
    """Where training steps and custom jobs run."""

    machine_type: MachineType
    accelerator: Accelerator | None
    private_network: bool
    """Whether jobs can have an address in the VPC, by a network attachment."""
    dataflow: Dataflow | None
    """Null means that there is no identity for workers, and no network."""

    @model_validator(mode="after")
    def _the_machine_carries_the_accelerator(self) -> Self:
        _carried(self.accelerator, self.machine_type)
        return self


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
    """Off means no connection and no trigger; plans and releases have their buckets everywhere."""
    repository: Annotated[str, StringConstraints(pattern=r"^https://github\.com/[A-Za-z0-9-]+/[A-Za-z0-9._-]+\.git$")]
    installation: Annotated[int, Field(ge=1)]
    """Number of the installation of Cloud Build's GitHub application in the organisation; its page's address ends with it."""
    branch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]+$")]
    """What is pushed to it is planned, and applied."""
    approval: bool
    """Whether a person releases each apply."""
    retention_days: Annotated[int, Field(ge=1, le=3650)]
    """How long releases, reviews and the ledger can be neither changed nor deleted, where `data.deletion_protection` is on; elsewhere they
    go with the environment."""


class Promotion(Strict):
    """Where releases come from, and who takes them on."""

    source: Word | None
    """The environment whose releases come here; null builds its own."""
    soak_hours: Annotated[int, Field(ge=0, le=24 * 90)]
    """Hours that a release must have run at the source before it comes here."""
    target: Word | None
    """The environment whose apply identity may read what is released here: Google grants nothing to an identity that is not there, so
    that this is named once `make bootstrap` has made it. Null grants nobody anything."""

    @model_validator(mode="after")
    def _what_is_built_here_has_run_nowhere(self) -> Self:
        if self.source is None and self.soak_hours:
            raise ValueError(f"soak_hours {self.soak_hours} without a source: nothing could have run anywhere before; set 0, or a source")
        return self


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
