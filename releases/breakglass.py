"""Break-glass: a person is let past the approvals for some hours, with a reason, and until somebody else has looked at what came of it.

The ledger knows every one of them; what is granted, and taken away again, is `infra`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from environments import Environment
from releases.ledger import Entry

TITLE = "break-glass"
"""Title of the condition on every such grant: by it the alert knows one that was made by hand, too."""
LONGEST = timedelta(hours=8)
SHORTEST_REASON = 10


class BreakGlassRefused(Exception):
    """It may not be broken so, or not be closed yet; the message is complete and meant for people."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """One that nobody has closed.

    Attributes:
        number: of its entry in the ledger.
        by: e-mail of who may do more for a while.
        reason: why.
        since: when it began.
        until: when the grant ends by itself.
    """

    number: int
    by: str
    reason: str
    since: datetime
    until: datetime


def opened(entries: Sequence[Entry]) -> list[Opened]:
    """Those that are open, oldest first; one whose grant has ended is open until it is closed."""
    closed = {entry.body["opened"] for entry in entries if entry.kind == "break-glass-closed"}
    return [
        Opened(
            number=entry.number,
            by=entry.by,
            reason=entry.body["reason"],
            since=entry.at,
            until=datetime.fromisoformat(entry.body["until"]),
        )
        for entry in entries
        if entry.kind == "break-glass" and entry.number not in closed
    ]


def refuse_opening(reason: str, hours: float) -> None:
    """Let it be opened with a reason that says something, and for hours.

    Raises:
        BreakGlassRefused: otherwise.
    """
    if len(reason.strip()) < SHORTEST_REASON:
        raise BreakGlassRefused(
            f"{reason!r} says nobody why the approvals are passed by. Nothing was granted. Give --reason 'what is broken, and for whom'"
        )
    if not timedelta(0) < timedelta(hours=hours) <= LONGEST:
        raise BreakGlassRefused(
            f"{hours:g} hours are {'none' if hours <= 0 else 'too long for an emergency'}. Nothing was granted. "
            f"Give --hours between 1 and {LONGEST // timedelta(hours=1)}; it can be opened again."
        )


def refuse_closing(entries: Sequence[Entry], one: Opened, person: str, environment: Environment) -> None:
    """Let it be closed by an approver who is not who opened it, after a look at what was changed outside Terraform since.

    Raises:
        BreakGlassRefused: otherwise.
    """
    name = environment.name
    if person == one.by:
        raise BreakGlassRefused(f"{person} opened it, and somebody else closes it. It stays open. Ask another approver of {name}.")
    if environment.protected and person not in environment.approvers:
        raise BreakGlassRefused(
            f"{person} is not among the approvers of environments/{name}.yaml. It stays open. Ask {' or '.join(environment.approvers)}."
        )
    if not any(entry.kind == "drift" and entry.at >= one.since for entry in entries):
        raise BreakGlassRefused(
            f"nobody has looked at what was changed since {one.since.isoformat(timespec='minutes')}. It stays open. "
            f"Look, and bring what is to stay into the code: playbook drift --env {name}"
        )
