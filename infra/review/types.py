"""What the review knows of resource types (`types.yaml`): what is lost with a resource, and how that comes back."""

import fnmatch
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints

from environments.fields import Strict
from environments.loading import read

FILE = Path(__file__).with_name("types.yaml")

Kind = Literal["holds", "disposable", "identity", "key", "plain"]
Text = Annotated[str, StringConstraints(min_length=5)]


class Held(Strict):
    """What goes with a resource."""

    lost: Text
    undo: Text


class Types(Strict):
    """The content of `types.yaml`."""

    holds: dict[str, Held]
    """Resource type → what it stores."""
    disposable: dict[str, Held]
    """Resource type → what goes with it although replacing it is ordinary work."""
    identity: dict[str, Held]
    """Resource type → whose access ends with it."""
    key: dict[str, Held]
    """Resource type → what can no longer be read."""
    plain: list[str]
    """Globs over the types that are understood and hold nothing."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one type."""

    kind: Kind
    lost: str = "nothing that is not declared again"
    undo: str = "apply the configuration of before"


@cache
def table() -> Types:
    """The table of the repository."""
    return read(FILE, Types)


@cache
def known(type_: str) -> Known | None:
    """What is known of a type; None when the rules do not understand it."""
    types = table()
    kinds: tuple[tuple[Kind, dict[str, Held]], ...] = (
        ("holds", types.holds),
        ("disposable", types.disposable),
        ("identity", types.identity),
        ("key", types.key),
    )
    for kind, declared in kinds:
        if held := declared.get(type_):
            return Known(kind=kind, lost=held.lost, undo=held.undo)
    return Known(kind="plain") if any(fnmatch.fnmatchcase(type_, wanted) for wanted in types.plain) else None
