"""Ways in which a resource can be open to the outside (`ways.yaml`): by values that one attribute or two have."""

import fnmatch
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from environments.fields import Strict
from environments.loading import read
from infra.review.change import Planned, Values, at
from infra.review.report import Exposure, Finding, Level

FILE = Path(__file__).with_name("ways.yaml")
Text = Annotated[str, StringConstraints(min_length=10)]
Wanted = dict[str, list[str | bool | None]]


class Way(Strict):
    """One way."""

    types: Annotated[list[str], Field(min_length=1)]
    """Globs over resource types."""
    finds: Exposure
    level: Level = "sign-off"
    when: Wanted = {}
    """Path → values: open when every path has one of them."""
    unless: Wanted = {}
    """Path → values: closed when one path has one of them."""
    text: Text
    remedy: Text

    @property
    def attribute(self) -> str:
        """The path that it is about; empty when the resource itself is the opening."""
        return next(iter([*self.when, *self.unless]), "")

    def concerns(self, type_: str) -> bool:
        """Whether resources of a type can be open in this way."""
        return any(fnmatch.fnmatchcase(type_, wanted) for wanted in self.types)

    def opens(self, values: Values) -> bool:
        """Whether a resource with these values is open in this way."""
        return all(_one_of(values, *each) for each in self.when.items()) and not any(_one_of(values, *each) for each in self.unless.items())


def _one_of(values: Values, path: str, wanted: list[str | bool | None]) -> bool:
    found = at(values, path)
    found = None if found in ("", [], {}) else found
    return isinstance(found, str | bool | None) and found in wanted and not (found is False and False not in wanted)


class Ways(Strict):
    """The content of `ways.yaml`."""

    ways: list[Way]


@cache
def table() -> tuple[Way, ...]:
    """The ways of the repository."""
    return tuple(read(FILE, Ways).ways)


@cache
def of(type_: str) -> tuple[Way, ...]:
    """The ways that concern a type."""
    return tuple(way for way in table() if way.concerns(type_))


def opened(it: Planned) -> Iterator[Finding]:
    """A finding for each way in which a resource is open afterwards and was not before."""
    if it.after is None:
        return
    for way in of(it.type):
        if way.opens(it.after) and (it.before is None or not way.opens(it.before)):
            yield it.finding(way.finds, way.level, f"{it.name} {way.text}", way.remedy, way.attribute)
