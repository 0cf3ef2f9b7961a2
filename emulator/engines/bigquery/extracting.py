"""Tables into files.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationExtract
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery.avro_writing import write
from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.types import kind, quoted, repeated, text
from emulator.engines.bigquery.warehouse import Connection

Json = dict[str, Any]

JSON, CSV, PARQUET, AVRO = "NEWLINE_DELIMITED_JSON", "CSV", "PARQUET", "AVRO"
COMPRESSIONS = {
    JSON: ("NONE", "GZIP"),
    CSV: ("NONE", "GZIP"),
    PARQUET: ("NONE", "SNAPPY", "GZIP", "ZSTD"),
    AVRO: ("NONE", "DEFLATE"),
}
FETCHED = 10_000
"""Rows that are in memory at a time."""


def invalid(message: str) -> Refusal:
    """The refusal of an export."""
    return Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")


def extract(connection: Connection, sql: str, file: Path, configuration: Json, fields: Fields) -> None:
    """Writes a query's rows into a file.

    Args:
        connection: Of the database.
        sql: DuckDB's query.
        file: Where they go.
        configuration: `JobConfigurationExtract`.
        fields: Columns of the query.

    Raises:
        Refusal: A format or a compression that is not emulated, or that cannot hold the rows.
    """
    form, compression = configuration.get("destinationFormat", CSV), configuration.get("compression", "NONE").upper()
    if form not in COMPRESSIONS:
        raise invalid(f"Exports as {form} are not emulated by the local Google Cloud: use {', '.join(COMPRESSIONS)}.")
    if compression not in COMPRESSIONS[form]:
        raise invalid(f"{form} compressed by {compression} is not emulated by the local Google Cloud: use {', '.join(COMPRESSIONS[form])}.")
    if form == CSV and any(repeated(one) or kind(one) == "RECORD" for one in fields):
        raise invalid("Operation cannot be performed on a nested schema: CSV holds no arrays and records.")
    if form == AVRO:
        write(file, fields, _rows(connection, sql), compression == "DEFLATE", bool(configuration.get("useAvroLogicalTypes")))
    else:
        connection.execute(_copying(sql, file, form, compression, configuration, fields))


def _rows(connection: Connection, sql: str) -> Iterator[tuple[Any, ...]]:
    cursor = connection.execute(sql)
    while some := cursor.fetchmany(FETCHED):
        yield from some


def _copying(sql: str, file: Path, form: str, compression: str, configuration: Json, fields: Fields) -> str:
    """DuckDB's statement that writes a query's rows into a file."""
    options = {JSON: "FORMAT json", CSV: "FORMAT csv", PARQUET: "FORMAT parquet"}[form]
    if form == CSV:
        delimiter = configuration.get("fieldDelimiter", ",").replace("\\t", "\t")
        delimiter = "\t" if delimiter == "tab" else delimiter
        options += f", HEADER {str(configuration.get('printHeader', True)).lower()}, DELIMITER {text(delimiter)}"
    named = {"NONE": "none" if form != PARQUET else "uncompressed"}.get(compression, compression.lower())
    names = [quoted(one["name"]) for one in fields]
    values = [f"{name if form == PARQUET else _shown(one, name, form)} AS {name}" for one, name in zip(fields, names, strict=True)]
    return f"COPY (SELECT {', '.join(values)} FROM ({sql})) TO {text(str(file))} ({options}, COMPRESSION {named})"


def _shown(field: Json, value: str, form: str, depth: int = 0) -> str:
    """A value as text files hold it: JSON has no 64-bit numbers, so that they are strings; times are said to be in UTC."""
    if repeated(field):
        name = f"e{depth}"
        return f"list_transform({value}, lambda {name}: {_shown({**field, 'mode': ''}, name, form, depth + 1)})"
    name = kind(field)
    if name == "RECORD":
        children = [(child, quoted(child["name"])) for child in field.get("fields", [])]
        inner = ", ".join(f"{own} := {_shown(child, f'{value}.{own}', form, depth)}" for child, own in children)
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({inner}) END"
    if name == "TIMESTAMP":
        return f"replace(bq_string_timestamp({value}), '+00', ' UTC')"
    if name == "DATETIME":
        return f"replace(bq_string_datetime({value}), ' ', 'T')"
    if name == "BYTES":
        return f"base64({value})"
    if name == "NUMERIC":
        return rf"regexp_replace(CAST({value} AS VARCHAR), '\.?0+$', '')"
    return f"CAST({value} AS VARCHAR)" if name == "INTEGER" and form == JSON else value
