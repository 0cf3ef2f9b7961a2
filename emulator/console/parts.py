"""Parts that several views share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.console.markup import Child, Markup, clock, element, table

if TYPE_CHECKING:
    from emulator.cloud import Cloud

LINES = 300


class NothingThere(Exception):
    """What a page was asked to show does not exist."""


def last(name: str) -> str:
    """The last part of a resource name."""
    return name.rpartition("/")[2]


def properties(values: Mapping[str, Child]) -> Markup:
    """Names and values; what has no value is left out."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in values.items() if value))


def log_of(cloud: Cloud, resource: str) -> Markup:
    """The last lines of a resource's log."""
    rows = cloud.store.last_lines(resource, LINES)
    return table(
        ["Time", "Line"],
        [[clock(time), element("pre", line)] for _, time, line in rows],
        "Nothing has been logged.",
    )
