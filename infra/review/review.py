"""Joins it: what the rules find in the plans, and what was found out around them, in one report. It reads nothing and asks nobody."""

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from infra.policies.waivers import Waivers
from infra.review.accepted import softened
from infra.review.change import Planned
from infra.review.plan import Plan
from infra.review.report import (
    BlastRadius,
    Change,
    CostChanges,
    Destroys,
    Finding,
    PlannedStack,
    PolicyChanges,
    PromotionDelta,
    Report,
    Rest,
    RestRow,
    Section,
    SignOff,
    Subject,
    ordered,
)
from infra.review.rules import encryption, exposure, loss, retention, running, switches, watching
from infra.review.rules.access import access
from infra.review.rules.world import World
from infra.review.types import known
from infra.review.verdict import verdict
from releases.digest import of_all

Radius = Callable[[Sequence[Finding]], BlastRadius]


def alone(findings: Sequence[Finding]) -> BlastRadius:
    """The blast radius where nobody looked."""
    return BlastRadius()


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the plans do not tell by themselves."""

    today: datetime.date
    subject: Subject = field(default_factory=Subject)
    """With what identifies the plan of each stack; the rest is filled in here."""
    projects: Iterable[str] = ()
    """Projects that are ours beside those that the plans name."""
    domains: Iterable[str] = ()
    """Domains of our people."""
    accepted: Waivers = field(default_factory=lambda: Waivers(waivers=[]))
    policy: PolicyChanges | None = None
    cost: CostChanges = field(default_factory=CostChanges)
    blast: Radius = alone
    """What else is reached, from the findings so far."""
    promotion: PromotionDelta | None = None
    sign_off: SignOff = field(default_factory=SignOff)


def review(plans: Sequence[Plan], context: Context) -> Report:
    """The review of some plans together.

    Args:
        plans: one a stack.
        context: what else is known.
    """
    plans = sorted(plans, key=lambda plan: plan.stack)
    drift = context.subject.kind == "drift"
    resources = [it for plan in plans for it in (plan.outside if drift else plan.resources)]
    everything = [it for plan in plans for it in plan.resources]
    world = World.of([*everything, *resources], [*context.projects, *(plan.project for plan in plans)], context.domains)

    def judged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
        return ordered(softened(findings, context.accepted, context.today))

    destroys = Destroys(
        findings=judged(loss.losses(resources)),
        resources=tuple(loss.lost(resources)),
        protection=judged(_protection(resources)),
    )
    granted = access(resources, world)
    granted = granted.model_copy(update={"findings": judged(granted.findings)})
    exposed = Section(findings=judged(exposure.exposed(resources, world)))
    unknown = Section(findings=judged(running.unknown_types(resources, {it.type: known(it.type) is not None for it in resources})))
    noticed = [*running.noticed(resources), *(finding for plan in plans for finding in _left_out(plan))]
    if not drift:
        noticed += [finding for plan in plans for finding in running.outside(plan.outside)]
    told = [*destroys.findings, *destroys.protection, *granted.findings, *exposed.findings, *unknown.findings]
    rest = Rest(findings=judged(noticed), rows=_rows(resources, told))
    found = [*told, *rest.findings]
    sections = [section for section in (context.policy, context.cost, context.promotion) if section is not None]
    found += [finding for section in sections for finding in section.findings]
    blast = context.blast(found)
    stacks = tuple(_stack(plan, context.subject) for plan in plans)
    return Report(
        subject=context.subject.model_copy(update={"stacks": stacks}),
        verdict=verdict([*found, *blast.findings], of_all({stack.id: stack.plan for stack in stacks})),
        destroys=destroys,
        access=granted,
        exposure=exposed,
        policy=context.policy,
        cost=context.cost,
        blast=blast,
        promotion=context.promotion,
        rest=rest,
        sign_off=context.sign_off,
        not_understood=unknown,
        changes=_changes(resources),
        outside=() if drift else _changes(it for plan in plans for it in plan.outside),
    )


def _protection(resources: Sequence[Planned]) -> list[Finding]:
    rules = (switches.switched_off, retention.shortened, encryption.weakened, watching.unseen)
    return [finding for rule in rules for finding in rule(resources)]


def _left_out(plan: Plan) -> list[Finding]:
    """What the plan will do or decide that no change describes."""
    remedy = "Plan again once what it waits for is there; nothing is applied from a plan that does not say everything."
    said = plan.left_out or (() if plan.complete else ("the plan says of itself that it is not complete",))
    return [Finding(id="unknown-until-apply", level="block", stack=plan.stack, address="", text=text, remedy=remedy) for text in said]


def _rows(resources: Sequence[Planned], told: Sequence[Finding]) -> tuple[RestRow, ...]:
    """How many changes of each type no other section tells of."""
    elsewhere = {(finding.stack, finding.address) for finding in told}
    left = Counter((it.stack, it.type, it.change.action) for it in resources if it.change and (it.stack, it.address) not in elsewhere)
    return tuple(RestRow(stack=stack, type=type_, action=action, count=count) for (stack, type_, action), count in sorted(left.items()))


def _stack(plan: Plan, subject: Subject) -> PlannedStack:
    identified = next((stack for stack in subject.stacks if stack.id == plan.stack), PlannedStack(id=plan.stack))
    terraform = identified.terraform or plan.terraform
    return identified.model_copy(update={"tally": plan.tally, "complete": plan.complete, "terraform": terraform})


def _changes(resources: Iterable[Planned]) -> tuple[Change, ...]:
    return tuple(sorted((it.change for it in resources if it.change), key=lambda change: (change.stack, change.address, change.action)))
