"""Every resource: by API and kind, by free text, and one as it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from emulator import discovery
from emulator.console.markup import Child, Markup, element, join, link, moment, section, state, table
from emulator.console.parts import PAGE, NothingThere, Query, code, last, log_of, number, pages, properties, resource_link, search_form
from emulator.store import Headline

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

OPEN = {
    "cached-contents": "contents that Gemini keeps",
    "dataset-items": "data items and annotations",
    "docker": "container images",
    "feature-views": "online tables of feature views",
    "generativelanguage": "Gemini API",
    "iam-policies": "IAM policies",
    "incidents": "conditions that are met",
    "log-entries": "log entries",
    "metadata.events": "what executions read and wrote",
    "metadata.members": "what belongs to a context",
    "model-versions": "versions of models",
    "notifications": "what alert policies sent",
    "operations": "long-running operations",
    "pipelines.cache": "results of steps",
    "storage-generations": "older generations of objects",
    "tensorboard.series": "points of time series",
    "time-series": "metrics",
}
"""Collections that are no API's and hold nothing secret; all others are not shown."""
SECRET = {"privateKey", "privateKeyData", "password", "rootPassword", "sharedSecret", "secretAccessKey", "authToken", "payload.data"}
"""Fields whose values are not shown."""


def is_shown(service: str) -> bool:
    """Whether a collection may be looked at: payloads and keys may not."""
    return service in OPEN or service in discovery.names()


async def view(cloud: Cloud, query: Query) -> Markup:
    """Kinds by API; with `service`, `kind` or `text` what there is of them; with `service` and `name` one resource as it is kept."""
    service, kind, name, text = (query.get(key, "") for key in ("service", "kind", "name", "text"))
    if service and not is_shown(service):
        raise NothingThere(f"{service} is no API whose resources are shown.")
    if service and name:
        return _resource(cloud, service, name)
    form = search_form("/resources", query, ("service", "kind"))
    if not service and not text:
        return join([form, kinds_table(cloud.store.services())])
    at = number(query)
    found = cloud.store.search(text, service, kind, at * PAGE, PAGE + 1)
    where = " · ".join(filter(None, (service, kind))) or "Everything"
    title = f"{where} with “{text}”" if text else where
    others = [one for one in cloud.store.services() if one[0] == service] if service and not kind and not text else []
    return join(
        [
            form,
            kinds_table(others) if others else None,
            section(title, _table(cloud, found[:PAGE]), pages("/resources", query, len(found) > PAGE, min(len(found), PAGE))),
        ]
    )


def kinds_table(kinds: Iterable[tuple[str, str, int]]) -> Markup:
    """APIs with their kinds, each with its count."""
    rows: list[list[Child]] = []
    for service, found in groupby((one for one in kinds if is_shown(one[0])), key=lambda one: one[0]):
        listed = [
            element("li", link(kind, "/resources", service=service, kind=kind), " ", element("span", f"{count:,}", class_="id"))
            for _, kind, count in found
        ]
        named = link(service, "/resources", service=service)
        said = element("div", OPEN[service], class_="id") if service in OPEN else None
        rows.append([join([named, said]), element("ul", *listed, class_="inline")])
    return table(["API", "Kinds"], rows, "Nothing exists yet. What Terraform or an SDK creates in this cloud appears here.")


def _table(cloud: Cloud, found: Iterable[Headline]) -> Markup:
    rows = []
    for one in found:
        if is_shown(one.service):
            body = cloud.store.of(one.service).get(one.name) or {}
            rows.append(
                [
                    resource_link(one.name, one.service, one.kind, one.name),
                    one.title,
                    join([one.service, element("div", one.kind, class_="id")]),
                    state(body["state"]) if isinstance(body.get("state"), str) else None,
                    moment(one.made),
                ]
            )
    return table(["Name", "Display name", "Kind", "State", "Created"], rows, "There is none. Search for less, or look at another API.")


def _resource(cloud: Cloud, service: str, name: str) -> Markup:
    found = cloud.store.of(service).get(name)
    if found is None:
        raise NothingThere(f"{service} keeps no {name}.")
    policy = cloud.store.of("iam-policies").get(f"{service}/{name}")
    return join(
        [
            properties(
                {
                    "API": link(service, "/resources", service=service),
                    "Name": name,
                    "Display name": found.get("displayName"),
                    "IAM policy": link("who may what", "/access", text=f"{service}/{name}") if policy else None,
                }
            ),
            section(last(name), code(without_secrets(found))),
            section("Log", log_of(cloud, name)),
        ]
    )


def without_secrets(value: Any, path: str = "") -> Any:
    """A resource as it may be shown."""
    if isinstance(value, dict):
        return {
            key: "(not shown)" if key in SECRET or f"{path}.{key}" in SECRET else without_secrets(inner, key)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(one, path) for one in value]
    return value
