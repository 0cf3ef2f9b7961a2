"""Rows as REST carries them: `{"f": [{"v": "1"}, …]}` out, JSON objects in. Both are made by DuckDB itself, which is quick."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from emulator.engines.bigquery.types import kind, quoted, repeated, text

Json = dict[str, Any]
Fields = Sequence[Json]

DIRECT = {"INTEGER": "BIGINT", "FLOAT": "DOUBLE", "BOOLEAN": "BOOLEAN"}
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
LARGEST = 1 << 63


class Unfit(ValueError):
    """A value that does not fit its column.

    Args:
        location: The column, `a.b` inside a record.
        message: What is wrong.
    """

    def __init__(self, location: str, message: str) -> None:
        super().__init__(message)
        self.location = location
        self.message = message


def row(fields: Fields, *, micros: bool = True, source: str = "") -> str:
    """SQL of one row as JSON text.

    Args:
        fields: The columns.
        micros: Timestamps are whole microseconds; otherwise seconds as a float, as REST gives them unless asked.
        source: What the columns belong to.
    """
    return f"CAST({_record(fields, source, 0, micros)} AS VARCHAR)"


def _record(fields: Fields, source: str, depth: int, micros: bool) -> str:
    prefix = f"{source}." if source else ""
    values = ", ".join(f"json_object('v', {_shown(field, prefix + quoted(field['name']), depth, micros)})" for field in fields)
    return f"json_object('f', json_array({values}))"


def _shown(field: Json, value: str, depth: int, micros: bool) -> str:
    if repeated(field):
        name = f"e{depth}"
        inner = _shown({**field, "mode": ""}, name, depth + 1, micros)
        return f"to_json(list_transform(coalesce({value}, []), lambda {name}: json_object('v', {inner})))"
    name = kind(field)
    if name == "RECORD":
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE {_record(field.get('fields', []), value, depth, micros)} END"
    if name == "TIMESTAMP":
        return f"CAST(epoch_us({value}) AS VARCHAR)" if micros else f"CAST(epoch_us({value}) / 1e6 AS VARCHAR)"
    if name == "BYTES":
        return f"base64({value})"
    if name == "DATETIME":
        return f"replace(CAST({value} AS VARCHAR), ' ', 'T')"
    if name == "NUMERIC":
        return f"rtrim(rtrim(CAST({value} AS VARCHAR), '0'), '.')"
    if name == "FLOAT":
        infinite = f"CASE WHEN isnan({value}) THEN 'NaN' WHEN {value} > 0 THEN 'Infinity' ELSE '-Infinity' END"
        return f"CASE WHEN {value} IS NULL THEN NULL WHEN isfinite({value}) THEN CAST({value} AS VARCHAR) ELSE {infinite} END"
    return f"CAST({value} AS VARCHAR)"


def sent(field: Json) -> str:
    """DuckDB's type under which a JSON value of a column is read, before `taken` makes it the column's own."""
    if kind(field) == "RECORD":
        one = "STRUCT(" + ", ".join(f"{quoted(child['name'])} {sent(child)}" for child in field.get("fields", [])) + ")"
    else:
        one = "JSON" if kind(field) == "JSON" else DIRECT.get(kind(field), "VARCHAR")
    return f"{one}[]" if repeated(field) else one


def structure(fields: Fields) -> Json:
    """The same as `from_json` wants it."""

    def one(field: Json) -> Any:
        inner: Any = structure(field.get("fields", [])) if kind(field) == "RECORD" else sent({**field, "mode": ""})
        return [inner] if repeated(field) else inner

    return {field["name"]: one(field) for field in fields}


def taken(field: Json, value: str, depth: int = 0) -> str:
    """SQL that makes a value of the type `sent` one of the column's own type."""
    if repeated(field):
        name = f"e{depth}"
        return f"list_transform(coalesce({value}, []), lambda {name}: {taken({**field, 'mode': ''}, name, depth + 1)})"
    name = kind(field)
    if name == "RECORD":
        children = [(child, quoted(child["name"])) for child in field.get("fields", [])]
        inner = ", ".join(f"{own} := {taken(child, f'{value}.{own}', depth)}" for child, own in children)
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({inner}) END"
    if name == "TIMESTAMP":
        seconds = f"make_timestamptz(CAST(CAST({value} AS DECIMAL(38, 6)) * 1000000 AS BIGINT))"
        return f"CASE WHEN regexp_full_match({value}, {text(NUMBER.pattern)}) THEN {seconds} ELSE CAST({value} AS TIMESTAMPTZ) END"
    if name == "BYTES":
        return f"from_base64({value})"
    if name in ("DATE", "DATETIME", "TIME"):
        return f"CAST({value} AS {'TIMESTAMP' if name == 'DATETIME' else name})"
    return f"CAST({value} AS DECIMAL(38, 9))" if name == "NUMERIC" else value


def accepted(fields: Fields, given: Any, *, unknown: bool, path: str = "") -> Json:
    """A row that was sent as JSON, in a form that DuckDB reads without doubt.

    Args:
        fields: The columns.
        given: The row.
        unknown: Whether values of columns that do not exist are left out; otherwise they are refused.
        path: Where the row stands, inside a record.

    Raises:
        Unfit: A value does not fit.
    """
    if not isinstance(given, dict):
        raise Unfit(path, f"This field: {path or 'row'} is a record and takes an object.")
    columns = {str(field["name"]).lower(): field for field in fields}
    fitting: Json = {}
    for name, value in given.items():
        field = columns.get(name.lower())
        where = f"{path}.{name}" if path else name
        if field is None:
            if unknown:
                continue
            raise Unfit(where, f"no such field: {where}.")
        fitting[field["name"]] = _accepted(field, value, unknown, where)
    for field in fields:
        if str(field.get("mode", "")).upper() == "REQUIRED" and fitting.get(field["name"]) is None:
            where = f"{path}.{field['name']}" if path else field["name"]
            raise Unfit(where, f"Missing required field: {where}.")
    return fitting


def _accepted(field: Json, value: Any, unknown: bool, where: str) -> Any:
    if repeated(field):
        if value is None:
            return []
        if not isinstance(value, list):
            raise Unfit(where, f"This field: {where} is repeated and takes an array.")
        return [_accepted({**field, "mode": ""}, one, unknown, where) for one in value]
    if value is None:
        return None
    name = kind(field)
    if name == "RECORD":
        return accepted(field.get("fields", []), value, unknown=unknown, path=where)
    if name == "JSON":
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(value, (dict, list)):
        raise Unfit(where, f"This field: {where} is not a record.")
    try:
        return _scalar(name, value)
    except (ValueError, InvalidOperation, OverflowError, binascii.Error):
        raise Unfit(where, f"Cannot convert value to {name.lower()} (bad value): {value}") from None


def _scalar(name: str, value: Any) -> Any:
    if name == "STRING":
        return value if isinstance(value, str) else json.dumps(value)
    if name == "INTEGER":
        number = int(value)
        if isinstance(value, bool) or number != float(value) or not -LARGEST <= number < LARGEST:
            raise ValueError(value)
        return number
    if name == "FLOAT":
        decimal = float(value)
        return decimal if math.isfinite(decimal) else str(decimal)
    if name == "BOOLEAN":
        if str(value).lower() not in ("true", "false"):
            raise ValueError(value)
        return str(value).lower() == "true"
    if name == "NUMERIC":
        return str(Decimal(str(value)))
    if name == "BYTES":
        return base64.b64encode(base64.b64decode(str(value), validate=True)).decode()
    if name == "TIMESTAMP":
        return str(value) if NUMBER.fullmatch(str(value)) else _moment(str(value))
    parse: dict[str, Callable[[str], Any]] = {"DATE": date.fromisoformat, "TIME": time.fromisoformat, "DATETIME": datetime.fromisoformat}
    parse[name](str(value))
    return str(value)


def _moment(value: str) -> str:
    stamp = datetime.fromisoformat(value.removesuffix(" UTC").strip())
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).isoformat()
