"""The models behind `<environment>.yaml` and `organisation.yaml`: strict, frozen, unknown keys refused.

An environment's sections are in `foundation.py` (on what it stands) and `workloads.py` (what runs in it), what their values look like in
`fields.py`; here is what joins them.
"""

import datetime
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from environments.fields import DataLocation, Email, GeminiLocation, LabelKey, LabelValue, Region, Strict, Word
from environments.foundation import (
    Audit,
    Budget,
    CreatedFederation,
    CreatedKeys,
    CreatedNetwork,
    KeyPurpose,
    NoFederation,
    NoKeys,
    OrganisationPolicies,
    Project,
    Repository,
    UsedFederation,
    UsedKeys,
    UsedNetwork,
)
from environments.workloads import (
    Accelerator,
    Data,
    Dataflow,
    Delivery,
    Features,
    Instance,
    Monitoring,
    Promotion,
    Serving,
    Training,
    Web,
    Workbench,
)

__all__ = [
    "Accelerator",
    "CreatedNetwork",
    "Dataflow",
    "Environment",
    "Instance",
    "KeyPurpose",
    "NoKeys",
    "Organisation",
    "Repository",
    "Strict",
    "Training",
    "UsedNetwork",
    "Word",
]


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


class Environment(Strict):
    """One environment: `local`, `dev`, `staging` or `prod`."""

    name: Annotated[Word, StringConstraints(max_length=7)]
    """Equal to the file's name."""
    address: Literal["google", "emulator"] = "google"
    """Who answers for Google's hosts by default: Google, or the local Google Cloud. `--emulator` overrides it for a rehearsal."""
    protected: bool
    """A protected environment applies reviewed plans only."""
    approvers: list[Email]
    """Who approves plans: each signs with a key that is theirs alone. Nobody approves what they wrote or planned themselves."""
    expires_on: datetime.date | None = None
    """The last day of an environment that is made for a while: everything in it carries it as the label `ttl`, and the sweeper lists what
    has outlived it. Null for one that stays."""
    project: Project
    region: Region
    """Where Vertex AI, Workbench and endpoints run."""
    data_location: DataLocation
    """Where buckets and BigQuery datasets keep their data."""
    gemini_location: GeminiLocation
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
    promotion: Promotion
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
    def _keys_are_where_they_encrypt(self) -> Self:
        if self.keys.mode != "none" and self.data_location != self.region:
            raise ValueError(
                f"one key encrypts data in {self.data_location} and images and messages in {self.region}, and Google takes a key in its "
                "own place only; set data_location to the region, or keys.mode: none"
            )
        elsewhere = [key for key in self.keys.names.values() if key.split("/")[3] != self.region] if self.keys.mode == "use" else []
        if elsewhere:
            raise ValueError(f"Google refuses keys of another place: {', '.join(elsewhere)}; name keys in {self.region}")
        return self

    @model_validator(mode="after")
    def _a_used_subnetwork_is_in_the_region(self) -> Self:
        if self.network.mode == "use" and f"/regions/{self.region}/" not in self.network.subnetwork:
            raise ValueError(
                f"network.subnetwork {self.network.subnetwork} is not in {self.region}, so that no machine could stand in it; "
                "name one of that region"
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
    def _subnetworks_do_not_overlap(self) -> Self:
        workers = self.training.dataflow.ip_range if self.training.dataflow else None
        if self.network.mode == "create" and workers and ip_network(workers).overlaps(ip_network(self.network.ip_range)):
            raise ValueError(
                f"training.dataflow.ip_range {workers} overlaps network.ip_range {self.network.ip_range}, and Google would refuse the "
                "second subnetwork; take a range beside it"
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
    def _somebody_else_can_always_approve(self) -> Self:
        if len(set(self.approvers)) != len(self.approvers):
            raise ValueError(f"approvers names somebody twice: {self.approvers}; Google would refuse the second key; name each once")
        if self.protected and len(self.approvers) < 2:
            raise ValueError(
                "a protected environment needs two approvers or more, since nobody approves a change of their own and nothing could be "
                "applied when the only one wrote it; add another e-mail"
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
