"""Reset: deletes all resources of one API, or of all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from emulator import discovery
from emulator.console.cancel import cancellation, runs
from emulator.console.forms import Form, Outcome, ask, form, host_of
from emulator.console.markup import Child, Markup, duration_text, element, join, link, section, table
from emulator.console.parts import NothingThere, Query

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.store import Headline

EVERYTHING = "everything"
STAYS = {"cloudresourcemanager", "serviceusage", "cloudbilling"}
"""Projects, and the services that are switched on in them: without them nothing else could be created again."""
CONTENTS = {
    ("aiplatform", "FeatureGroup"): "force=true",
    ("aiplatform", "FeatureOnlineStore"): "force=true",
    ("bigquery", "Dataset"): "deleteContents=true",
}
"""What deletes a resource together with what it holds."""
LEFT = 50
"""Resources that refused, and are named."""


async def view(cloud: Cloud, query: Query) -> Markup:
    """The APIs that hold something; with `api` what a reset would delete, and the button."""
    kinds = [one for one in cloud.store.services() if one[0] in discovery.names() and one[0] not in STAYS]
    api = query.get("api", "")
    if not api:
        totals: dict[str, int] = {}
        for service, _, count in kinds:
            totals[service] = totals.get(service, 0) + count
        rows: list[list[Child]] = [[service, f"{count:,}", link("Reset …", "/reset", api=service)] for service, count in totals.items()]
        rows += [["All of them", f"{sum(totals.values()):,}", link("Reset everything …", "/reset", api=EVERYTHING)]] if rows else []
        return join([_what_stays(cloud), table(["API", "Resources", "Action"], rows, "Nothing exists, so there is nothing to delete.")])
    chosen = [one for one in kinds if api in (one[0], EVERYTHING)]
    if not chosen:
        raise NothingThere(f"{api} holds nothing that can be deleted.")
    total = sum(count for _, _, count in chosen)
    return join(
        [
            element("p", "This deletes for good:", class_="error"),
            table(["API", "Kind", "Count"], [[service, kind, f"{count:,}"] for service, kind, count in chosen], ""),
            _what_stays(cloud),
            form(
                "/reset", element("button", f"Delete {total:,} resources of {api}", class_="danger"), link("Keep them", "/reset"), api=api
            ),
        ]
    )


def _what_stays(cloud: Cloud) -> Markup:
    return element(
        "p",
        "A reset asks for the deletion of every resource, as a client would: what refuses to be deleted stays, and is named. Projects and "
        f"their services, logs, operations and metrics stay too. To begin from nothing, end the emulator and delete {cloud.state}.",
    )


async def act(cloud: Cloud, fields: Form) -> Outcome:
    """Deletes what can be deleted, in rounds, and names what stayed."""
    api = fields.get("api", "")
    services = [service for service in sorted({one[0] for one in cloud.store.services()} & discovery.names()) if service not in STAYS]
    chosen = [service for service in services if api in (service, EVERYTHING)]
    if not chosen:
        raise NothingThere(f"{api or 'Nothing'} holds nothing that can be deleted.")
    begun = time.monotonic()
    removed = 0
    left: dict[tuple[str, str], str] = {}
    while True:
        left = {}
        before = removed
        for service in chosen:
            for one in _deepest_first(cloud.store.search("", service, limit=1 << 31)):
                if cloud.store.of(service).get(one.name) is None:
                    continue
                problem = await _delete(cloud, one)
                if problem:
                    left[service, one.name] = problem
                else:
                    removed += 1
                await asyncio.sleep(0)
        # What refused because something else was still there may go now.
        if removed == before or not left:
            break
    rows: list[list[Child]] = [[service, name, problem] for (service, name), problem in sorted(left.items())[:LEFT]]
    said = f"✓ {removed:,} resources of {api} were deleted in {duration_text(time.monotonic() - begun)}."
    stays = section(f"{len(left):,} stayed", table(["API", "Resource", "Why"], rows, "")) if left else None
    return (
        200,
        "Reset",
        join([element("p", said, class_="good", role="status"), stays, element("p", link("What there is now", "/resources"))]),
    )


def _deepest_first(found: Iterable[Headline]) -> list[Headline]:
    return sorted(found, key=lambda one: (one.kind == "Bucket", -one.name.count("/"), one.name))


async def _delete(cloud: Cloud, one: Headline) -> str:
    """Deletes a resource; gives what refused it, empty where it is gone."""
    kept = cloud.store.of(one.service).get(one.name) or {}
    host = host_of(one.service, one.name)
    if runs(kept) and (how := cancellation(one.service, one.kind, one.name, kept)):
        await ask(cloud, "POST", host, how[1], how[2], {})
        # A read of what still runs is held until it has ended.
        await ask(cloud, "GET", host, f"/v1/{one.name}")
    for deployed in kept.get("deployedModels", []) if one.kind == "Endpoint" else []:
        await ask(cloud, "POST", host, f"/v1/{one.name}:undeployModel", body={"deployedModelId": deployed["id"]})
    path = _deletion(one)
    if not path:
        return "Its API has no method that deletes it."
    query = CONTENTS.get((one.service, one.kind), "")
    status, answer = await ask(cloud, "DELETE", host, path, query)
    if status < 400 or status == 404:
        return "" if cloud.store.of(one.service).get(one.name) is None else "It is deleted, and kept for a while as its API does."
    error = answer.get("error", {}) if isinstance(answer, dict) else {}
    return str(error.get("message") or f"HTTP {status}")


def _deletion(one: Headline) -> str:
    """The path of the request that deletes a resource; empty where its API has none."""
    bucket, between, inside = one.name.partition("/o/")
    name = f"{bucket}/o/{quote(inside, safe='')}" if one.service == "storage" and between else quote(one.name, safe="/@:$")
    for version in discovery.versions(one.service):
        document = discovery.document(one.service, version)
        if document is None:
            continue
        for path in (f"{document.service_path}{version}/{name}", f"{document.service_path}{name}"):
            if document.match("DELETE", path):
                return f"/{path}"
    return ""
