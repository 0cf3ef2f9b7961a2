"""HTML elements from Python values: everything that is not `Markup` already is escaped."""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

VOID = {"meta", "link", "br", "img", "input"}


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


def link(text: Child, path: str, /, **query: str) -> Markup:
    """A link within the console."""
    given = {name: value for name, value in query.items() if value}
    return element("a", text, href=f"{path}?{urlencode(given)}" if given else path)


def table(heads: Sequence[str], rows: Iterable[Sequence[Child]], empty: str) -> Markup:
    """A table whose first column names the rows; without rows, a sentence that says what would be here."""
    body = [element("tr", *(_cell(at, cell) for at, cell in enumerate(row))) for row in rows]
    if not body:
        return element("p", empty, class_="empty")
    head = element("thead", element("tr", *(element("th", one, scope="col") for one in heads)))
    return element("div", element("table", head, element("tbody", *body)), class_="scroll")


def _cell(at: int, content: Child) -> Markup:
    return element("td", content) if at else element("th", content, scope="row")


def section(title: Child, *children: Child) -> Markup:
    """A titled part of a page."""
    return element("section", element("h2", title), *children)


GOOD = {"SUCCEEDED", "SUCCESS", "DONE", "ACTIVE", "READY", "ENABLED", "DEPLOYED", "SKIPPED", "CLOSED", "COMPLETE", "PARTIALLY_SUCCEEDED"}
BUSY = {
    "RUNNING", "PENDING", "QUEUED", "CANCELLING", "DRIVER_RUNNING", "DRIVER_SUCCEEDED", "NOT_READY", "REQUESTED", "STOPPING", "WORKING",
    "UPDATING", "ACTIVATING",
}  # fmt: skip
BAD = {"FAILED", "FAILURE", "ERROR", "CANCELLED", "EXPIRED", "OPEN", "INFEASIBLE", "INTERNAL_ERROR", "TIMEOUT"}
MARKS = {"good": "✓", "busy": "●", "bad": "✗"}
"""Signs beside the colours; the style sheet has the same."""


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
    return name.partition("_STATE_")[2] or name.removeprefix("STATE_")


def share(percent: int) -> Markup:
    """A share as a bar and in words."""
    return join([element("div", element("i", style=f"width: {percent}%"), class_="bar short"), f" {percent} %"])


def moment(stamp: str) -> Markup | None:
    """A time as people think of it, `3 min ago`; exactly, in its title.

    Args:
        stamp: RFC 3339, or milliseconds since the epoch as BigQuery writes them; what is neither is shown as it is.
    """
    if not stamp:
        return None
    try:
        then = int(stamp) / 1000 if stamp.isdecimal() else datetime.fromisoformat(stamp).timestamp()
        return clock(then)
    except (ValueError, OverflowError, OSError):
        return element("span", stamp)


def clock(seconds: float) -> Markup:
    """As `moment`, of a time since the epoch."""
    return element("time", ago(time.time() - seconds), datetime=_iso(seconds), title=_exact(seconds))


def clock_exact(seconds: float) -> Markup:
    """The time of day of a log's line; the day is in the title."""
    return element("time", _exact(seconds)[11:23], datetime=_iso(seconds), title=_exact(seconds))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _exact(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def ago(seconds: float) -> str:
    """`now`, `42 s ago`, `5 min ago`, `3 h ago`, `12 days ago`; a negative number is in the future."""
    size = abs(seconds)
    if size < 2:
        return "now"
    units = ((60, 1, "s"), (3600, 60, "min"), (48 * 3600, 3600, "h"))
    count = next((f"{int(size // unit)} {name}" for limit, unit, name in units if size < limit), f"{int(size // 86400)} days")
    return f"{count} ago" if seconds > 0 else f"in {count}"


def seconds_between(start: str, end: str) -> float | None:
    """How long it took, where both ends are known."""
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() if start and end else None
    except (ValueError, TypeError):
        return None


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
