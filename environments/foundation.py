"""The sections of an environment that say on what it stands: project, keys, network, who acts from outside, policies, audit, budget.

What others may own is `create` or `use`: `use` takes full names, and nothing is declared but our grants.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from environments.fields import CidrRange, ProjectId, Strict


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
            pattern=r"^projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/regions/[a-z]+-[a-z]+[0-9]+/subnetworks/[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
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
