"""Logs, and the long-running operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.console.cancel import cancel_button
from emulator.console.markup import Child, Markup, clock, clock_exact, element, join, link, moment, section, state, table
from emulator.console.parts import LINES, PAGE, NothingThere, Query, code, linked, number, pages, properties, search_form

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]


async def view(cloud: Cloud, query: Query) -> Markup:
    """What has a log, or with `resource` its lines, page by page from the last."""
    if resource := query.get("resource"):
        return _lines(cloud, resource, number(query, "before"))
    text = query.get("text", "").lower()
    found = [one for one in cloud.store.log_names() if text in one[0].lower()]
    at = number(query) * PAGE
    rows = [[link(name, "/logs", resource=name), f"{count:,}", clock(time)] for name, count, time in found[at : at + PAGE]]
    empty = "Nothing has been logged. Requests, runs, jobs and model servers write logs as they work."
    return join(
        [
            search_form("/logs", query, label="Name contains"),
            table(["Log", "Lines", "Last"], rows, empty),
            pages("/logs", query, len(found) > at + PAGE, len(rows)),
        ]
    )


def _lines(cloud: Cloud, resource: str, before: int) -> Markup:
    rows = cloud.store.last_lines(resource, LINES, before or 1 << 62)
    links = [
        link("← Newest", "/logs", resource=resource) if before else None,
        link("Older →", "/logs", resource=resource, before=str(rows[0][0])) if len(rows) == LINES else None,
    ]
    return section(
        resource,
        table(["Time", "Line"], [[clock_exact(time), element("pre", line)] for _, time, line in rows], "Nothing has been logged."),
        element("nav", *links, class_="pages", aria_label="Pages") if any(links) else None,
    )


async def operations(cloud: Cloud, query: Query) -> Markup:
    """Long-running operations, newest first, or with `name` one of them."""
    kept = cloud.store.of("operations")
    if name := query.get("name"):
        one = kept.get(name)
        if one is None:
            raise NothingThere(f"There is no operation {name}.")
        return _operation(name, one)
    at = number(query)
    found = kept.newest("Operation", at * PAGE, PAGE + 1)
    # Within a page what runs and what failed stands first.
    shown = sorted(found[:PAGE], key=lambda item: bool(item[1].get("done")) and "error" not in item[1])
    rows: list[list[Child]] = [
        [link(name, "/operations", name=name), state(reached(one)), _result(one), moment(_begun(one))] for name, one in shown
    ]
    return join(
        [
            table(
                ["Operation", "State", "Result", "Started"],
                rows,
                "No long-running operation has been started. Calls that take a while start one.",
            ),
            pages("/operations", query, len(found) > PAGE, len(rows)),
        ]
    )


def _operation(name: str, one: Json) -> Markup:
    target = one.get("metadata", {}).get("target") or one.get("targetLink") or one.get("response", {}).get("name")
    return join(
        [
            properties(
                {
                    "Operation": name,
                    "State": state(reached(one)),
                    "Started": moment(_begun(one)),
                    "Result": _result(one),
                    "About": linked(target),
                }
            ),
            cancel_button("operations", "Operation", name, one),
            section("Operation", code(one)),
        ]
    )


def reached(one: Json) -> str:
    """How far an operation is, whatever its family."""
    if one.get("error"):
        return "FAILED"
    return "RUNNING" if one.get("done") is False or one.get("status") in ("RUNNING", "PENDING") else "DONE"


def _result(one: Json) -> str:
    error = one.get("error")
    if error:
        return str(error.get("message") or "failed") if isinstance(error, dict) else str(error)
    return str(one.get("response", {}).get("@type", "")).rpartition(".")[2] or str(one.get("operationType", ""))


def _begun(one: Json) -> str:
    return str(one.get("metadata", {}).get("genericMetadata", {}).get("createTime") or one.get("insertTime") or one.get("startTime") or "")
