"""The review as data: what `playbook review` writes as JSON, what the Markdown and the page are made from, what an approval signs.

Every tuple is sorted by whoever fills it and nothing here reads a clock, so that the same plans give the same bytes. Values that are
sensitive never enter it: `HIDDEN` stands in their place.
"""

import datetime
import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, JsonValue

from environments.fields import Strict

SCHEMA_VERSION = 1
HIDDEN = "(sensitive)"
"""In the place of a value that is sensitive."""
UNKNOWN = "(known after apply)"
"""In the place of a value that only the apply will tell."""

Level = Literal["block", "sign-off", "note"]
"""What a finding asks for: nothing goes on, somebody who may approves, or a reader knows."""
Action = Literal["create", "update", "replace", "delete", "forget", "import", "move", "read"]
"""What is done to a resource. An import or a move that changes something as well is the update or replacement that it leads to."""
Word = Literal["BLOCK", "SIGN-OFF", "ROUTINE"]

Loss = Literal["stateful-destroy", "stateful-replace", "destroy", "replace", "identity-replace", "key-destroy", "forget"]
Protection = Literal["protection-off", "retention-shortened", "encryption-weakened", "audit-weakened", "alert-removed"]
Access = Literal[
    "role-granted",
    "role-revoked",
    "role-strengthened",
    "admin-role",
    "public-member",
    "impersonation",
    "person-granted",
    "outsider-granted",
    "federation-weakened",
    "authoritative-grant",
    "condition-removed",
    "key-created",
    "org-policy-weakened",
]
Exposure = Literal[
    "public-ip",
    "open-firewall",
    "public-access-prevention-off",
    "public-endpoint",
    "public-dns-or-load-balancer",
    "egress-opened",
    "weaker-tls",
]
Policies = Literal["policy-new", "policy-fixed", "policy-waived"]
Cost = Literal["cost-jump", "over-budget", "unpriced", "gpu-hours", "idle-shutdown-off"]
Blast = Literal["consumed-elsewhere", "code-uses"]
Promoted = Literal["not-promoted", "difference-not-allowed", "soaking"]
Other = Literal[
    "unknown-type",
    "sensitive-change",
    "unknown-until-apply",
    "api-disabled",
    "schedule-changed",
    "capacity-changed",
    "moved",
    "imported",
    "changed-outside",
]
FindingId = Literal[Loss, Protection, Access, Exposure, Policies, Cost, Blast, Promoted, Other]
LEVELS: tuple[Level, ...] = get_args(Level)
"""From the gravest."""


class Finding(Strict):
    """One thing that a reviewer is told."""

    id: FindingId
    level: Level
    stack: str
    """Stack id; for a plan that is not ours, the name of its file; empty when it is about the environment as a whole."""
    address: str
    """Terraform address; empty when it is not about one resource."""
    text: str
    """What would happen, in one sentence."""
    remedy: str
    """How it is undone or avoided."""
    attribute: str = ""
    """Dotted path of the attribute that it is about."""
    construct_path: str = ""
    """Path of the construct in the app, e.g. `dev-data/raw/bucket`."""
    source: tuple[str, ...] = ()
    """`file:line` of the declaration, innermost first."""


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings as every section lists them: the gravest first, then by place; nothing twice."""
    return tuple(
        sorted(set(findings), key=lambda it: (LEVELS.index(it.level), it.stack, it.address, it.id, it.attribute, it.text, it.remedy))
    )


class AttributeChange(Strict):
    """One attribute, before and after."""

    path: str
    """Dotted, with the key or index of what it lies in: `lifecycle_rule.0.condition.0.age`."""
    before: JsonValue = None
    after: JsonValue = None
    sensitive: bool = False
    """The values are hidden: by the provider's mask, or because the type is known to hold a secret there."""
    unknown: bool = False
    """Only the apply will tell the value after."""
    forces_replacement: bool = False


class Change(Strict):
    """What a plan does to one resource."""

    stack: str
    address: str
    type: str
    action: Action
    attributes: tuple[AttributeChange, ...] = ()
    """What differs, sorted by path; of a created or deleted resource, everything that is set."""
    forced_by: tuple[str, ...] = ()
    """Paths of the attributes that force the replacement."""
    reason: str = ""
    """Terraform's own word for why, e.g. `replace_because_tainted`."""
    moved_from: str = ""
    """The address that it had before."""
    imported: str = ""
    """Id of what exists already and is adopted."""
    create_first: bool = False
    """A replacement makes the new one before it deletes the old."""
    construct_path: str = ""
    source: tuple[str, ...] = ()


class Tally(Strict):
    """How many resources of a stack meet what."""

    create: int = 0
    update: int = 0
    replace: int = 0
    delete: int = 0
    forget: int = 0
    adopt: int = 0
    """Imported, whatever else happens to them."""
    move: int = 0
    """Given another address, whatever else happens to them."""
    unchanged: int = 0


class PlannedStack(Strict):
    """One plan, and what identifies it."""

    id: str
    plan: str = ""
    """SHA-256 of all that identifies the plan, of ours; of another, of what it would do. Its time is not among it."""
    configuration: str = ""
    """SHA-256 of the synthesised configuration."""
    lock_file: str = ""
    """SHA-256 of the provider lock file; empty where none is kept."""
    lineage: str = ""
    serial: int | None = None
    """The state that the plan was made from."""
    terraform: str = ""
    tally: Tally = Tally()
    complete: bool = True
    """Terraform could plan everything: it neither failed nor deferred a part."""


class Subject(Strict):
    """What was reviewed."""

    kind: Literal["plan", "drift"] = "plan"
    """A plan that may be applied, or a comparison of the state with what really runs."""
    environment: str = ""
    """Empty for a plan that is not ours."""
    against: str = ""
    """The environment that it is compared with for promotion."""
    commit: str = ""
    dirty: bool = False
    """The working tree held more than the commit."""
    base: str = ""
    """The commit or reference whose policies and costs it is compared with."""
    made_by: str = ""
    """Who planned, as Google authenticated them."""
    provider: str = ""
    """What answered for the google provider: its version, or that it was the stand-in."""
    stacks: tuple[PlannedStack, ...] = ()


class Verdict(Strict):
    """The first line: may it go on."""

    level: Word
    digest: str = ""
    """SHA-256 over the plans of all stacks: what an approval names."""
    reasons: tuple[str, ...] = ()
    """The gravest first, one sentence a kind of finding."""
    block: int = 0
    sign_off: int = 0
    note: int = 0
    """How many findings of each level."""


class Section(Strict):
    """A part of the report that is its findings."""

    findings: tuple[Finding, ...] = ()


class LostResource(Strict):
    """One resource that is destroyed, replaced or forgotten."""

    stack: str
    address: str
    type: str
    action: Action
    stateful: bool
    """It holds what cannot be made again from the configuration."""
    lost: str
    """What is lost with it."""
    undo: str
    """How it is brought back, or that it is not."""
    forced_by: tuple[AttributeChange, ...] = ()
    """The attributes that force a replacement, old and new."""
    reason: str = ""


class Destroys(Section):
    """What is destroyed or replaced, stateful first, and what protects the rest from it less than before."""

    resources: tuple[LostResource, ...] = ()
    protection: tuple[Finding, ...] = ()
    """Deletion protection, retention, encryption, audit logs and alerts that are taken away or weakened."""


class GrantChange(Strict):
    """One member of one role on one resource, added, removed or changed."""

    stack: str
    address: str
    change: Literal["added", "removed", "changed"]
    on: str
    """What the role is granted on: project, bucket, dataset, service account."""
    role: str
    strength: int
    """From 1 (reads metadata) to 5 (owns)."""
    role_before: str = ""
    """Of a changed grant."""
    strength_before: int = 0
    member: str
    member_kind: Literal["public", "person", "group", "domain", "service-account", "agent", "federated", "unknown"]
    """`agent` is a service account of Google's own."""
    outside: bool = False
    """The member belongs to another project or another domain."""
    condition: str = ""
    condition_before: str = ""


class ImpersonationEdge(Strict):
    """Who may become whom."""

    stack: str
    address: str
    change: Literal["added", "removed"]
    member: str
    identity: str
    """The service account, or the project all of whose accounts it is about."""
    role: str


class AccessChanges(Section):
    """Principals and roles, added and removed."""

    grants: tuple[GrantChange, ...] = ()
    edges: tuple[ImpersonationEdge, ...] = ()


class PolicyRow(Strict):
    """One rule and one place."""

    change: Literal["new", "fixed", "waived"]
    rule: str
    stack: str
    address: str
    text: str
    reason: str = ""
    """Why it is waived."""
    owner: str = ""
    expires: datetime.date | None = None
    construct_path: str = ""
    source: tuple[str, ...] = ()


class PolicyChanges(Section):
    """What the planned configuration breaks and the base did not, and the other way round."""

    rows: tuple[PolicyRow, ...] = ()
    rules: int = 0
    """How many rules were held against it."""
    resources: int = 0
    """How many resources they looked at: a check that looked at none has said nothing."""
    compared_with: str = ""
    """What the base is, in words; empty when there was none and everything that is broken counts as new."""


class Span(Strict):
    """A figure that is never one number."""

    low: float = 0.0
    expected: float = 0.0
    high: float = 0.0


class StackCost(Strict):
    """What a stack costs a month, in USD."""

    stack: str
    before: Span
    after: Span
    delta: Span


class CostLine(Strict):
    """One thing that is paid for, of one resource."""

    stack: str
    address: str
    sku: str
    unit: str
    before: Span
    after: Span
    """USD a month."""
    confidence: str = ""
    observed_on: datetime.date | None = None


class UnpricedResource(Strict):
    """What the price book does not know."""

    stack: str
    address: str
    type: str
    reason: str


class Assumption(Strict):
    """What a price rests on, such as when an idle machine stops."""

    stack: str
    address: str
    before: str
    after: str


class CostChanges(Section):
    """Money."""

    before: Span = Span()
    after: Span = Span()
    delta: Span = Span()
    """USD a month over all stacks."""
    stacks: tuple[StackCost, ...] = ()
    lines: tuple[CostLine, ...] = ()
    unpriced: tuple[UnpricedResource, ...] = ()
    gpu_hours_before: Span = Span()
    gpu_hours_after: Span = Span()
    endpoint_hours_before: Span = Span()
    endpoint_hours_after: Span = Span()
    """Hours a month."""
    assumptions: tuple[Assumption, ...] = ()
    budget: float | None = None
    """USD a month that the environment may cost."""
    prices_from: datetime.date | None = None
    prices_to: datetime.date | None = None
    """The oldest and the newest observation of a price that was used."""
    oldest_days: int | None = None
    """Age of the oldest on the day of the review, which the caller said."""


class BlastNode(Strict):
    """A thing in the picture of the blast radius."""

    id: str
    kind: Literal["change", "resource", "stack", "code", "identity", "person"]
    label: str
    level: Level | None = None
    """The gravest finding on it."""
    action: Action | None = None


class BlastEdge(Strict):
    """`target` is reached by what happens to `origin`."""

    origin: str
    target: str
    why: str


class CodeUse(Strict):
    """A line of our code that uses what changes."""

    stack: str
    address: str
    name: str
    """The property of the names that both use, e.g. `online_store`."""
    room: str
    """pipelines, serving, ml, playbook …"""
    source: str
    """`file:line`."""


class BlastRadius(Section):
    """Who and what else is reached."""

    nodes: tuple[BlastNode, ...] = ()
    edges: tuple[BlastEdge, ...] = ()
    stacks: tuple[str, ...] = ()
    """Stack ids that use what changes, beside those that change."""
    code: tuple[CodeUse, ...] = ()
    people: tuple[str, ...] = ()
    """Owners, identities and people who use what changes."""


class ConfigurationDifference(Strict):
    """One path of the YAML in which two environments differ."""

    path: str
    here: JsonValue = None
    there: JsonValue = None
    allowed: bool
    reason: str = ""
    """From parity.yaml."""


class ConstructDifference(Strict):
    """A construct that only one of two environments has."""

    construct_path: str
    """Its path without the environment."""
    type: str
    only: Literal["here", "there"]
    reason: str = ""


class PromotionDelta(Section):
    """What the other environment already runs."""

    against: str
    release: str = ""
    """The release that runs there; empty when the ledger knows none."""
    commit: str = ""
    since: datetime.datetime | None = None
    soak_hours: int | None = None
    """How long it has to run there before it may go on."""
    ran_hours: float | None = None
    """How long it had run there when the caller says that the review was made."""
    differences: tuple[ConfigurationDifference, ...] = ()
    constructs: tuple[ConstructDifference, ...] = ()


class RestRow(Strict):
    """How many resources of a type meet what in a stack."""

    stack: str
    type: str
    action: Action
    count: int


class Rest(Section):
    """Everything that no other section is about, folded."""

    rows: tuple[RestRow, ...] = ()


class OpenBreakGlass(Strict):
    """An emergency grant that has not been closed by a review."""

    by: str
    reason: str
    since: datetime.datetime
    until: datetime.datetime


class SignOff(Strict):
    """Who has to agree, and who has."""

    needed: bool = False
    protected: bool = False
    approvers: tuple[str, ...] = ()
    """Who may; whoever made the plan or the commit is not among them in a protected environment."""
    approved_by: tuple[str, ...] = ()
    until: datetime.datetime | None = None
    command: str = ""
    """What an approver runs."""
    stale_when: str = "the plan, the configuration, the provider's lock file, the state or the commit moves, or the time is over"
    break_glass: tuple[OpenBreakGlass, ...] = ()


class Report(Strict):
    """The review of one change of one environment, or of one plan."""

    model_config = ConfigDict(title="Review")

    schema_version: Annotated[int, Field(ge=1)] = SCHEMA_VERSION
    subject: Subject
    verdict: Verdict
    destroys: Destroys = Destroys()
    access: AccessChanges = AccessChanges()
    exposure: Section = Section()
    policy: PolicyChanges | None = None
    """None when the plan is not ours: our policies are about our stacks."""
    cost: CostChanges = CostChanges()
    blast: BlastRadius = BlastRadius()
    promotion: PromotionDelta | None = None
    """None when it is compared with no other environment."""
    rest: Rest = Rest()
    sign_off: SignOff = SignOff()
    not_understood: Section = Section()
    """Changes to types that the rules know nothing of."""
    changes: tuple[Change, ...] = ()
    """Every change, by stack and address."""
    outside: tuple[Change, ...] = ()
    """What was changed outside Terraform since the last apply, as the plan found it."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all sections, the gravest first."""
        sections = (self.destroys, self.access, self.exposure, self.policy, self.cost, self.blast, self.promotion, self.rest)
        found = [finding for section in (*sections, self.not_understood) if section for finding in section.findings]
        return ordered([*found, *self.destroys.protection])


def to_json(report: Report) -> str:
    """The report as it is written: indented, for people as well, and the same bytes for the same report."""
    return report.model_dump_json(indent=2) + "\n"


def from_json(text: str | bytes) -> Report:
    """What `to_json` wrote.

    Raises:
        ValidationError: when it is no report of this schema.
    """
    return Report.model_validate_json(text)


def digest(report: Report) -> str:
    """SHA-256 of the report, which an approval names beside the plans."""
    return hashlib.sha256(to_json(report).encode()).hexdigest()
