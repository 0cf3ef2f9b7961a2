"""BigQuery: datasets, tables with their schema and first rows, and jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.console.cancel import cancel_button
from emulator.console.markup import Child, Markup, duration, element, join, link, moment, section, size, state, table
from emulator.console.parts import PAGE, NothingThere, Query, code, last, number, pages, properties, tags

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

ROWS = 20
LONG = 200
"""Letters of a value, and of a query in the list of jobs."""


async def view(cloud: Cloud, query: Query) -> Markup:
    """Datasets and the newest jobs; with `name` one dataset, table or job."""
    kept = cloud.store.of("bigquery")
    name = query.get("name", "")
    if not name:
        return _all(cloud, query)
    one = kept.get(name)
    if one is None or not name.startswith("projects/"):
        raise NothingThere(f"BigQuery keeps no {name}.")
    if "/jobs/" in name:
        return _job(name, one)
    return await _table(cloud, name, one) if "/tables/" in name else _dataset(cloud, query, name, one)


def _all(cloud: Cloud, query: Query) -> Markup:
    kept = cloud.store.of("bigquery")
    at = number(query) * PAGE
    datasets, jobs = kept.newest("Dataset", at, PAGE + 1), kept.newest("Job", at, PAGE + 1)
    rows: list[list[Child]] = [
        [
            link(last(name), "/bigquery", name=name),
            name.split("/")[1],
            kept.count(parent=f"{name}/tables"),
            one.get("location", ""),
            one.get("description", ""),
            moment(one.get("creationTime", "")),
        ]
        for name, one in datasets[:PAGE]
    ]
    empty = "There is no dataset. Terraform (google_bigquery_dataset) or Client().create_dataset() creates one."
    return join(
        [
            section("Datasets", table(["Dataset", "Project", "Tables", "Location", "Description", "Created"], rows, empty)),
            section("Jobs", _jobs(jobs[:PAGE])),
            pages("/bigquery", query, max(len(datasets), len(jobs)) > PAGE, min(max(len(datasets), len(jobs)), PAGE)),
        ]
    )


def _dataset(cloud: Cloud, query: Query, name: str, one: Json) -> Markup:
    at = number(query)
    found = cloud.store.search(f"{name}/tables/", "bigquery", "Table", at * PAGE, PAGE + 1)
    rows: list[list[Child]] = []
    for headline in found[:PAGE]:
        described = cloud.store.of("bigquery").get(headline.name) or {}
        rows.append(
            [
                link(last(headline.name), "/bigquery", name=headline.name),
                str(described.get("type", "TABLE")).lower(),
                f"{int(described.get('numRows') or 0):,}",
                size(int(described.get("numBytes") or 0)),
                described.get("description", ""),
                moment(str(described.get("lastModifiedTime") or described.get("creationTime", ""))),
            ]
        )
    empty = "The dataset has no table. Terraform, a load job or a query with a destination makes one."
    return join(
        [
            properties(
                {
                    "Dataset": name,
                    "Location": one.get("location"),
                    "Description": one.get("description"),
                    "Labels": tags([f"{key}: {value}" for key, value in one.get("labels", {}).items()]),
                    "Resource": link(name, "/resources", service="bigquery", name=name),
                }
            ),
            section("Tables", table(["Table", "Type", "Rows", "Size", "Description", "Changed"], rows, empty)),
            pages("/bigquery", query, len(found) > PAGE, len(rows)),
        ]
    )


async def _table(cloud: Cloud, name: str, one: Json) -> Markup:
    fields = one.get("schema", {}).get("fields", [])
    partitions = one.get("timePartitioning", {})
    schema: list[list[Child]] = [
        [path, field.get("type", ""), field.get("mode", "NULLABLE").lower(), field.get("description", "")]
        for path, field in _columns(fields)
    ]
    dataset = name.partition("/tables/")[0]
    return join(
        [
            properties(
                {
                    "Table": last(name),
                    "Dataset": link(last(dataset), "/bigquery", name=dataset),
                    "Type": str(one.get("type", "TABLE")).lower(),
                    "Description": one.get("description"),
                    "Rows": f"{int(one.get('numRows') or 0):,}",
                    "Size": size(int(one.get("numBytes") or 0)),
                    "Partitions": f"{partitions.get('type', '')} by {partitions.get('field', 'time of arrival')}" if partitions else None,
                    "Clustered by": ", ".join(one.get("clustering", {}).get("fields", [])),
                    "Created": moment(str(one.get("creationTime", ""))),
                    "Resource": link(name, "/resources", service="bigquery", name=name),
                }
            ),
            section("Query of the view", element("pre", one["view"].get("query", ""), class_="json")) if "view" in one else None,
            section(
                "Schema",
                table(
                    ["Column", "Type", "Mode", "Description"], schema, "The table has no schema yet: a load job or an update gives it one."
                ),
            ),
            section(f"First {ROWS} rows", await _rows(cloud, name, one, fields)),
        ]
    )


def _columns(fields: Sequence[Json], path: str = "") -> Iterator[tuple[str, Json]]:
    """Columns with those inside of records."""
    for field in fields:
        yield f"{path}{field['name']}", field
        yield from _columns(field.get("fields", []), f"{path}{field['name']}.")


async def _rows(cloud: Cloud, name: str, one: Json, fields: Sequence[Json]) -> Markup:
    if "view" in one or "externalDataConfiguration" in one:
        return element("p", "Its rows are computed when it is queried.", class_="empty")
    if not fields:
        return element("p", "The table has no columns yet.", class_="empty")
    from emulator.engines.bigquery.types import quoted

    columns = ", ".join(quoted(field["name"]) for field in fields)
    try:
        found = await cloud.bigquery.read(name, f"SELECT {columns} FROM rows LIMIT {ROWS}")
    except Refusal as refusal:
        return element("p", refusal.message, class_="empty")
    rows: list[list[Child]] = [[_value(value) for value in row] for row in found]
    return table([field["name"] for field in fields], rows, "The table has no rows. A load job, a query or insertAll adds some.")


def _value(value: Any) -> Child:
    if value is None:
        return element("span", "null", class_="id")
    text = (
        ", ".join(str(one) for one in value[:8]) + (f", … ({len(value)})" if len(value) > 8 else "")
        if isinstance(value, list)
        else str(value)
    )
    return text if len(text) <= LONG else f"{text[:LONG]}…"


def _jobs(found: Sequence[tuple[str, Json]]) -> Markup:
    rows: list[list[Child]] = []
    for name, one in found:
        statistics = one.get("statistics", {})
        begun, ended = int(statistics.get("startTime") or 0), int(statistics.get("endTime") or 0)
        error = one.get("status", {}).get("errorResult", {}).get("message")
        rows.append(
            [
                join([link(last(name), "/bigquery", name=name), element("div", _what(one), class_="id")]),
                _kind(one),
                join([state(_reached(one)), element("div", error, class_="error") if error else None]),
                one.get("user_email", ""),
                moment(str(statistics.get("creationTime", ""))),
                duration((ended - begun) / 1000) if begun and ended else None,
            ]
        )
    return table(
        ["Job", "Kind", "State", "Who", "Created", "Took"], rows, "No job has run. A query, a load, a copy or an extract appears here."
    )


def _reached(one: Json) -> str:
    status = one.get("status", {})
    return "FAILED" if status.get("errorResult") else str(status.get("state", ""))


def _kind(one: Json) -> str:
    return next((kind for kind in ("query", "load", "copy", "extract") if kind in one.get("configuration", {})), "")


def _what(one: Json) -> str:
    """A query's text, or where rows went."""
    configuration = one.get("configuration", {})
    text = str(configuration.get("query", {}).get("query", ""))
    inner = configuration.get(_kind(one), {})
    to = inner.get("destinationTable", {}) if isinstance(inner, dict) else {}
    text = text or (f"into {to.get('datasetId')}.{to.get('tableId')}" if to.get("tableId") else "")
    return " ".join(text.split())[:LONG]


def _job(name: str, one: Json) -> Markup:
    statistics = one.get("statistics", {})
    query = one.get("configuration", {}).get("query", {}).get("query", "")
    error = one.get("status", {}).get("errorResult", {}).get("message")
    return join(
        [
            properties(
                {
                    "Job": last(name),
                    "Kind": _kind(one),
                    "State": state(_reached(one)),
                    "Error": element("span", error, class_="error") if error else None,
                    "Who": one.get("user_email"),
                    "Created": moment(str(statistics.get("creationTime", ""))),
                    "Bytes processed": size(int(statistics.get("totalBytesProcessed") or 0)),
                }
            ),
            cancel_button("bigquery", "Job", name, one),
            section("Query", element("pre", query, class_="json")) if query else None,
            section("Job", code(one)),
        ]
    )
