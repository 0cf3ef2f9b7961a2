"""The last requests: who asked what, with which permission, and what was answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, clock, duration, element, join, table
from emulator.console.parts import Query, choice, code, number
from emulator.console.parts import field as labelled
from emulator.dispatch import REQUESTS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

SHOWN = 100
READ = 1000
"""Lines of the log that a filter looks through; a link leads to those before."""
FAILED = 400
STATUSES = {"": "any", "2": "2xx success", "3": "3xx redirection", "4": "4xx refused", "5": "5xx failed"}


@dataclass(frozen=True)
class Made:
    """One request as it was logged."""

    id: int
    time: float
    line: str
    status: int = 0
    http: str = ""
    address: str = ""
    method: str = ""
    identity: str = ""
    permissions: list[Json] = field(default_factory=list)
    seconds: float | None = None
    problem: str = ""

    @property
    def api(self) -> str:
        """API of the method; of a route, which has none, the first label of its host."""
        return (self.method or self.address).partition(".")[0]

    @classmethod
    def of(cls, number: int, time: float, line: str) -> Made:
        """A line of the log; one that is no JSON object keeps its text alone."""
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            return cls(number, time, line)
        text = {key: str(said.get(key) or "") for key in ("http", "address", "method", "identity")}
        problem = said.get("problem") or ""
        seconds = said.get("seconds")
        return cls(
            number,
            time,
            line,
            status=said["status"] if isinstance(said.get("status"), int) else 0,
            permissions=[one for one in said.get("permissions") or [] if isinstance(one, dict)],
            seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
            problem=problem if isinstance(problem, str) else json.dumps(problem),
            **text,
        )


async def view(cloud: Cloud, query: Query) -> Markup:
    """The newest requests that fit the filters, of those before `before` where that is given."""
    before = number(query, "before") or 1 << 62
    api, status, text = query.get("api", ""), query.get("status", ""), query.get("text", "").lower()
    wanted = READ if api or status or text or query.get("errors") else SHOWN
    read = _read(cloud, wanted, before)
    found = [
        one
        for one in read
        if (not api or one.api == api)
        and (not status or str(one.status).startswith(status))
        and (not query.get("errors") or one.status >= FAILED)
        and (not text or text in one.line.lower())
    ]
    shown = found[:SHOWN]
    oldest = shown[-1].id if len(found) > SHOWN else read[-1].id if len(read) == wanted else 0
    return join(
        [
            _form(query, sorted({one.api for one in read} | ({api} if api else set()))),
            _table(shown, "No call fits. Every request that a client makes is logged here; widen the filter, or make one."),
            _older(query, oldest, len(read), before),
        ]
    )


def failures(cloud: Cloud, limit: int) -> Markup:
    """The newest requests that were refused or failed."""
    found = [one for one in _read(cloud, READ) if one.status >= FAILED]
    return _table(found[:limit], "None of the last calls failed.")


def _read(cloud: Cloud, limit: int, before: int = 1 << 62) -> list[Made]:
    return [Made.of(*row) for row in reversed(cloud.store.last_lines(REQUESTS, limit, before))]


def _form(query: Query, apis: Iterable[str]) -> Markup:
    checked = "checked" if query.get("errors") else ""
    text = element("input", type="search", name="text", id="text", value=query.get("text", ""), maxlength="200", autocomplete="off")
    return element(
        "form",
        labelled("Contains", text, "text"),
        choice("api", "API", {"": "any", **{api: api for api in apis if api}}, query.get("api", "")),
        choice("status", "Status", STATUSES, query.get("status", "")),
        element(
            "p",
            element("input", type="checkbox", name="errors", id="errors", value="1", checked=checked),
            element("label", "Errors only", for_="errors"),
            class_="check",
        ),
        element("button", "Filter"),
        action="/calls",
        method="get",
        class_="row",
        role="search",
    )


def _older(query: Query, oldest: int, read: int, before: int) -> Markup | None:
    from urllib.parse import urlencode

    kept = {key: value for key, value in query.items() if key != "before"}
    newest = element("a", "← Newest", href=f"/calls?{urlencode(kept)}") if before < 1 << 62 else None
    older = element("a", "Older →", href=f"/calls?{urlencode({**kept, 'before': str(oldest)})}", rel="next") if oldest else None
    said = element("span", f"{read} calls were looked through")
    return element("nav", newest, said, older, class_="pages", aria_label="Pages") if newest or older else None


def _table(found: Iterable[Made], empty: str) -> Markup:
    return table(["Time", "Status", "Request", "Identity and permission", "Took"], [_row(one) for one in found], empty)


def _row(one: Made) -> list[Child]:
    if not one.status:
        return [clock(one.time), None, element("pre", one.line), None, None]
    kind = "bad" if one.status >= FAILED else "good"
    asked = [
        element("b", one.method or one.api),
        element("div", f"{one.http} {one.address}", class_="id"),
        _problem(one.problem) if one.problem else None,
    ]
    return [
        clock(one.time),
        element("span", str(one.status), class_=f"state {kind}"),
        element("div", *asked, class_="wide"),
        join([element("div", one.identity or "anonymous"), *(_permission(given) for given in one.permissions)]),
        duration(one.seconds),
    ]


def _permission(asked: Json) -> Markup:
    """A permission that the call needs, and whether the caller has it: where permissions are not enforced, it is answered all the same."""
    granted = asked.get("granted")
    said = (
        f"✓\N{NO-BREAK SPACE}{asked.get('permission', '')}"
        if granted
        else f"✗\N{NO-BREAK SPACE}{asked.get('permission', '')} is not granted"
    )
    return element("div", said, class_="id", title=f"{granted or 'Nobody grants it'}: {asked.get('resource', '')}")


def _problem(text: str) -> Markup:
    """The message of an error, over its whole body."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    whole = element("pre", text, class_="json") if body is None else code(body)
    return element("details", element("summary", str(message or text)[:400], class_="error"), whole)
