"""Files into tables and tables into files, as DuckDB's SQL.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery.rows import Fields, sent, taken
from emulator.engines.bigquery.types import column, kind, quoted, repeated, stored, text
from emulator.engines.bigquery.warehouse import Connection

Json = dict[str, Any]

JSON, CSV, PARQUET = "NEWLINE_DELIMITED_JSON", "CSV", "PARQUET"
WRITTEN = {JSON: "FORMAT json", CSV: "FORMAT csv, HEADER true", PARQUET: "FORMAT parquet"}
LARGEST_JSON = 100 << 20
"""BigQuery's limit for one row of JSON."""


def invalid(message: str) -> Refusal:
    """The refusal of a file."""
    return Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")


def found(connection: Connection, files: Sequence[Path], configuration: Json) -> list[Json]:
    """The columns that the files have by their own account: by Parquet's schema, or by a look at the values."""
    relation = connection.sql(f"SELECT * FROM {_reader(files, configuration, None)}")
    return [column(name, one) for name, one in zip(relation.columns, relation.types, strict=True)]


def query(connection: Connection, files: Sequence[Path], configuration: Json, fields: Fields) -> str:
    """A query over the files that gives the columns `fields` in their own types.

    Raises:
        Refusal: The files have other columns, or a format that is not emulated.
    """
    form = configuration.get("sourceFormat", CSV)
    reader = _reader(files, configuration, fields)
    ignore = bool(configuration.get("ignoreUnknownValues"))
    if form == JSON:
        if not ignore:
            keys = f"SELECT DISTINCT unnest(json_keys(json)) FROM read_ndjson_objects({_list(files)}, maximum_object_size={LARGEST_JSON})"
            _refuse_unknown([key for (key,) in connection.execute(keys).fetchall()], fields)
        return f"SELECT {', '.join(_as(one, taken(one, quoted(one['name']))) for one in fields)} FROM {reader}"
    if form == CSV:
        null = "nullMarker" in configuration
        values = [
            _as(one, f"coalesce({quoted(one['name'])}, '')" if kind(one) == "STRING" and not null else taken(one, quoted(one["name"])))
            for one in fields
        ]
        return f"SELECT {', '.join(values)} FROM {reader}"
    relation = connection.sql(f"SELECT * FROM {reader}")
    if not ignore:
        _refuse_unknown(relation.columns, fields)
    held = {name.lower() for name in relation.columns}
    values = [_as(one, f"CAST({quoted(one['name'])} AS {stored(one)})" if one["name"].lower() in held else "NULL") for one in fields]
    return f"SELECT {', '.join(values)} FROM {reader}"


def writing(sql: str, file: Path, form: str, fields: Fields, delimiter: str) -> str:
    """The statement that writes a query's rows into a file."""
    if form not in WRITTEN:
        raise invalid(f"Exports as {form} are not emulated by the local Google Cloud: use {', '.join(WRITTEN)}.")
    options = WRITTEN[form] + (f", DELIMITER {text(delimiter)}" if form == CSV and delimiter else "")
    if form == CSV and any(repeated(one) or kind(one) == "RECORD" for one in fields):
        raise invalid("Operation cannot be performed on a nested schema: CSV holds no arrays and records.")
    # JSON has no 64-bit numbers: BigQuery writes them as strings.
    values = [_as(one, f"CAST({quoted(one['name'])} AS VARCHAR)" if form == JSON and kind(one) == "INTEGER" and not repeated(one)
                  else quoted(one["name"])) for one in fields]  # fmt: skip
    return f"COPY (SELECT {', '.join(values)} FROM ({sql})) TO {text(str(file))} ({options})"


def _as(field: Json, value: str) -> str:
    return f"{value} AS {quoted(field['name'])}"


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(text(str(file)) for file in files) + "]"


def _reader(files: Sequence[Path], configuration: Json, fields: Fields | None) -> str:
    form = configuration.get("sourceFormat", CSV)
    if form == PARQUET:
        return f"read_parquet({_list(files)}, union_by_name=true)"
    typed = ", ".join(f"{text(one['name'])}: {text(sent(one))}" for one in fields or ())
    columns = "" if fields is None else f", columns={{{typed}}}"
    if form == JSON:
        return f"read_json({_list(files)}, format='newline_delimited', maximum_object_size={LARGEST_JSON}{columns})"
    if form != CSV:
        raise invalid(f"The source format {form} is not emulated by the local Google Cloud: use {', '.join(WRITTEN)}.")
    skip = int(configuration.get("skipLeadingRows", 0))
    options = [f"delim={text(configuration.get('fieldDelimiter', ','))}", f"quote={text(configuration.get('quote', chr(34)))}"]
    if marker := configuration.get("nullMarker"):
        options.append(f"nullstr={text(marker)}")
    options += [f"skip={skip}", "header=false", "auto_detect=false"] if fields is not None else [f"header={'true' if skip else 'false'}"]
    return f"read_csv({_list(files)}, {', '.join(options)}{columns})"


def _refuse_unknown(names: Sequence[str], fields: Fields) -> None:
    known = {one["name"].lower() for one in fields}
    unknown = sorted(name for name in names if name.lower() not in known)
    if unknown:
        raise invalid(f"JSON parsing error or schema mismatch: No such field: {', '.join(unknown)}.")
