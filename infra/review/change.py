"""One resource before and after, as rules see it: redacted, with what only the apply will tell in place."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra.policies.subject import Resource
from infra.review.report import HIDDEN, UNKNOWN, Change, Finding, FindingId, Level

NAMES = ("name", "display_name", "account_id", "table_id", "dataset_id", "repository_id", "secret_id", "service")
Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One resource of a plan, whether something happens to it or not."""

    stack: str
    address: str
    type: str
    before: Values | None
    """None when it is created."""
    after: Values | None
    """None when it is deleted or forgotten."""
    change: Change | None
    """What happens to it; None when nothing does."""
    construct_path: str = ""
    source: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        """What happens to it; empty when nothing does."""
        return self.change.action if self.change else ""

    @property
    def ends(self) -> bool:
        """Whether the resource that is there now is no more afterwards."""
        return self.action in {"delete", "replace"}

    @property
    def name(self) -> str:
        """What people call it: its name at Google, else its address."""
        for values in (self.before, self.after):
            for attribute in NAMES:
                found = (values or {}).get(attribute)
                # Numbers are Google's; people say what is displayed.
                if isinstance(found, str) and found not in (HIDDEN, UNKNOWN, "") and not found.isdigit():
                    return found
        return self.address

    def was(self, path: str) -> Any:
        """The value at a dotted path before; None where there was none."""
        return at(self.before, path)

    def will(self, path: str) -> Any:
        """The value at a dotted path after; None where there is none."""
        return at(self.after, path)

    def turns(self, path: str) -> bool:
        """Whether the value at a path differs; nothing, null and empty are the same."""
        return bool((self.was(path) or None) != (self.will(path) or None))

    @cached_property
    def turned(self) -> tuple[tuple[tuple[str, ...], Any, Any], ...]:
        """Path, value before and value after of whatever differs and is no block; only of a resource that was there and stays.

        Of blocks that are there several times, those that both sides have are left out, in whatever order they stand.
        """
        if self.before is None or self.after is None or not self.change:
            return ()
        names = [name for name in {**self.before, **self.after} if self.before.get(name) != self.after.get(name)]
        before, after = (_by_path({name: values[name] for name in names if name in values}) for values in (self.before, self.after))
        found: list[tuple[tuple[str, ...], Any, Any]] = []
        for path in sorted(path for path in before.keys() | after.keys() if path):
            old, new = before.get(path, []), after.get(path, [])
            if old != new:
                gone, came = _without(old, new), _without(new, old)
                found += [(path, *pair) for pair in itertools.zip_longest(gone, came)]
        return tuple(found)

    def finding(self, id: FindingId, level: Level, text: str, remedy: str, attribute: str = "") -> Finding:
        """A finding on it."""
        return Finding(
            id=id,
            level=level,
            stack=self.stack,
            address=self.address,
            text=text,
            remedy=remedy,
            attribute=attribute,
            construct_path=self.construct_path,
            source=self.source,
        )


def _by_path(values: Values) -> dict[tuple[str, ...], list[Any]]:
    found: dict[tuple[str, ...], list[Any]] = {}
    for path, value in leaves(values):
        found.setdefault(path, []).append(value)
    return found


def _without(values: list[Any], others: list[Any]) -> list[Any]:
    """The values that the others do not have, as often as they have them less."""
    left, rest = [], list(others)
    for value in values:
        if value in rest:
            rest.remove(value)
        else:
            left.append(value)
    return left


def at(values: Values | None, path: str) -> Any:
    """The value at a dotted path, through the one-element lists that blocks are; None where there is none."""
    return Resource(type="", id="", body=dict(values or {})).at(path)


def blocks(values: Values | None, path: str) -> list[dict[str, Any]]:
    """The blocks at a dotted path, where many may be at each step."""
    found: list[Any] = [values or {}]
    for part in path.split("."):
        inner = [one.get(part) for one in found if isinstance(one, Mapping)]
        found = [each for one in inner for each in (one if isinstance(one, list) else [one])]
    return [one for one in found if isinstance(one, dict)]


def number(value: Any) -> float | None:
    """A number, also one that Terraform keeps as text or as a duration (`2592000s`); None for what is none."""
    if isinstance(value, bool):
        return None
    try:
        return float(value.removesuffix("s") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None


def items(value: Any) -> list[str]:
    """The texts of a list; one text and none look alike."""
    return [str(item) for item in (value if isinstance(value, list) else [value]) if item not in (None, "")]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no block, with the path to it; indexes of lists are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, str(key)))
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value
