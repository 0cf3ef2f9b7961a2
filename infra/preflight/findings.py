"""One answer of the preflight."""

from dataclasses import dataclass
from typing import Literal

from infra.terraform.rest import Refused

NOBODY = (0, 401)
"""Statuses of a question that reached nobody, or came from nobody."""

Status = Literal["ok", "blocks", "cannot be read"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Whether one thing that the stacks ask for would be had."""

    check: str
    """Which question: `api`, `permission`, `organisation policy`, `quota`, `service agent`."""
    subject: str
    """What was looked at."""
    status: Status
    says: str
    """What is so, and what follows."""
    mend: str = ""
    """What to do, where something is to be done."""


def unread(check: str, subject: str, error: Refused, mend: str) -> Finding:
    """Google did not let us look, which is not the same as nothing being wrong.

    Raises:
        Refused: when nobody is logged in, or Google is out of reach: then there is nothing to find.
    """
    if error.status in NOBODY:
        raise error
    return Finding(check=check, subject=subject, status="cannot be read", says=str(error), mend=mend)
