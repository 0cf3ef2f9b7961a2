"""One thing that a bootstrap sees to: it looks first, says what it will do, and then does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.terraform.rest import Google, Refused

MISSING = "to be made"


@dataclass(frozen=True)
class Step:
    """One thing that must be there.

    Attributes:
        what: for people.
        lacking: what is to be done; nothing when it is as it must be.
        make: does it.
    """

    what: str
    lacking: Callable[[], str]
    make: Callable[[], None]


def found(google: Google, url: str) -> dict[str, Any] | None:
    """What Google has at an address; None when there is nothing.

    What is not there and what may not be seen are answered alike, also where a project is yet to be made or an API to be enabled.

    Raises:
        Refused: when Google refuses for another reason.
    """
    try:
        return google.call("GET", url)
    except Refused as error:
        if error.status not in (403, 404):
            raise
        return None
