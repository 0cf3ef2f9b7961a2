"""Reset: deletes all resources of one API, or of all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from emulator import discovery
from emulator.console.cancel import cancellation, runs
from emulator.console.forms import Form, Outcome, ask, form, host_of
from emulator.console.markup import Child, Markup, duration_text, element, join, link, section, table
from emulator.console.parts import NothingThere, Query, resource_link

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.store import Headline

Json = dict[str, Any]

EVERYTHING = "everything"
STAYS = {"cloudresourcemanager", "serviceusage", "cloudbilling"}
"""Projects, and the services that are switched on in them: without them nothing else could be created again."""
DELETED = {"DELETED", "DELETE_REQUESTED"}
CONTENTS = {
    ("aiplatform", "FeatureGroup"): "force=true",
    ("aiplatform", "FeatureOnlineStore"): "force=true",
    ("bigquery", "Dataset"): "deleteContents=true",
}
"""What deletes a resource together with what it holds."""


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
    """Deletes what can be deleted, in rounds, and says what stayed and why."""
    api = fields.get("api", "")
    services = [service for service in sorted({one[0] for one in cloud.store.services()} & discovery.names()) if service not in STAYS]
    chosen = [service for service in services if api in (service, EVERYTHING)]
    if not chosen:
        raise NothingThere(f"{api or 'Nothing'} holds nothing that can be deleted.")
    begun = time.monotonic()
    removed = 0
    while True:
        left: list[tuple[Headline, str]] = []
        before = removed
        for service in chosen:
            for one in _deepest_first(cloud.store.search("", service, limit=1 << 31)):
                if cloud.store.of(service).get(one.name) is None:
                    # It went with what held it.
                    removed += 1
                elif problem := await _delete(cloud, one):
                    left.append((one, problem))
                else:
                    removed += 1
                await asyncio.sleep(0)
        # What refused because something else was still there may go now.
        if removed == before or not left:
            break
    said = f"✓ {removed:,} resources of {api} were deleted in {duration_text(time.monotonic() - begun)}."
    stays = section(f"{len(left):,} stayed", _stayed(left)) if left else None
    return (
        200,
        "Reset",
        join([element("p", said, class_="good", role="status"), stays, element("p", link("What there is now", "/resources"))]),
    )


def _stayed(left: Iterable[tuple[Headline, str]]) -> Markup:
    """By kind: how many, and why the first of them."""
    kinds: dict[tuple[str, str], list[tuple[Headline, str]]] = {}
    for one, problem in left:
        kinds.setdefault((one.service, one.kind), []).append((one, problem))
    rows: list[list[Child]] = [
        [
            join([service, element("div", kind, class_="id")]),
            f"{len(found):,}",
            resource_link(found[0][0].name, service, kind, found[0][0].name),
            found[0][1],
        ]
        for (service, kind), found in sorted(kinds.items())
    ]
    return table(["Kind", "Count", "The first", "Why"], rows, "")


def _deepest_first(found: Iterable[Headline]) -> list[Headline]:
    return sorted(found, key=lambda one: (one.kind == "Bucket", -one.name.count("/"), one.name))


async def _delete(cloud: Cloud, one: Headline) -> str:
    """Deletes a resource; gives what refused it, empty where it is gone."""
    kept = cloud.store.of(one.service).get(one.name) or {}
    if DELETED & {str(kept.get("state")), str(kept.get("lifecycleState"))}:
        return "It is deleted, and kept for a while as its API does."
    host = host_of(one.service, one.name)
    if runs(kept) and (how := cancellation(one.service, one.kind, one.name, kept)):
        await ask(cloud, "POST", host, how[1], how[2], {})
        # A read of what still runs is held until it has ended.
        await ask(cloud, "GET", host, f"/v1/{one.name}")
    await _empty(cloud, one, kept)
    path = _deletion(one)
    if not path:
        return "Its API has no method that deletes it."
    query = CONTENTS.get((one.service, one.kind), "")
    status, answer = await ask(cloud, "DELETE", host, path, query)
    if status < 400 or status == 404:
        return "" if cloud.store.of(one.service).get(one.name) is None else "It is deleted, and still there."
    error = answer.get("error", {}) if isinstance(answer, dict) else {}
    return str(error.get("message") or f"HTTP {status}")


async def _empty(cloud: Cloud, one: Headline, kept: Json) -> None:
    """Takes out what keeps a resource from being deleted, and is no resource of its own."""
    if one.kind == "Endpoint":
        for deployed in kept.get("deployedModels", []):
            await ask(
                cloud, "POST", host_of(one.service, one.name), f"/v1/{one.name}:undeployModel", body={"deployedModelId": deployed["id"]}
            )
    if (one.service, one.kind) == ("storage", "Bucket"):
        host, path = "storage.googleapis.com", f"/storage/v1/{one.name}/o"
        while (found := await ask(cloud, "GET", host, path, "versions=true"))[0] < 400 and (items := found[1].get("items")):
            for older in items:
                status, _ = await ask(cloud, "DELETE", host, f"{path}/{quote(older['name'], safe='')}", f"generation={older['generation']}")
                if status >= 400:
                    return


def _deletion(one: Headline) -> str:
    """The path of the request that deletes a resource; empty where its API has none."""
    suffix = "/delete" if (one.service, one.kind) == ("bigquery", "Job") else ""
    bucket, between, inside = one.name.partition("/o/")
    name = f"{bucket}/o/{quote(inside, safe='')}" if one.service == "storage" and between else quote(one.name, safe="/@:$") + suffix
    for version in discovery.versions(one.service):
        document = discovery.document(one.service, version)
        if document is None:
            continue
        # The version stands in the path; in some APIs it is part of what leads all paths, or stands behind the API's name.
        for path in (f"{document.service_path}{version}/{name}", f"{document.service_path}{name}", f"{one.service}/{version}/{name}"):
            if document.match("DELETE", path):
                return f"/{path}"
    return ""
