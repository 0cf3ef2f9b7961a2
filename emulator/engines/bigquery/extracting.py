"""Tables into files, as DuckDB's SQL.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationExtract
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.types import kind, quoted, repeated, text

Json = dict[str, Any]

JSON, CSV, PARQUET = "NEWLINE_DELIMITED_JSON", "CSV", "PARQUET"
COMPRESSIONS = {JSON: ("NONE", "GZIP"), CSV: ("NONE", "GZIP"), PARQUET: ("NONE", "SNAPPY", "GZIP", "ZSTD")}


def invalid(message: str) -> Refusal:
    """The refusal of an export."""
    return Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")


def writing(sql: str, file: Path, configuration: Json, fields: Fields) -> str:
    """The statement that writes a query's rows into a file.

    Args:
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
        raise invalid(f"{form} cannot be compressed by {compression}: use {', '.join(COMPRESSIONS[form])}.")
    if form == CSV and any(repeated(one) or kind(one) == "RECORD" for one in fields):
        raise invalid("Operation cannot be performed on a nested schema: CSV holds no arrays and records.")
    options = {JSON: "FORMAT json", CSV: "FORMAT csv", PARQUET: "FORMAT parquet"}[form]
    if form == CSV:
        delimiter = configuration.get("fieldDelimiter", ",").replace("\\t", "\t")
        delimiter = "\t" if delimiter == "tab" else delimiter
        options += f", HEADER {str(configuration.get('printHeader', True)).lower()}, DELIMITER {text(delimiter)}"
    named = {"NONE": "none" if form != PARQUET else "uncompressed"}.get(compression, compression.lower())
    options += f", COMPRESSION {named}"
    values = [
        f"{quoted(one['name']) if form == PARQUET else _shown(one, quoted(one['name']), form)} AS {quoted(one['name'])}" for one in fields
    ]
    return f"COPY (SELECT {', '.join(values)} FROM ({sql})) TO {text(str(file))} ({options})"


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
