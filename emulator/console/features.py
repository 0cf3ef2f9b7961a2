"""Feature groups and views: where features come from, when they were last synchronised, and some of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.console.markup import Child, Markup, duration, join, link, moment, seconds_between, section, state, table
from emulator.console.parts import PAGE, NothingThere, Query, code, last, linked, log_of, number, pages, properties, tags

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

SYNCS = 20
SAMPLE = 10
COLUMNS = 200
LONG = 120


async def view(cloud: Cloud, query: Query) -> Markup:
    """All views and groups, or with `name` one of them."""
    kept = cloud.store.of("aiplatform")
    if name := query.get("name"):
        one = kept.get(name)
        if one is None or ("/featureViews/" not in name and "/featureGroups/" not in name):
            raise NothingThere(f"There is no feature group or view {name}.")
        return _view(cloud, name, one) if "/featureViews/" in name else _group(cloud, name, one)
    at = number(query) * PAGE
    views, groups = kept.newest("FeatureView", at, PAGE + 1), kept.newest("FeatureGroup", at, PAGE + 1)
    rows: list[list[Child]] = []
    for name, one in views[:PAGE]:
        newest = _syncs(cloud, name, 1)
        reached, when = (_reached(newest[0]), newest[0].get("createTime", "")) if newest else ("", "")
        named = link(last(name), "/features", name=name)
        rows.append(
            [named, name.split("/")[5], one.get("syncConfig", {}).get("cron") or "on request", state(reached) or "never", moment(when)]
        )
    shown: list[list[Child]] = [
        [
            link(last(name), "/features", name=name),
            kept.count(parent=f"{name}/features"),
            linked(one.get("bigQuery", {}).get("bigQuerySource", {}).get("inputUri")),
            moment(one.get("createTime", "")),
        ]
        for name, one in groups[:PAGE]
    ]
    more = max(len(views), len(groups)) > PAGE
    return join(
        [
            section(
                "Feature views",
                table(
                    ["View", "Online store", "Synchronised", "Last sync", "When"],
                    rows,
                    "There is no feature view. Terraform (google_vertex_ai_feature_online_store_featureview) or the SDK creates one.",
                ),
            ),
            section(
                "Feature groups",
                table(
                    ["Group", "Features", "Source", "Created"],
                    shown,
                    "There is no feature group. Terraform (google_vertex_ai_feature_group) or the SDK makes one of a table.",
                ),
            ),
            pages("/features", query, more, min(max(len(views), len(groups)), PAGE)),
        ]
    )


def _syncs(cloud: Cloud, view: str, limit: int) -> list[Json]:
    """The syncs of a view, newest first."""
    found = cloud.store.search(f"{view}/featureViewSyncs/", "aiplatform", "FeatureViewSync", 0, limit)
    return [one for headline in found if (one := cloud.store.of("aiplatform").get(headline.name)) is not None]


def _reached(sync: Json) -> str:
    if not sync.get("runTime", {}).get("endTime"):
        return "RUNNING"
    return "FAILED" if sync.get("finalStatus", {}).get("code") else "SUCCEEDED"


def _view(cloud: Cloud, name: str, one: Json) -> Markup:
    syncs = _syncs(cloud, name, SYNCS)
    rows: list[list[Child]] = []
    for sync in syncs:
        times = sync.get("runTime", {})
        took = seconds_between(times.get("startTime", ""), times.get("endTime", ""))
        failed = sync.get("finalStatus", {}).get("message", "")
        rows.append(
            [
                last(sync["name"]),
                state(_reached(sync)),
                sync.get("syncSummary", {}).get("rowSynced") or "0",
                failed,
                moment(sync.get("createTime", "")),
                duration(took),
            ]
        )
    groups = one.get("featureRegistrySource", {}).get("featureGroups", [])
    location = name.partition("/featureOnlineStores/")[0]
    of_groups = [linked(f"{location}/featureGroups/{group['featureGroupId']}") for group in groups if group.get("featureGroupId")]
    return join(
        [
            properties(
                {
                    "View": last(name),
                    "Online store": name.split("/")[5],
                    "Synchronised": one.get("syncConfig", {}).get("cron") or "on request",
                    "Source": linked(one.get("bigQuerySource", {}).get("uri")),
                    "Groups": join(part for group in of_groups for part in (group, " ")) if of_groups else None,
                    "Labels": tags([f"{key}: {value}" for key, value in one.get("labels", {}).items()]),
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            section(
                "Syncs",
                table(
                    ["Sync", "State", "Rows", "Error", "Started", "Took"],
                    rows,
                    "The view was never synchronised, so it answers nothing: featureViews.sync fills it.",
                ),
            ),
            section("Rows that it answers", _sample(cloud, name)),
            *(section("Log of the last sync", log_of(cloud, sync["name"])) for sync in syncs[:1]),
        ]
    )


def _sample(cloud: Cloud, name: str) -> Markup:
    found = cloud.features.sample(name, SAMPLE)
    columns = list(dict.fromkeys(feature["name"] for _, features in found for feature in features))[:COLUMNS]
    rows: list[list[Child]] = []
    for entity, features in found:
        values = {feature["name"]: _value(feature.get("value")) for feature in features}
        rows.append([entity, *(values.get(column) for column in columns)])
    return table(["Entity", *columns], rows, "The view has no rows yet: it is filled by a sync.")


def _value(value: Any) -> str:
    """A `FeatureValue`, short."""
    inner = next(iter(value.values()), "") if isinstance(value, dict) else value
    values = inner.get("values") if isinstance(inner, dict) else None
    text = (
        f"[{len(values)} values: {', '.join(str(one) for one in values[:3])}, …]"
        if isinstance(values, list) and len(values) > 3
        else str(values if values is not None else "" if inner is None else inner)
    )
    return text if len(text) <= LONG else f"{text[:LONG]}…"


def _group(cloud: Cloud, name: str, one: Json) -> Markup:
    kept = cloud.store.of("aiplatform")
    features: list[list[Child]] = [
        [last(feature), described.get("valueType", ""), described.get("description", ""), described.get("versionColumnName", "")]
        for feature, described in kept.between(f"{name}/features/", f"{name}/features0", COLUMNS)
    ]
    source = one.get("bigQuery", {})
    return join(
        [
            properties(
                {
                    "Group": last(name),
                    "Description": one.get("description"),
                    "Source": linked(source.get("bigQuerySource", {}).get("inputUri")),
                    "Entity columns": ", ".join(source.get("entityIdColumns", [])),
                    "Resource": link(name, "/resources", service="aiplatform", name=name),
                }
            ),
            section("Features", table(["Feature", "Type", "Description", "Column"], features, "The group has no features yet.")),
            section("Group", code(one)),
        ]
    )
