"""Who consents to what: plans by their digests, until when, signed with a key that only that person can use.

Nobody can name another: the key's name follows from the person (`Names.approver_key`), only that person may sign with it, and it is
verified by the public half of exactly that key. Each refusal says which rule it is and what mends it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from releases import ledger, signing
from releases.commit import Commit
from releases.digest import Planned, moved
from releases.ledger import Entry
from releases.signing import Signature, SigningError

if TYPE_CHECKING:
    from environments import Environment
    from environments.clients import Clients

LONGEST = timedelta(days=7)
"""How long an approval may hold: what was reviewed longer ago, nobody remembers."""


class ApprovalRefused(Exception):
    """A plan may not be approved, or not be applied; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One person's consent.

    Attributes:
        environment: in which the plans are applied.
        by: e-mail of the person.
        at: when.
        until: after which it is worth nothing.
        report: digest of the review that the person has read.
        planned_by: e-mails of who made the plans.
        stacks: stack id → its plan.
        signature: over all of that.
    """

    environment: str
    by: str
    at: datetime
    until: datetime
    report: str
    planned_by: tuple[str, ...]
    stacks: Mapping[str, Planned]
    signature: Signature

    @property
    def payload(self) -> bytes:
        """What is signed."""
        return _payload(self.environment, self.by, self.at, self.until, self.report, self.planned_by, self.stacks)

    @property
    def body(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        return {"signed": json.loads(self.payload), "version": self.signature.version, "signature": self.signature.value}


def approve(
    clients: Clients, planned: Sequence[Planned], planned_by: Iterable[str], commit: Commit, report: str, until: datetime, now: datetime
) -> Approval:
    """Sign these plans as who is logged in, and write that into the ledger.

    Args:
        clients: of the environment.
        planned: the plans, of one commit.
        planned_by: e-mails of who made them.
        commit: that the checkout is at, and that the plans must be of.
        report: digest of the review.
        until: when it ends.
        now: the time.

    Raises:
        ApprovalRefused: when that person may not approve, or not this.
        SigningError: when Google does not sign.
        LedgerError: when the ledger is broken.
    """
    environment, person, makers = clients.names.environment, clients.principal(), tuple(sorted(set(planned_by)))
    if not planned:
        raise ApprovalRefused(
            f"there is no plan of {environment.name} to approve. Nothing was signed. Plan: make diff ENV={environment.name}"
        )
    refuse_person(environment, person, commit, makers)
    refuse_commit(environment, planned, commit)
    if not now < until <= now + LONGEST:
        why = "is over already" if until <= now else f"would hold for more than {LONGEST.days} days"
        raise ApprovalRefused(
            f"an approval until {until.isoformat()} {why}. Nothing was signed. "
            f"Give a time before {(now + LONGEST).isoformat(timespec='minutes')}."
        )
    stacks = {plan.stack: plan for plan in planned}
    content = _payload(environment.name, person, now, until, report, makers, stacks)
    try:
        signature = signing.sign(clients.session(), clients.names.approver_key(person), content)
    except SigningError as error:
        raise ApprovalRefused(
            f"{error} The key of {person} is made by make bootstrap ENV={environment.name} once the e-mail is among the approvers of "
            f"environments/{environment.name}.yaml, and only its owner signs with it."
        ) from None
    approval = Approval(
        environment=environment.name,
        by=person,
        at=now,
        until=until,
        report=report,
        planned_by=makers,
        stacks=stacks,
        signature=signature,
    )
    ledger.append(clients, "approval", approval.body, now)
    return approval


def refuse_person(environment: Environment, person: str, commit: Commit, planned_by: Iterable[str]) -> None:
    """Let only approvers approve, and in a protected environment nobody their own work.

    Raises:
        ApprovalRefused: for anybody else.
    """
    file = f"environments/{environment.name}.yaml"
    if person not in environment.approvers:
        raise ApprovalRefused(
            f"{person} is not among the approvers of {file} ({', '.join(environment.approvers) or 'there are none'}), so that this consent "
            f"counts for nothing. Ask one of them, or have the e-mail added there in a change that they review."
        )
    if not environment.protected:
        return
    part = {commit.author: "wrote the commit", commit.committer: "committed it", **dict.fromkeys(planned_by, "made the plan")}
    if person in part:
        raise ApprovalRefused(
            f"{person} {part[person]}, and in {environment.name}, which is protected, nobody approves their own work. "
            f"Ask another approver: {', '.join(sorted(set(environment.approvers) - part.keys())) or f'none is left; add one to {file}'}."
        )


def refuse_commit(environment: Environment, planned: Iterable[Planned], commit: Commit) -> None:
    """Let only plans of the commit that the checkout is at go on, and in a protected environment only what is committed.

    Raises:
        ApprovalRefused: for plans of another one.
    """
    again = f"make diff ENV={environment.name}"
    if others := sorted({plan.commit for plan in planned if plan.commit != commit.id}):
        raise ApprovalRefused(
            f"the plans are of commit {', '.join(other[:12] or 'none' for other in others)}, and this checkout is at {commit.id[:12]}: "
            f"they may do something else than it says. Nothing was done. Check out the commit that was planned, or plan this one: {again}"
        )
    if environment.protected and commit.dirty:
        raise ApprovalRefused(
            f"the working tree holds more than commit {commit.id[:12]}, and {environment.name} is protected: what is not committed was "
            f"reviewed by nobody. Nothing was changed. Commit it or put it aside (git stash), then plan again: {again}"
        )


def read(entry: Entry) -> Approval:
    """The approval that an entry of the ledger holds; its signature is yet to be verified.

    Raises:
        ApprovalRefused: when it holds none.
    """
    try:
        signed = entry.body["signed"]
        return Approval(
            environment=signed["environment"],
            by=signed["by"],
            at=datetime.fromisoformat(signed["at"]),
            until=datetime.fromisoformat(signed["until"]),
            report=signed["report"],
            planned_by=tuple(signed["planned_by"]),
            stacks={stack: Planned(**plan) for stack, plan in signed["stacks"].items()},
            signature=Signature(version=entry.body["version"], value=entry.body["signature"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ApprovalRefused(
            f"entry {entry.number} of the ledger holds no approval ({type(error).__name__}: {error}). Nothing was changed. Approve again."
        ) from None


def newest(entries: Sequence[Entry], stack: str) -> tuple[Entry, Approval] | None:
    """The last approval that names a stack, and where it stands in the ledger."""
    for entry in reversed(entries):
        if entry.kind == "approval" and stack in (approval := read(entry)).stacks:
            return entry, approval
    return None


def refuse(clients: Clients, approval: Approval, found: Planned, commit: Commit, now: datetime) -> None:
    """Let a plan go on that is the approved one, or equal to it.

    Args:
        clients: of the environment.
        approval: the last one that names the stack.
        found: the plan that would be applied.
        commit: that the checkout is at.
        now: the time.

    Raises:
        ApprovalRefused: when the approval is edited, expired, of somebody who may not give it, or of another plan.
        SigningError: when Google does not give the public key.
    """
    environment, names = clients.names.environment, clients.names
    again = f"Nothing was changed. Have it approved: make diff ENV={environment.name}, then playbook approve --env {environment.name}"
    whose = f"the approval of {approval.by} of {approval.at.isoformat(timespec='minutes')}"
    if approval.environment != environment.name:
        raise ApprovalRefused(f"{whose} is for {approval.environment}, not for {environment.name}. {again}")
    if approval.signature.key != names.approver_key(approval.by):
        raise ApprovalRefused(
            f"{whose} was signed with {approval.signature.version}, which is not the key of {approval.by}: somebody else gave it. {again}"
        )
    if not signing.verify(clients.session(), approval.signature, approval.payload):
        raise ApprovalRefused(f"{whose} was edited after it was signed: the signature does not fit. {again}")
    refuse_person(environment, approval.by, commit, approval.planned_by)
    if now > approval.until:
        raise ApprovalRefused(f"{whose} expired at {approval.until.isoformat(timespec='minutes')}. {again}")
    refuse_commit(environment, [found], commit)
    if differs := moved(approval.stacks[found.stack], found):
        raise ApprovalRefused(f"the plan of {found.stack} is stale, it is not the one of {whose}: {'; '.join(differs)}. {again}")


def _payload(
    environment: str, by: str, at: datetime, until: datetime, report: str, planned_by: Sequence[str], stacks: Mapping[str, Planned]
) -> bytes:
    said = {
        "environment": environment,
        "by": by,
        "at": at.astimezone(UTC).isoformat(),
        "until": until.astimezone(UTC).isoformat(),
        "report": report,
        "planned_by": list(planned_by),
        "stacks": {stack: asdict(plan) for stack, plan in stacks.items()},
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
