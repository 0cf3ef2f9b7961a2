"""Who is let through in a protected environment: the plan that was approved, once, from where a killed run has stopped.

What an approval has led to stands in the ledger, an entry when a stack's apply begins and one when it ends, so that a rerun knows which
stacks are done and which one was left half-way.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from environments.clients import Clients
from infra.terraform import kept, state
from infra.terraform.errors import TerraformFailed
from infra.terraform.stack import Counts, Stack
from releases import approvals, ledger
from releases.approvals import ApprovalRefused
from releases.commit import Commit
from releases.digest import Planned
from releases.ledger import Entry, LedgerError
from releases.signing import SigningError

Outcome = Literal["begun", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What decides whether a stack of a protected environment is applied.

    Attributes:
        clients: of the environment.
        commit: that the checkout is at.
        entries: the ledger, as it was when the run began.
    """

    clients: Clients
    commit: Commit
    entries: Sequence[Entry]


def apply(gate: Gate, stack: Stack) -> Counts:
    """Apply the plan of a stack that was approved, unless that approval has led to it already.

    Args:
        gate: what decides.
        stack: under its locks.

    Raises:
        TerraformFailed: when nobody approved it, the approval does not hold, or an earlier run was left half-way.
    """
    clients = gate.clients
    number, approval = newest(gate, stack.id)
    before = _outcomes(gate.entries, number, stack.id)
    if done := next((entry for entry in before if entry.body["outcome"] == "done"), None):
        stack.say(f"was applied at {done.at.isoformat(timespec='minutes')} by {done.by} with this approval, so that nothing is left to do")
        return Counts()
    _refuse_half_way(gate, stack, approval.stacks[stack.id], before)
    held = kept.holding(gate.entries, approval.stacks[stack.id])
    plan = _ready(clients, stack, approval.stacks[stack.id], held)
    refuse(gate, approval, plan)
    counts = stack.planned()
    if not counts.nothing:
        _tell(clients, number, plan, "begun", Counts())
        try:
            counts = stack.apply(adopt=False)
        except TerraformFailed:
            _tell(clients, number, plan, "failed", Counts())
            raise
        _tell(clients, number, plan, "done", counts)
    if held:
        kept.discard(clients, held.body["stacks"][stack.id])
    return counts


def _ready(clients: Clients, stack: Stack, approved: Planned, held: Entry | None) -> Planned:
    """The plan in the working folder: our own where it is the approved one, otherwise the one that was kept."""
    try:
        stack.planned()
        plan = stack.identity()
    except TerraformFailed:
        if held is None:
            raise
        plan = None
    if plan is not None and (plan == approved or held is None):
        return plan
    assert held is not None
    kept.fetch(clients, held.body["stacks"][stack.id], stack)
    stack.planned()
    return stack.identity()


def newest(gate: Gate, stack: str) -> tuple[int, approvals.Approval]:
    """The last approval that names a stack, after its number in the ledger.

    Raises:
        TerraformFailed: when there is none.
    """
    name = gate.clients.names.environment.name
    try:
        found = approvals.newest(gate.entries, stack)
    except ApprovalRefused as error:
        raise TerraformFailed(str(error)) from None
    if found is None:
        raise TerraformFailed(
            f"nobody has approved a plan of {stack}, and {name} is protected. Nothing was changed. "
            f"Have it reviewed and approved: make diff ENV={name}, then playbook approve --env {name}"
        )
    return found[0].number, found[1]


def refuse(gate: Gate, approval: approvals.Approval, plan: Planned) -> None:
    """Let a plan go on that the approval is of.

    Raises:
        TerraformFailed: for another one, saying which rule it is and what mends it.
    """
    try:
        approvals.refuse(gate.clients, approval, plan, gate.commit, datetime.now(UTC))
    except (ApprovalRefused, SigningError) as error:
        raise TerraformFailed(str(error)) from None


def _outcomes(entries: Sequence[Entry], approval: int, stack: str) -> list[Entry]:
    """What was done to a stack with an approval."""
    return [entry for entry in entries if entry.kind == "apply" and entry.body.get("approval") == approval and entry.body["stack"] == stack]


def _refuse_half_way(gate: Gate, stack: Stack, approved: Planned, before: Sequence[Entry]) -> None:
    """Go on where nothing was done yet; what an apply has written to the state is no longer what the plan was made from.

    Raises:
        TerraformFailed: when the state moved.
    """
    names = gate.clients.names
    lineage, serial = state.current(gate.clients.storage(), names, stack.id)
    if (lineage, serial) == (approved.lineage, approved.serial):
        return
    name = names.environment.name
    if before:
        begun = before[0]
        why = f"its apply of {begun.at.isoformat(timespec='minutes')} by {begun.by} was left half-way"
    else:
        why = "somebody has changed it since"
    raise TerraformFailed(
        f"the approved plan of {stack.id} is stale: {why}, and the state moved from serial {approved.serial} to {serial}"
        f"{'' if lineage == approved.lineage else ' of another lineage'}. Nothing was changed now. "
        f"Have what is left reviewed and approved: make diff ENV={name}, then playbook approve --env {name}"
    )


def _tell(clients: Clients, approval: int, plan: Planned, outcome: Outcome, counts: Counts) -> None:
    body = {"approval": approval, "stack": plan.stack, "plan": plan.digest, "outcome": outcome, "counts": asdict(counts)}
    try:
        ledger.append(clients, "apply", body)
    except LedgerError as error:
        raise TerraformFailed(str(error)) from None
