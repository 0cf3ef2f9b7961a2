"""IAM policies: on which resource who has which role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.access.policies import POLICIES
from emulator.console.markup import Child, Markup, element, join, link, table
from emulator.console.parts import PAGE, Query, number, pages, search_form

if TYPE_CHECKING:
    from emulator.cloud import Cloud


async def view(cloud: Cloud, query: Query) -> Markup:
    """A row for each role on each resource."""
    at = number(query)
    found = cloud.store.search(query.get("text", ""), POLICIES, "", at * PAGE, PAGE + 1)
    rows: list[list[Child]] = []
    for one in found[:PAGE]:
        policy = cloud.store.of(POLICIES).get(one.name) or {}
        service, _, name = one.name.partition("/")
        for binding in policy.get("bindings", []):
            condition = binding.get("condition", {})
            rows.append(
                [
                    join([link(name, "/resources", service=service, name=name), element("div", service, class_="id")]),
                    binding.get("role", ""),
                    element("div", *(element("div", member) for member in binding.get("members", [])), class_="wide"),
                    join([condition.get("title"), element("pre", condition["expression"])]) if condition.get("expression") else None,
                ]
            )
    empty = (
        "No policy has been set. What Terraform (google_*_iam_member) or an SDK grants appears here; the machine's owner may do everything."
    )
    return join(
        [
            search_form("/access", query, label="Resource contains"),
            table(["Resource", "Role", "Members", "Condition"], rows, empty),
            pages("/access", query, len(found) > PAGE, len(found[:PAGE])),
        ]
    )
