"""The review of an environment of ours: its saved plans, and what surrounds them in the repository and in the ledgers."""

import datetime
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from environments import Environment, load, tasks
from environments.clients import Clients
from environments.loading import parity
from infra import app, synthesis
from infra.policies import subject, waivers
from infra.policies.subject import SynthesisedStack
from infra.price.book import book
from infra.review import plan
from infra.review.accepted import load as load_accepted
from infra.review.base import Base, synthesised
from infra.review.blast import blast
from infra.review.cost import costs
from infra.review.named import Named
from infra.review.plan import Origin, Plan
from infra.review.policies import policies, reverted
from infra.review.promotion import promotion
from infra.review.report import OpenBreakGlass, PlannedStack, PolicyChanges, PromotionDelta, Report, SignOff, Subject
from infra.review.review import Context, review
from infra.review.uses import code
from infra.terraform.runner import Saved
from releases import approvals, breakglass, commit, ledger
from releases.approvals import Approval, ApprovalRefused
from releases.commit import Commit, CommitError
from releases.digest import Planned
from releases.ledger import Entry
from releases.signing import SigningError

ROOT = Path(__file__).parents[2]


def of_environment(
    name: str, saved: Mapping[str, Saved], folder: Path, now: datetime.datetime, against: str = "", reference: str = "", kind: str = "plan"
) -> Report:
    """Review the saved plans of an environment.

    Args:
        name: the environment.
        saved: stack id → its plan.
        folder: where the stacks that were planned were synthesised.
        now: when the review is made, for waivers, prices and how long something has run elsewhere.
        against: the environment that it is compared with for promotion; empty means none.
        reference: the commit that policies and costs are compared with; empty means what the state holds.
        kind: `plan`, or `drift` for what was changed outside Terraform.

    Raises:
        PlanUnreadable, BaseUnreadable: when a plan or the base cannot be read.
        LedgerError: when a ledger is not what was written.
    """
    synthesis.prepare()  # policies ask the bindings which types carry labels
    clients = Clients.of(name)
    names = clients.names
    environment = names.environment
    stacks = [stack for stack in subject.read(folder, [name]) if stack.id in saved]
    plans = [plan.read(saved[stack.id].document, stack.id, declared(stack), left_to_others(stack)) for stack in stacks]
    resources = [resource for one in plans for resource in one.resources]
    base = synthesised(reference, name) if reference else None
    at, entries = here(), ledger.entries(clients)
    delta = _promotion(environment, against, at, now, stacks) if against else None
    context = Context(
        today=now.date(),
        subject=_subject(name, saved, at, against, base, kind),
        projects=[names.project],
        domains={person.rpartition("@")[2] for person in environment.approvers},
        accepted=load_accepted(),
        policy=_policy(stacks, plans, base, now.date()),
        cost=costs(
            resources,
            {one.stack: one.region for one in plans},
            book(),
            now.date(),
            environment,
            base.environment if base else None,
        ),
        blast=lambda findings: blast(resources, Named(names, tasks()), code(), findings),
        promotion=delta,
        sign_off=_sign_off(clients, saved, at, entries, now),
    )
    return review(plans, context)


def declared(stack: SynthesisedStack) -> dict[str, Origin]:
    """Address → where a resource of ours was declared."""
    return {
        resource.address: Origin(construct_path=resource.construct, source=tuple(stack.origins.get(resource.construct, ())))
        for resource in stack.resources
    }


def left_to_others(stack: SynthesisedStack) -> dict[str, list[str]]:
    """Address → arguments of a resource of ours that Terraform sets once and leaves alone."""
    found = {resource.address: resource.at("lifecycle.ignore_changes") for resource in stack.resources}
    return {address: paths for address, paths in found.items() if isinstance(paths, list)}


def here() -> Commit | None:
    """The commit of this checkout; None where there is none to tell."""
    try:
        return commit.of(ROOT)
    except CommitError:
        return None


def _subject(name: str, saved: Mapping[str, Saved], at: Commit | None, against: str, base: Base | None, kind: str) -> Subject:
    planned = [one.planned for one in saved.values()]
    return Subject(
        kind="drift" if kind == "drift" else "plan",
        environment=name,
        against=against,
        commit=at.id if at else "",
        dirty=bool(at and at.dirty),
        base=base.commit if base else "",
        made_by=", ".join(sorted({one.by for one in saved.values() if one.by})),
        provider=", ".join(sorted({one.provider for one in planned})),
        stacks=tuple(
            PlannedStack(
                id=one.stack,
                plan=one.digest,
                configuration=one.configuration,
                lock_file=one.lock_file,
                lineage=one.lineage,
                serial=one.serial,
                terraform=one.terraform,
            )
            for one in sorted(planned, key=lambda one: one.stack)
        ),
    )


def _policy(stacks: Sequence[SynthesisedStack], plans: Iterable[Plan], base: Base | None, today: datetime.date) -> PolicyChanges:
    resources = [resource for one in plans for resource in one.resources]
    if base is None:
        return policies(stacks, reverted(stacks, resources), waivers.load(), today, "what the state holds")
    ids = {stack.id for stack in stacks}
    before = [stack for stack in base.stacks if stack.id in ids]
    return policies(stacks, before, waivers.load(), today, f"commit {base.commit[:12]}")


def _promotion(
    environment: Environment, against: str, at: Commit | None, now: datetime.datetime, stacks: Sequence[SynthesisedStack]
) -> PromotionDelta:
    other = load(against)
    entries = ledger.entries(Clients.of(against))
    return promotion(environment, other, entries, at.id if at else "", now, parity(), [*stacks, *_synthesised(against)])


def _synthesised(name: str) -> list[SynthesisedStack]:
    """The stacks of another environment, from this checkout."""
    with tempfile.TemporaryDirectory(prefix="against-") as scratch:
        app.synthesise([name], Path(scratch))
        return subject.read(Path(scratch), [name])


def _sign_off(clients: Clients, saved: Mapping[str, Saved], at: Commit | None, entries: Sequence[Entry], now: datetime.datetime) -> SignOff:
    """Who has to agree, whose agreement to exactly these plans still holds, and who is past all that."""
    environment = clients.names.environment
    makers = {one.by for one in saved.values()} | ({at.author, at.committer} if at else set())
    able = [person for person in environment.approvers if not (environment.protected and person in makers)]
    found = [(approvals.newest(entries, stack), one.planned) for stack, one in saved.items()]
    held = [each[1] for each, planned in found if each and at and _holds(clients, each[1], planned, at, now)]
    given = len(held) == len(saved) and bool(saved)
    return SignOff(
        needed=environment.protected,
        protected=environment.protected,
        approvers=tuple(sorted(able)),
        approved_by=tuple(sorted({approval.by for approval in held})) if given else (),
        until=min(approval.until for approval in held) if given else None,
        command=f"playbook approve --env {environment.name} --until TIME" if environment.protected else "",
        break_glass=tuple(
            OpenBreakGlass(by=one.by, reason=one.reason, since=one.since, until=one.until) for one in breakglass.opened(entries)
        ),
    )


def _holds(clients: Clients, approval: Approval, planned: Planned, at: Commit, now: datetime.datetime) -> bool:
    """Whether an approval is one that an apply would accept."""
    try:
        approvals.refuse(clients, approval, planned, at, now)
    except (ApprovalRefused, SigningError):
        return False
    return True
