"""BigQuery's column types in DuckDB's, both ways.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.behaviours import Refusal

Json = dict[str, Any]

ALIASES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD", "DECIMAL": "NUMERIC"}
STORED = {
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "NUMERIC": "DECIMAL(38, 9)",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATETIME": "TIMESTAMP",
    "DATE": "DATE",
    "TIME": "TIME",
    "JSON": "JSON",
}
FOUND = {
    "varchar": "STRING",
    "enum": "STRING",
    "uuid": "STRING",
    "blob": "BYTES",
    "float": "FLOAT",
    "double": "FLOAT",
    "boolean": "BOOLEAN",
    "decimal": "NUMERIC",
    "timestamp with time zone": "TIMESTAMP",
    "timestamp": "DATETIME",
    "timestamp_s": "DATETIME",
    "timestamp_ms": "DATETIME",
    "timestamp_ns": "DATETIME",
    "date": "DATE",
    "time": "TIME",
    # The type of a bare NULL.
    "null": "INTEGER",
    **dict.fromkeys(
        ("tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"), "INTEGER"
    ),
}


def kind(field: Json) -> str:
    """Type of a column under the name that REST uses.

    Raises:
        Refusal: DuckDB has no such type.
    """
    name = str(field.get("type", "STRING")).upper()
    name = ALIASES.get(name, name)
    if name != "RECORD" and name not in STORED:
        message = f"Column {field.get('name')!r}: the type {name} is not emulated by the local Google Cloud, for DuckDB has none like it."
        raise Refusal(400, "INVALID_ARGUMENT", message)
    return name


def repeated(field: Json) -> bool:
    """Whether the column is an array."""
    return str(field.get("mode", "")).upper() == "REPEATED"


def quoted(name: str) -> str:
    """An identifier in DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string in DuckDB's SQL."""
    return "'" + value.replace("'", "''") + "'"


def stored(field: Json) -> str:
    """DuckDB's type of a column."""
    if kind(field) == "RECORD":
        inner = ", ".join(f"{quoted(child['name'])} {stored(child)}" for child in field.get("fields", []))
        one = f"STRUCT({inner})"
    else:
        one = STORED[kind(field)]
    return f"{one}[]" if repeated(field) else one


def normal(fields: Sequence[Json]) -> list[Json]:
    """Columns under the names of types that REST gives them, each with its mode."""
    return [
        {**one, "type": kind(one), "mode": one.get("mode") or "NULLABLE", **({"fields": normal(one["fields"])} if "fields" in one else {})}
        for one in fields
    ]


def column(name: str, found: Any) -> Json:
    """The BigQuery column of a DuckDB type (`duckdb.DuckDBPyType`).

    Raises:
        Refusal: BigQuery has no such type.
    """
    if found.id in ("list", "array"):
        element = found.children[0][1]
        if element.id in ("list", "array"):
            raise Refusal(400, "INVALID_ARGUMENT", f"Column {name!r} would be an array of arrays, which BigQuery does not have.")
        return {**column(name, element), "mode": "REPEATED"}
    if found.id == "struct":
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": [column(*child) for child in found.children]}
    known = "JSON" if str(found) == "JSON" else FOUND.get(found.id)
    if known is None:
        raise Refusal(
            400, "INVALID_ARGUMENT", f"Column {name!r} has the type {found}, which the local Google Cloud cannot give as BigQuery's."
        )
    return {"name": name, "type": known, "mode": "NULLABLE"}
