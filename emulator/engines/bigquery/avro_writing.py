"""Avro's object container files, written.

https://cloud.google.com/bigquery/docs/exporting-data#avro_export_details
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emulator.engines.bigquery.avro import EPOCH, MAGIC, MIDNIGHT, SYNC_BYTES
from emulator.engines.bigquery.types import kind, repeated

Json = dict[str, Any]
Write = Callable[[Any], bytes]

ROWS_IN_BLOCK = 4000
NUMERIC_BYTES = 16
WRITTEN: dict[str, Any] = {
    "STRING": "string", "JSON": "string", "BYTES": "bytes", "INTEGER": "long", "FLOAT": "double", "BOOLEAN": "boolean",
    "TIMESTAMP": {"type": "long", "logicalType": "timestamp-micros"}, "DATE": {"type": "int", "logicalType": "date"},
    "TIME": {"type": "long", "logicalType": "time-micros"}, "DATETIME": {"type": "string", "sqlType": "DATETIME"},
    "NUMERIC": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9},
}  # fmt: skip
"""BigQuery's type → the schema in which it is exported."""


def write(file: Path, fields: Sequence[Json], rows: Iterable[Sequence[Any]], deflated: bool, logical: bool) -> None:
    """Writes rows into an Avro file.

    Args:
        file: Which.
        fields: Columns of the rows.
        rows: As DuckDB gives them.
        deflated: Whether its blocks are compressed.
        logical: Whether times are told as such, or as the plain numbers and texts that they are kept as.
    """
    record = {
        "type": "record",
        "name": "Root",
        "fields": [{"name": one["name"], "type": _schema(one, one["name"], logical)} for one in fields],
    }
    sync, writers = os.urandom(SYNC_BYTES), [_writer(one) for one in fields]
    metadata = {"avro.schema": json.dumps(record).encode(), "avro.codec": b"deflate" if deflated else b"null"}
    with file.open("wb") as target:
        pairs = b"".join(_text(key.encode()) + _text(value) for key, value in metadata.items())
        target.write(MAGIC + _number(len(metadata)) + pairs + _number(0) + sync)
        block: list[bytes] = []

        def flush() -> None:
            body = b"".join(block)
            if deflated:
                body = zlib.compress(body)[2:-4]
            target.write(_number(len(block)) + _text(body) + sync)
            block.clear()

        for row in rows:
            block.append(b"".join(write_value(value) for write_value, value in zip(writers, row, strict=True)))
            if len(block) == ROWS_IN_BLOCK:
                flush()
        if block:
            flush()


def _schema(field: Json, path: str, logical: bool) -> Any:
    if repeated(field):
        return {"type": "array", "items": _one(field, path, logical)}
    one = _one(field, path, logical)
    return one if str(field.get("mode", "")).upper() == "REQUIRED" else ["null", one]


def _one(field: Json, path: str, logical: bool) -> Any:
    name = kind(field)
    if name != "RECORD":
        found = WRITTEN[name]
        return found["type"] if not logical and isinstance(found, dict) and name != "NUMERIC" else found
    inner = [{"name": child["name"], "type": _schema(child, f"{path}_{child['name']}", logical)} for child in field.get("fields", [])]
    return {"type": "record", "name": f"record_{path}", "fields": inner}


def _writer(field: Json) -> Write:
    one = _value_writer(field)
    if repeated(field):
        return lambda value: (_number(len(value)) + b"".join(map(one, value)) if value else b"") + _number(0)
    if str(field.get("mode", "")).upper() == "REQUIRED":
        return one
    return lambda value: _number(0) if value is None else _number(1) + one(value)


def _value_writer(field: Json) -> Write:
    name = kind(field)
    if name == "RECORD":
        children = [(child["name"], _writer(child)) for child in field.get("fields", [])]
        return lambda value: b"".join(write_child(value[label]) for label, write_child in children)
    return WRITERS[name]


def _number(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _text(value: bytes) -> bytes:
    return _number(len(value)) + value


def _micros(value: datetime) -> int:
    return (value - MIDNIGHT) // timedelta(microseconds=1)


WRITERS: dict[str, Write] = {
    "STRING": lambda value: _text(value.encode()),
    "JSON": lambda value: _text(value.encode()),
    "BYTES": _text,
    "INTEGER": _number,
    "FLOAT": lambda value: struct.pack("<d", value),
    "BOOLEAN": lambda value: b"\x01" if value else b"\x00",
    "TIMESTAMP": lambda value: _number(_micros(value)),
    "DATE": lambda value: _number((value - EPOCH).days),
    "TIME": lambda value: _number(_micros(datetime.combine(EPOCH, value, UTC))),
    "DATETIME": lambda value: _text(value.isoformat().encode()),
    "NUMERIC": lambda value: _text(int(value.scaleb(9)).to_bytes(NUMERIC_BYTES, "big", signed=True)),
}
