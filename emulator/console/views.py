"""The views: overview, models, storage, operations, logs, and every resource as it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, clock, element, join, link, moment, section, size, state, table
from emulator.console.parts import NothingThere, last, log_of, properties
from emulator.console.runs import runs_table

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]
Query = Mapping[str, str]

VERSIONS = "model-versions"
"""The collection in which the model registry keeps every version."""
ROWS = 500
"""Longer lists are cut, and say so."""
OWN_VIEW = {
    "Bucket": "/storage",
    "Object": "/storage",
    "PipelineJob": "/runs",
    "Operation": "/operations",
    "Endpoint": "/endpoints",
    "Alert": "/inbox",
    "Notification": "/inbox",
}
RECENT = 8


def overview(cloud: Cloud, query: Query) -> Markup:
    """Counts, the newest runs, and all kinds of resources."""
    kinds = cloud.store.services()
    counts = {(service, kind): count for service, kind, count in kinds}
    endpoints = cloud.store.of("aiplatform").list(kind="Endpoint")
    cards = [
        ("/runs", "Pipeline runs", counts.get(("aiplatform", "PipelineJob"), 0)),
        ("/models", "Models", counts.get(("aiplatform", "Model"), 0)),
        ("/endpoints", "Deployed models", sum(len(endpoint.get("deployedModels", [])) for endpoint in endpoints)),
        ("/storage", "Buckets", counts.get(("storage", "Bucket"), 0)),
        ("/storage", "Objects", counts.get(("storage", "Object"), 0)),
        ("/inbox", "Open incidents", sum(one["state"] == "OPEN" for one in cloud.store.of("monitoring").list(kind="Alert"))),
        ("/operations", "Operations", counts.get(("operations", "Operation"), 0)),
    ]
    shown = [element("a", element("b", count), element("span", name), href=path) for path, name, count in cards]
    return join(
        [
            element("div", *shown, class_="cards"),
            section("Newest runs", runs_table(cloud, RECENT)),
            section("Resources by kind", _kinds(cloud)),
        ]
    )


def _kinds(cloud: Cloud) -> Markup:
    return table(
        ["API", "Kind", "Count"],
        [
            [service, link(kind, OWN_VIEW[kind]) if kind in OWN_VIEW else link(kind, "/resources", service=service, kind=kind), count]
            for service, kind, count in cloud.store.services()
        ],
        "Nothing exists yet. What Terraform or an SDK creates in this cloud appears here.",
    )


def models(cloud: Cloud, query: Query) -> Markup:
    """The model registry, newest versions first."""
    rows = [
        [
            link(f"{one.get('displayName') or last(one['name'])}", "/resources", service=VERSIONS, name=name),
            one.get("versionId", ""),
            join(element("span", alias, class_="tag") for alias in one.get("versionAliases", [])),
            moment(one.get("versionCreateTime", "")),
            one.get("artifactUri", ""),
        ]
        for name, one in sorted(cloud.store.of(VERSIONS).items(), key=lambda item: str(item[1].get("versionCreateTime", "")), reverse=True)
    ]
    return table(["Model", "Version", "Aliases", "Created", "Artifacts"], rows, "No model has been uploaded.")


def storage(cloud: Cloud, query: Query) -> Markup:
    """Buckets, or with `bucket` what lies in one below `prefix`."""
    if bucket := query.get("bucket"):
        return _objects(cloud, bucket, query.get("prefix", ""))
    kept = cloud.store.of("storage")
    counts: dict[str, list[int]] = {}
    for one in kept.list(kind="Object"):
        counts.setdefault(one["bucket"], []).append(int(one.get("size", 0)))
    return table(
        ["Bucket", "Location", "Class", "Objects", "Size", "Created"],
        [
            [
                link(one["name"], "/storage", bucket=one["name"]),
                one.get("location", ""),
                one.get("storageClass", ""),
                len(counts.get(one["name"], [])),
                size(sum(counts.get(one["name"], []))),
                moment(one.get("timeCreated", "")),
            ]
            for one in kept.list(kind="Bucket")
        ],
        "There is no bucket.",
    )


def _objects(cloud: Cloud, bucket: str, prefix: str) -> Markup:
    if cloud.store.of("storage").get(f"b/{bucket}") is None:
        raise NothingThere(f"There is no bucket {bucket}.")
    folders: dict[str, list[int]] = {}
    files: list[list[Any]] = []
    for one in cloud.objects.list(bucket, prefix):
        head, slash, _ = one["name"][len(prefix) :].partition("/")
        if slash:
            folders.setdefault(f"{prefix}{head}/", []).append(int(one["size"]))
        else:
            files.append([head, size(int(one["size"])), one.get("contentType", ""), moment(one.get("updated", ""))])
    rows = [
        [
            link(folder[len(prefix) :], "/storage", bucket=bucket, prefix=folder),
            size(sum(sizes)),
            "1 object" if len(sizes) == 1 else f"{len(sizes)} objects",
            None,
        ]
        for folder, sizes in folders.items()
    ] + files
    steps = prefix.split("/")[:-1]
    path = [link(bucket, "/storage", bucket=bucket)] + [
        link(step, "/storage", bucket=bucket, prefix="/".join(steps[: at + 1]) + "/") for at, step in enumerate(steps)
    ]
    crumbs = element("p", "gs://", *(piece for one in path for piece in (one, "/")), class_="path")
    return join([crumbs, table(["Name", "Size", "Type", "Updated"], rows[:ROWS], "Nothing lies here."), _cut(len(rows))])


def operations(cloud: Cloud, query: Query) -> Markup:
    """Long-running operations, the running and the failed first."""
    found = sorted(cloud.store.of("operations").items(), key=lambda item: (bool(item[1].get("done")) and "error" not in item[1], item[0]))
    rows: list[list[Child]] = []
    for name, one in found[:ROWS]:
        message = one["error"].get("message", "failed") if one.get("error") else ""
        result = str(one.get("response", {}).get("@type", "")).rpartition(".")[2]
        begun = one.get("metadata", {}).get("genericMetadata", {}).get("createTime", "")
        reached = state("RUNNING" if one.get("done") is False else "FAILED" if message else "DONE")
        rows.append([link(name, "/resources", service="operations", name=name), reached, message or result, moment(begun)])
    heads = ["Operation", "State", "Result", "Started"]
    return join([table(heads, rows, "No long-running operation has been started."), _cut(len(found))])


def logs(cloud: Cloud, query: Query) -> Markup:
    """What has a log, or with `resource` its last lines."""
    if resource := query.get("resource"):
        return section(resource, log_of(cloud, resource))
    return table(
        ["Log", "Lines", "Last"],
        [[link(name, "/logs", resource=name), count, clock(time)] for name, count, time in cloud.store.log_names()],
        "Nothing has been logged.",
    )


def resources(cloud: Cloud, query: Query) -> Markup:
    """Kinds; with `service` and `kind` the resources of one; with `name` one resource as it is kept."""
    service, kind, name = query.get("service", ""), query.get("kind", ""), query.get("name", "")
    if not service:
        return _kinds(cloud)
    if name:
        found = cloud.store.of(service).get(name)
        if found is None:
            raise NothingThere(f"{service} keeps no {name}.")
        body = element("pre", json.dumps(found, indent=2, ensure_ascii=False), class_="json")
        return join([properties({"API": service, "Name": name}), section("Resource", body), section("Log", log_of(cloud, name))])
    found_all = cloud.store.of(service).items(kind=kind)
    rows = [
        [
            link(found_name, "/resources", service=service, name=found_name),
            one.get("displayName", ""),
            state(str(one.get("state", ""))),
            moment(str(one.get("createTime", one.get("timeCreated", "")))),
        ]
        for found_name, one in found_all[:ROWS]
    ]
    title = f"{service} · {kind}" if kind else service
    return section(title, table(["Name", "Display name", "State", "Created"], rows, "There is none."), _cut(len(found_all)))


def _cut(count: int) -> Markup | None:
    return element("p", f"The first {ROWS} of {count} are shown.", class_="empty") if count > ROWS else None
