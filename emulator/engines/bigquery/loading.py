"""Files into tables, as DuckDB's SQL.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery.avro import Reader
from emulator.engines.bigquery.filling import Rows, merged
from emulator.engines.bigquery.rows import Fields, Unfit, accepted, sent, taken
from emulator.engines.bigquery.types import column, kind, quoted, stored, text
from emulator.engines.bigquery.warehouse import Connection

Json = dict[str, Any]

JSON, CSV, PARQUET, AVRO = "NEWLINE_DELIMITED_JSON", "CSV", "PARQUET", "AVRO"
LARGEST_JSON = 100 << 20
"""BigQuery's limit for one row of JSON."""
ENCODINGS = {"UTF-8": "utf-8", "ISO-8859-1": "latin-1"}
LOADED = "_loaded"
"""Temporary table, of one connection, of rows from which bad ones were left out."""


def invalid(message: str) -> Refusal:
    """The refusal of a file."""
    return Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")


def plan(connection: Connection, files: Sequence[Path], configuration: Json, held: Fields, existing: Fields) -> tuple[Rows, int]:
    """What a load job writes, and how many bad rows it leaves out.

    Args:
        connection: In whose transaction the rows will be read.
        files: Of one format.
        configuration: `JobConfigurationLoad`.
        held: Columns of the table to which rows are added; none where it is made anew.
        existing: Columns of the table as it is, which describe the files where nothing else does.

    Raises:
        Refusal: The files have other columns, more bad rows than allowed, or a format that is not emulated.
    """
    form, updates = configuration.get("sourceFormat", CSV), configuration.get("schemaUpdateOptions", [])
    declared = configuration.get("schema", {}).get("fields") or []
    if form == AVRO:
        return _of_avro(connection, files, configuration, held)
    if form == CSV and not declared and configuration.get("autodetect") and not configuration.get("skipLeadingRows"):
        # Names in the first row are no row.
        (has_header,) = connection.execute(f"SELECT HasHeader FROM sniff_csv({text(str(files[0]))})").fetchone()
        configuration = {**configuration, "skipLeadingRows": int(has_header)}
    if declared:
        columns = declared
    elif existing and form != PARQUET and not configuration.get("autodetect"):
        columns = list(existing)
    else:
        known = {one["name"].lower(): one for one in held}
        columns = [known.get(one["name"].lower(), one) for one in _found(connection, files, configuration)]
        if configuration.get("ignoreUnknownValues") and held:
            columns = [one for one in columns if one["name"].lower() in known]
    wanted = merged(held, columns, updates) if held else columns
    allowed = int(configuration.get("maxBadRecords") or 0)
    sql, bad = _query(connection, files, configuration, columns), 0
    if allowed and form == JSON:
        files, bad = _without_bad_lines(files, columns, configuration, allowed)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {LOADED} AS {_query(connection, files, configuration, columns)}")
        files[0].unlink()
    elif allowed and form == CSV:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {LOADED} AS {sql}")
        (bad,) = connection.execute("SELECT count(DISTINCT (scan_id, file_id, line)) FROM reject_errors").fetchone()
        connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
        _refuse_more(bad, allowed)
    return Rows(f"SELECT * FROM {LOADED}" if allowed and form in (JSON, CSV) else sql, [one["name"] for one in columns], wanted), bad


def _of_avro(connection: Connection, files: Sequence[Path], configuration: Json, held: Fields) -> tuple[Rows, int]:
    """The rows of Avro files, whose columns stand in the files."""
    readers = [Reader(file, bool(configuration.get("useAvroLogicalTypes"))) for file in files]
    columns = readers[0].fields
    if any(one.fields != columns for one in readers):
        raise invalid("The Avro files have different schemas: load them by a job each.")
    if configuration.get("schema", {}).get("fields"):
        raise invalid("Schema cannot be set for Avro files: it stands in the files.")
    known = {one["name"].lower(): one for one in held}
    columns = [known.get(one["name"].lower(), one) for one in columns]
    wanted = merged(held, columns, configuration.get("schemaUpdateOptions", [])) if held else columns
    written = Path(tempfile.mkstemp()[1])
    try:
        with written.open("w") as target:
            for row in (row for reader in readers for row in reader.rows()):
                target.write(json.dumps(accepted(columns, row, unknown=False)) + "\n")
        described = {"sourceFormat": JSON, "ignoreUnknownValues": True}
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {LOADED} AS {_query(connection, [written], described, columns)}")
    except Unfit as fault:
        raise invalid(f"{fault.location}: {fault.message}") from None
    finally:
        written.unlink()
    return Rows(f"SELECT * FROM {LOADED}", [one["name"] for one in columns], wanted), 0


def _found(connection: Connection, files: Sequence[Path], configuration: Json) -> list[Json]:
    """The columns that the files have by their own account: by Parquet's schema, or by a look at the values."""
    form = configuration.get("sourceFormat", CSV)
    if form != PARQUET and not configuration.get("autodetect"):
        raise invalid("No schema specified on job or table. Send one, or set autodetect.")
    relation = connection.sql(f"SELECT * FROM {_reader(files, configuration, None)}")
    fields = [column(name, one) for name, one in zip(relation.columns, relation.types, strict=True)]
    if form != PARQUET:
        # A time in a text is a moment in UTC.
        fields = [{**one, "type": "TIMESTAMP"} if one["type"] == "DATETIME" else one for one in fields]
    if form == CSV and not configuration.get("skipLeadingRows"):
        names = {"INTEGER": "int64", "FLOAT": "double", "BOOLEAN": "bool"}
        fields = [{**one, "name": f"{names.get(one['type'], one['type'].lower())}_field_{place}"} for place, one in enumerate(fields)]
    return fields


def _query(connection: Connection, files: Sequence[Path], configuration: Json, fields: Fields) -> str:
    """A query over the files that gives the columns `fields` in their own types."""
    form = configuration.get("sourceFormat", CSV)
    reader = _reader(files, configuration, fields)
    ignore = bool(configuration.get("ignoreUnknownValues"))
    if form == JSON:
        if not ignore and not configuration.get("maxBadRecords"):
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
    compressed = f", compression='{'gzip' if _zipped(files) else 'none'}'"
    if form == JSON:
        return f"read_json({_list(files)}, format='newline_delimited', maximum_object_size={LARGEST_JSON}{compressed}{columns})"
    if form != CSV:
        raise invalid(f"The source format {form} is not emulated by the local Google Cloud: use {JSON}, {CSV}, {PARQUET} or {AVRO}.")
    encoding = ENCODINGS.get(configuration.get("encoding", "UTF-8"))
    if encoding is None:
        raise invalid(f"The encoding {configuration['encoding']} is not emulated by the local Google Cloud: use {', '.join(ENCODINGS)}.")
    skip = int(configuration.get("skipLeadingRows", 0))
    delimiter = configuration.get("fieldDelimiter", ",").replace("\\t", "\t")
    delimiter = "\t" if delimiter == "tab" else delimiter
    options = [f"delim={text(delimiter)}", f"quote={text(configuration.get('quote', chr(34)))}"]
    options += [f"encoding={text(encoding)}", f"null_padding={str(bool(configuration.get('allowJaggedRows'))).lower()}"]
    if marker := configuration.get("nullMarker"):
        options.append(f"nullstr={text(marker)}")
    if configuration.get("maxBadRecords") and fields is not None:
        options.append("store_rejects=true, rejects_limit=0")
    if fields is not None:
        options.append(f"skip={skip}, header=false, auto_detect=false")
    else:
        options.append(f"skip={skip - 1}, header=true" if skip else "header=false")
    return f"read_csv({_list(files)}, {', '.join(options)}{compressed}{columns})"


def _zipped(files: Sequence[Path]) -> bool:
    """Whether files are gzipped, which their first bytes tell; objects have no endings."""
    heads = set()
    for file in files:
        with file.open("rb") as opened:
            heads.add(opened.read(2) == b"\x1f\x8b")
    if len(heads) > 1:
        raise invalid("Some of the files are gzipped and some are not: load them by two jobs.")
    return heads == {True}


def _refuse_unknown(names: Sequence[str], fields: Fields) -> None:
    known = {one["name"].lower() for one in fields}
    unknown = sorted(name for name in names if name.lower() not in known)
    if unknown:
        raise invalid(f"JSON parsing error or schema mismatch: No such field: {', '.join(unknown)}.")


def _without_bad_lines(files: Sequence[Path], fields: Fields, configuration: Json, allowed: int) -> tuple[list[Path], int]:
    """A file of the rows that fit, and how many did not."""
    cleaned, bad = Path(tempfile.mkstemp()[1]), 0
    with cleaned.open("w") as target:
        for line in _lines(files):
            try:
                row = accepted(fields, json.loads(line), unknown=bool(configuration.get("ignoreUnknownValues")))
            except (Unfit, ValueError):
                bad += 1
                continue
            target.write(json.dumps(row) + "\n")
    try:
        _refuse_more(bad, allowed)
    except Refusal:
        cleaned.unlink()
        raise
    return [cleaned], bad


def _lines(files: Sequence[Path]) -> Iterator[bytes]:
    import gzip

    for file in files:
        with gzip.open(file) if _zipped([file]) else file.open("rb") as lines:
            yield from (line for line in lines if line.strip())


def _refuse_more(bad: int, allowed: int) -> None:
    if bad > allowed:
        raise invalid(f"Too many errors encountered: {bad} bad rows, {allowed} are allowed by maxBadRecords. Nothing was loaded.")
