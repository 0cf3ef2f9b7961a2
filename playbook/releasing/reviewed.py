"""Whether an environment's infrastructure is that of a commit, approved and applied, as its ledger tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from environments.clients import Clients
from infra.stacks import ORDER
from releases import approvals
from releases.approvals import ApprovalRefused
from releases.commit import Commit
from releases.digest import Planned
from releases.ledger import Entry
from releases.signing import SigningError


def lacking(clients: Clients, entries: Sequence[Entry], commit: Commit, at: datetime) -> str:
    """What is lacking; empty when nothing, or where people may apply without a review.

    Args:
        clients: of the environment.
        entries: its ledger.
        commit: that the infrastructure must be of.
        at: the moment that counts for what is approved and not applied yet.
    """
    environment, waiting = clients.names.environment, []
    if not environment.protected:
        return ""
    for stack in map(clients.names.stack, ORDER):
        found = approvals.newest(entries, stack)
        if found is None:
            return (
                f"nobody has approved a plan of {stack}, so that nobody knows what the release would meet in {environment.name}; have it "
                f"reviewed and approved: make diff ENV={environment.name}, then playbook approve --env {environment.name}"
            )
        entry, approval = found
        plan = approval.stacks[stack]
        applied = _applied(entries, entry, plan)
        try:
            # What was applied while the approval held stays approved.
            approvals.refuse(clients, approval, plan, commit, approval.at if applied else at)
        except (ApprovalRefused, SigningError) as error:
            return str(error)
        if not applied:
            waiting.append(stack)
    if waiting:
        return (
            f"the approved plans of {', '.join(waiting)} were not applied yet, so that the release would meet what was there before; "
            f"make deploy ENV={environment.name}"
        )
    return ""


def _applied(entries: Sequence[Entry], approval: Entry, plan: Planned) -> bool:
    """Whether an approved plan was carried out, or had nothing to do."""
    done = (entry.body for entry in entries if entry.kind == "apply" and entry.body.get("approval") == approval.number)
    if any(said["stack"] == plan.stack and said["outcome"] == "done" for said in done):
        return True
    kept = (entry.body["stacks"].get(plan.stack) for entry in entries if entry.kind == "plan")
    return any(one and Planned(**one["plan"]) == plan and not any(one["made_from"]["counts"].values()) for one in kept)
