"""INFORMATION_SCHEMA: its views as DuckDB's SQL.

https://cloud.google.com/bigquery/docs/information-schema-intro
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from emulator.engines.bigquery.catalogue import Catalogue, Table
from emulator.engines.bigquery.declarations import standard
from emulator.engines.bigquery.trees import not_carried
from emulator.engines.bigquery.types import quoted, text

Json = dict[str, Any]

PREFIX = "INFORMATION_SCHEMA."
TYPES = {"VIEW": "VIEW", "EXTERNAL": "EXTERNAL", "SNAPSHOT": "SNAPSHOT"}
Column = tuple[str, str]
"""Name, DuckDB's type."""
HEADS: tuple[Column, ...] = (("table_catalog", "VARCHAR"), ("table_schema", "VARCHAR"), ("table_name", "VARCHAR"))
NAMES, FLAG, MOMENT, WHOLE = "VARCHAR", "VARCHAR", "TIMESTAMPTZ", "BIGINT"


def view(name: str, catalogue: Catalogue, project: str, dataset: str) -> str:
    """DuckDB's SQL of a view.

    Args:
        name: `INFORMATION_SCHEMA.TABLES`.
        catalogue: What it tells of.
        project: Of which it tells.
        dataset: Of which it tells; the region of views that tell of a whole project.

    Raises:
        Refusal: It is not emulated.
    """
    asked = name.upper().removeprefix(PREFIX)
    if asked in ("SCHEMATA", "JOBS", "JOBS_BY_PROJECT", "JOBS_BY_USER"):
        return _schemata(catalogue, project) if asked == "SCHEMATA" else _jobs(catalogue, project)
    build = VIEWS.get(asked)
    if build is None:
        raise not_carried(name)
    whole = not dataset or dataset.lower().startswith("region-")
    prefix = f"{project}." if whole else f"{project}.{dataset}."
    return build([one for key, one in sorted(catalogue.tables.items()) if key.startswith(prefix)])


def _rows(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> str:
    """A query that gives rows; they travel as one text, for thousands of values are slow to parse."""
    names = [name for name, _ in columns]
    content = json.dumps([{name: None if one is None else str(one) for name, one in zip(names, row, strict=True)} for row in rows])
    shape = json.dumps([dict.fromkeys(names, "VARCHAR")])
    values = ", ".join(f"CAST(r.{name} AS {kind}) AS {name}" for name, kind in columns)
    return f"SELECT {values} FROM (SELECT unnest(from_json({text(content)}, {text(shape)})) AS r)"


def _moment(milliseconds: Any) -> str | None:
    """A moment of a resource as DuckDB casts it."""
    if not milliseconds:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).isoformat()


def _tables(tables: list[Table]) -> str:
    columns = (*HEADS, ("table_type", NAMES), ("is_insertable_into", FLAG), ("creation_time", MOMENT))
    rows = []
    for one in tables:
        kind = "VIEW" if one.view else TYPES.get(one.resource.get("type", ""), "BASE TABLE")
        rows.append((*one.short.split(".", 2), kind, "NO" if one.view else "YES", _moment(one.resource.get("creationTime"))))
    return _rows(columns, rows)


def _columns(tables: list[Table]) -> str:
    columns = (*HEADS, ("column_name", NAMES), ("ordinal_position", WHOLE), ("is_nullable", FLAG), ("data_type", NAMES),
               ("is_partitioning_column", FLAG), ("clustering_ordinal_position", WHOLE), ("column_default", NAMES))  # fmt: skip
    return _rows(columns, [row for one in tables for row in _columns_of(one)])


def _columns_of(table: Table) -> Iterator[tuple[Any, ...]]:
    partitioning = table.partitioning
    clustered = [name.lower() for name in table.resource.get("clustering", {}).get("fields", [])]
    for position, one in enumerate(table.fields, 1):
        name = one["name"].lower()
        yield (
            *table.short.split(".", 2), one["name"], position, "NO" if one.get("mode") == "REQUIRED" else "YES", standard(one),
            "YES" if partitioning is not None and partitioning.column.lower() == name else "NO",
            clustered.index(name) + 1 if name in clustered else None, one.get("defaultValueExpression"),
        )  # fmt: skip


def _paths(tables: list[Table]) -> str:
    def under(prefix: str, fields: Sequence[Json]) -> Iterator[tuple[str, str]]:
        for one in fields:
            yield f"{prefix}{one['name']}", standard(one)
            yield from under(f"{prefix}{one['name']}.", one.get("fields", []))

    columns = (*HEADS, ("column_name", NAMES), ("field_path", NAMES), ("data_type", NAMES))
    rows = [(*one.short.split(".", 2), path.partition(".")[0], path, kind) for one in tables for path, kind in under("", one.fields)]
    return _rows(columns, rows)


def _views(tables: list[Table]) -> str:
    columns = (*HEADS, ("view_definition", NAMES), ("use_standard_sql", FLAG))
    return _rows(columns, [(*one.short.split(".", 2), one.view, "YES") for one in tables if one.view])


def _options(tables: list[Table]) -> str:
    columns = (*HEADS, ("option_name", NAMES), ("option_type", NAMES), ("option_value", NAMES))
    return _rows(columns, [(*one.short.split(".", 2), *option) for one in tables for option in _options_of(one.resource)])


def _options_of(resource: Json) -> Iterator[tuple[str, str, str]]:
    if "expirationTime" in resource:
        yield "expiration_timestamp", "TIMESTAMP", f'TIMESTAMP "{_moment(resource["expirationTime"])}"'
    for name, key in (("description", "description"), ("friendly_name", "friendlyName")):
        if key in resource:
            yield name, "STRING", json.dumps(resource[key], ensure_ascii=False)
    if labels := resource.get("labels"):
        pairs = ", ".join(f'STRUCT("{key}", "{value}")' for key, value in sorted(labels.items()))
        yield "labels", "ARRAY<STRUCT<STRING, STRING>>", f"[{pairs}]"
    if resource.get("requirePartitionFilter"):
        yield "require_partition_filter", "BOOL", "true"


def _partitions(tables: list[Table]) -> str:
    columns = (*HEADS, ("partition_id", NAMES), ("total_rows", WHOLE), ("last_modified_time", MOMENT), ("storage_tier", NAMES))
    parts = []
    for one in tables:
        if not one.view:
            heads = ", ".join(f"{text(part)} AS {name}" for part, (name, _) in zip(one.short.split(".", 2), HEADS, strict=True))
            identity = one.partitioning.id() if one.partitioning else "CAST(NULL AS VARCHAR)"
            modified = text(_moment(one.resource.get("lastModifiedTime")) or "1970-01-01")
            told = f"{identity} AS partition_id, count(*) AS total_rows, CAST({modified} AS TIMESTAMPTZ) AS last_modified_time"
            parts.append(f"SELECT {heads}, {told}, 'ACTIVE' AS storage_tier FROM {quoted(one.storage)} GROUP BY partition_id")
    return " UNION ALL ".join(parts) if parts else _rows(columns, [])


def _schemata(catalogue: Catalogue, project: str) -> str:
    columns = (
        ("catalog_name", NAMES),
        ("schema_name", NAMES),
        ("creation_time", MOMENT),
        ("last_modified_time", MOMENT),
        ("location", NAMES),
    )
    rows = [
        (
            project,
            one["datasetReference"]["datasetId"],
            _moment(one.get("creationTime")),
            _moment(one.get("lastModifiedTime")),
            one.get("location"),
        )
        for one in catalogue.datasets
        if one["datasetReference"].get("projectId") == project
    ]
    return _rows(columns, rows)


def _jobs(catalogue: Catalogue, project: str) -> str:
    columns = (
        *(("creation_time", MOMENT), ("project_id", NAMES), ("user_email", NAMES), ("job_id", NAMES), ("job_type", NAMES)),
        *(("statement_type", NAMES), ("start_time", MOMENT), ("end_time", MOMENT), ("query", NAMES), ("state", NAMES)),
        *(("total_bytes_processed", WHOLE), ("total_bytes_billed", WHOLE), ("cache_hit", "BOOLEAN"), ("parent_job_id", NAMES)),
    )
    return _rows(columns, [_job(one) for one in catalogue.jobs if one["jobReference"]["projectId"] == project])


def _job(job: Json) -> tuple[Any, ...]:
    reference, statistics, configuration = job["jobReference"], job.get("statistics", {}), job["configuration"]
    query = statistics.get("query", {})
    created, started, ended = (_moment(statistics.get(f"{when}Time")) for when in ("creation", "start", "end"))
    processed, billed = query.get("totalBytesProcessed"), query.get("totalBytesBilled")
    hit = str(bool(query.get("cacheHit"))) if query else None
    return (
        *(created, reference["projectId"], job.get("user_email"), reference["jobId"], configuration.get("jobType")),
        *(query.get("statementType"), started, ended, configuration.get("query", {}).get("query"), job["status"]["state"]),
        *(processed, billed, hit, statistics.get("parentJobId")),
    )


VIEWS: dict[str, Callable[[list[Table]], str]] = {
    "TABLES": _tables,
    "COLUMNS": _columns,
    "COLUMN_FIELD_PATHS": _paths,
    "VIEWS": _views,
    "TABLE_OPTIONS": _options,
    "PARTITIONS": _partitions,
}
