"""HTML elements from Python values: everything that is not `Markup` already is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

VOID = {"meta", "link", "br"}


class Markup(str):
    """HTML that may stand as it is."""

    __slots__ = ()


Child = str | int | float | None


def element(tag: str, *children: Child, **attributes: str) -> Markup:
    """`<tag attributes>children</tag>`; a trailing underscore of an attribute's name is dropped (`class_`)."""
    written = "".join(f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for name, value in attributes.items() if value)
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Markup:
    """The children one after the other."""
    return Markup("".join(one if isinstance(one, Markup) else html.escape(str(one)) for one in children if one is not None))


def link(text: Child, path: str, **query: str) -> Markup:
    """A link within the console."""
    given = {name: value for name, value in query.items() if value}
    return element("a", text, href=f"{path}?{urlencode(given)}" if given else path)


def table(heads: Sequence[str], rows: Iterable[Sequence[Child]], empty: str) -> Markup:
    """A table; without rows, a sentence that says what would be here."""
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    if not body:
        return element("p", empty, class_="empty")
    head = element("thead", element("tr", *(element("th", one, scope="col") for one in heads)))
    return element("div", element("table", head, element("tbody", *body)), class_="scroll")


def section(title: Child, *children: Child) -> Markup:
    """A titled part of a page."""
    return element("section", element("h2", title), *children)


GOOD = {"SUCCEEDED", "DONE", "ACTIVE", "READY", "ENABLED", "DEPLOYED", "SKIPPED", "CLOSED"}
BUSY = {"RUNNING", "PENDING", "QUEUED", "CANCELLING", "DRIVER_RUNNING", "DRIVER_SUCCEEDED", "NOT_READY"}
BAD = {"FAILED", "ERROR", "CANCELLED", "EXPIRED", "OPEN"}


def state(name: str) -> Markup | None:
    """A state without its prefix (`PIPELINE_STATE_SUCCEEDED` → succeeded), coloured by what it means."""
    return element("span", state_text(name), class_=f"state {state_kind(name)}".strip()) if name else None


def state_text(name: str) -> str:
    """A state as people read it."""
    return _short(name).lower().replace("_", " ")


def state_kind(name: str) -> str:
    """`good`, `busy`, `bad`, or nothing."""
    return next((kind for kind, names in (("good", GOOD), ("busy", BUSY), ("bad", BAD)) if _short(name) in names), "")


def _short(name: str) -> str:
    return name.partition("_STATE_")[2] or name


def share(percent: int) -> Markup:
    """A share as a bar and in words."""
    return join([element("div", element("i", style=f"width: {percent}%"), class_="bar short"), f" {percent} %"])


def moment(stamp: str) -> Markup | None:
    """A time as people read it, to the second."""
    return element("time", stamp.replace("T", " ").partition(".")[0].rstrip("Z"), datetime=stamp) if stamp else None


def clock(seconds: float) -> Markup | None:
    """A time since the epoch."""
    return moment(datetime.fromtimestamp(seconds, UTC).isoformat())


def seconds_between(start: str, end: str) -> float | None:
    """How long it took, where both ends are known."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() if start and end else None


def duration(seconds: float | None) -> Markup | None:
    """How long something took."""
    return None if seconds is None else element("span", duration_text(seconds), class_="took")


def duration_text(seconds: float | None) -> str:
    """`42 ms`, `1.4 s`, `12 s`, `3 min 5 s`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def size(count: int) -> str:
    """Bytes in binary units."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
