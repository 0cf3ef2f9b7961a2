"""The models behind `<environment>.yaml` and `organisation.yaml`: strict, frozen, unknown keys refused."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
"""One part of a name. No separator inside, so that joined parts can always be taken apart again."""

ProjectId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$")]
LabelKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
LabelValue = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{0,63}$")]
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

    @model_validator(mode="after")
    def _a_created_project_has_a_home_and_is_paid_for(self) -> Self:
        if self.mode == "create" and not (self.folder and self.billing_account):
            raise ValueError(
                "mode 'create' needs folder and billing_account, otherwise Google refuses the project; set both or use mode 'use'"
            )
        return self


class Accelerator(Strict):
    """GPUs attached to one machine."""

    type: Literal["NVIDIA_TESLA_T4", "NVIDIA_TESLA_V100", "NVIDIA_L4", "NVIDIA_TESLA_A100", "NVIDIA_A100_80GB", "NVIDIA_H100_80GB"]
    count: Annotated[int, Field(ge=1, le=16)]


class Workbench(Strict):
    """The Workbench instance on which people work."""

    enabled: bool
    """A stopped instance still pays for its disk; off means none is declared."""
    machine_type: MachineType
    accelerator: Accelerator | None
    zone_suffix: Annotated[str, StringConstraints(pattern=r"^[a-f]$")]
    boot_disk_gb: Annotated[int, Field(ge=150, le=4096)]
    idle_shutdown_minutes: Annotated[int, Field(ge=10, le=1440)]
    owners: Annotated[list[Email], Field(min_length=1)]


class Features(Strict):
    """Feature Store: groups live in BigQuery and cost nothing when idle; an online store runs all day."""

    online_store: bool


class Training(Strict):
    """Where training steps and custom jobs run."""

    machine_type: MachineType
    accelerator: Accelerator | None


class Serving(Strict):
    """Replicas behind every endpoint. A deployed replica is paid for by the hour."""

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


class Monitoring(Strict):
    """Who is told, and when."""

    alert_email: Email
    error_ratio: Annotated[float, Field(gt=0, lt=1)]
    """Share of failed predictions above which the alert policy opens an incident."""


class Data(Strict):
    """How long data is kept and how hard it is to lose."""

    soft_delete_days: Annotated[int, Field(ge=0, le=90)]
    noncurrent_version_days: Annotated[int, Field(ge=1, le=3650)]
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
    project: Project
    region: Region
    """Where Vertex AI, Workbench and endpoints run."""
    data_location: Annotated[str, StringConstraints(pattern=r"^([a-z]+-[a-z]+[0-9]|EU|US)$")]
    """Where buckets and BigQuery datasets keep their data."""
    gemini_location: Annotated[str, StringConstraints(pattern=r"^([a-z]+-[a-z]+[0-9]|global)$")]
    """Where Gemini requests are answered; `global` has the most capacity, a region the strictest residency."""
    workbench: Workbench
    features: Features
    training: Training
    serving: Serving
    monitoring: Monitoring
    data: Data

    @model_validator(mode="after")
    def _a_protected_environment_protects_its_data(self) -> Self:
        if self.protected and not self.data.deletion_protection:
            raise ValueError(
                "a protected environment without data.deletion_protection could lose its data to one wrong plan; set it to true"
            )
        return self

    @property
    def zone(self) -> str:
        """The zone of zonal resources, e.g. `europe-west4-a`."""
        return f"{self.region}-{self.workbench.zone_suffix}"
