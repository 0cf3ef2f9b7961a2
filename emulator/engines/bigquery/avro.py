"""Avro's object container files, read.

https://avro.apache.org/docs/1.11.1/specification/ and, for the types,
https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-avro#avro_conversions
"""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from emulator.behaviours import Refusal

Json = dict[str, Any]
Read = Callable[[BinaryIO], Any]

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
EPOCH, MIDNIGHT = date(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)
SIMPLE = {"string": "STRING", "enum": "STRING", "bytes": "BYTES", "fixed": "BYTES", "int": "INTEGER", "long": "INTEGER", "float": "FLOAT",
          "double": "FLOAT", "boolean": "BOOLEAN"}  # fmt: skip
LOGICAL = {"date": "DATE", "timestamp-micros": "TIMESTAMP", "timestamp-millis": "TIMESTAMP", "time-micros": "TIME", "time-millis": "TIME",
           "decimal": "NUMERIC", "local-timestamp-micros": "DATETIME", "local-timestamp-millis": "DATETIME"}  # fmt: skip


def invalid(message: str) -> Refusal:
    """The refusal of a file."""
    return Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")


class Reader:
    """An Avro file.

    Args:
        file: Where it is.
        logical: Whether logical types become BigQuery's; otherwise the plain ones below them.

    Raises:
        Refusal: It is no Avro file, or one that is not emulated.
    """

    def __init__(self, file: Path, logical: bool) -> None:
        self._file, self._logical = file, logical
        self._named: dict[str, Any] = {}
        with file.open("rb") as source:
            try:
                metadata = self._head(source)
                self._schema = json.loads(metadata["avro.schema"])
            except (ValueError, KeyError, IndexError, struct.error):
                raise invalid(f"The Apache Avro library failed to parse the header of {file}: it is no Avro file.") from None
        self._codec = metadata.get("avro.codec", b"null").decode()
        if self._codec not in ("null", "deflate"):
            raise invalid(f"Avro files compressed by {self._codec} are not emulated by the local Google Cloud: use deflate or none.")
        if not isinstance(self._schema, dict) or self._schema.get("type") != "record":
            raise invalid(f"{file} holds no records.")

    def _head(self, source: BinaryIO) -> dict[str, bytes]:
        if source.read(len(MAGIC)) != MAGIC:
            raise ValueError(self._file)
        found: dict[str, bytes] = {}
        while count := _long(source):
            if count < 0:
                _long(source)
            for _ in range(abs(count)):
                key = _bytes(source).decode()
                found[key] = _bytes(source)
        self._sync = source.read(SYNC_BYTES)
        return found

    @property
    def fields(self) -> list[Json]:
        """The columns of a table of these records."""
        return [self._column(one["name"], one["type"]) for one in self._schema["fields"]]

    def rows(self) -> Iterator[Json]:
        """The records as JSON objects that `rows.accepted` takes.

        Raises:
            Refusal: The file is cut off or damaged.
        """
        read = self._reader(self._schema)
        with self._file.open("rb") as source:
            self._head(source)
            try:
                while head := source.peek(1)[:1]:
                    count, block = _long(source), _bytes(source)
                    if source.read(SYNC_BYTES) != self._sync:
                        raise ValueError(head)
                    opened = io.BytesIO(zlib.decompress(block, -15) if self._codec == "deflate" else block)
                    for _ in range(count):
                        yield read(opened)
            except (ValueError, IndexError, struct.error, zlib.error):
                raise invalid(f"The Apache Avro library failed to read data from {self._file}: it is cut off or damaged.") from None

    def _resolved(self, schema: Any) -> Any:
        if isinstance(schema, str) and schema in self._named:
            return self._named[schema]
        if isinstance(schema, dict) and schema.get("name"):
            space = schema.get("namespace", "")
            self._named[schema["name"]] = schema
            self._named[f"{space}.{schema['name']}"] = schema
        return schema

    def _nullable(self, schema: Any) -> tuple[Any, bool]:
        """What a union of null and one type is of, and whether it is one."""
        if not isinstance(schema, list):
            return schema, False
        others = [one for one in schema if one != "null"]
        if len(others) != 1:
            raise invalid("Unions of several types are not emulated by the local Google Cloud.")
        return others[0], len(schema) > 1

    def _column(self, name: str, schema: Any) -> Json:
        schema, nullable = self._nullable(schema)
        schema = self._resolved(schema)
        mode = "NULLABLE" if nullable else "REQUIRED"
        if isinstance(schema, dict) and schema["type"] == "array":
            return {**self._column(name, schema["items"]), "mode": "REPEATED"}
        if isinstance(schema, dict) and schema["type"] == "record":
            return {
                "name": name,
                "type": "RECORD",
                "mode": mode,
                "fields": [self._column(one["name"], one["type"]) for one in schema["fields"]],
            }
        plain, logical = (schema["type"], schema.get("logicalType", "")) if isinstance(schema, dict) else (schema, "")
        if isinstance(schema, dict) and schema.get("sqlType") == "DATETIME":
            return {"name": name, "type": "DATETIME", "mode": mode}
        found = (LOGICAL.get(logical) if self._logical or logical == "decimal" else None) or SIMPLE.get(plain)
        if found is None:
            raise invalid(f"Field {name}: the Avro type {plain} is not emulated by the local Google Cloud.")
        return {"name": name, "type": found, "mode": mode}

    def _reader(self, schema: Any) -> Read:
        if isinstance(schema, list):
            readers = [self._reader(one) for one in schema]
            return lambda source: readers[_long(source)](source)
        schema = self._resolved(schema)
        name = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(name, (list, dict)):
            return self._reader(name)
        if name == "record":
            fields = [(one["name"], self._reader(one["type"])) for one in schema["fields"]]
            return lambda source: {label: read(source) for label, read in fields}
        if name == "array":
            item = self._reader(schema["items"])
            return lambda source: list(_items(source, item))
        if name == "enum":
            return lambda source: schema["symbols"][_long(source)]
        plain = _plain(name, schema)
        logical = schema.get("logicalType", "") if isinstance(schema, dict) else ""
        if logical == "decimal":
            scale = int(schema.get("scale", 0))
            return lambda source: str(Decimal(int.from_bytes(plain(source), "big", signed=True)).scaleb(-scale))
        if name in ("bytes", "fixed"):
            return lambda source: base64.b64encode(plain(source)).decode()
        shown = SHOWN.get(logical) if self._logical else None
        return plain if shown is None else lambda source: shown(plain(source))


def _plain(name: str, schema: Any) -> Read:
    if name == "fixed":
        return lambda source: source.read(schema["size"])
    try:
        return PLAIN[name]
    except KeyError:
        raise invalid(f"The Avro type {name} is not emulated by the local Google Cloud.") from None


def _long(source: BinaryIO) -> int:
    shift = value = 0
    while True:
        byte = source.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7


def _bytes(source: BinaryIO) -> bytes:
    size = _long(source)
    found = source.read(size)
    if len(found) != size:
        raise ValueError(size)
    return found


def _items(source: BinaryIO, item: Read) -> Iterator[Any]:
    while count := _long(source):
        if count < 0:
            _long(source)
        for _ in range(abs(count)):
            yield item(source)


def _clock(microseconds: int) -> str:
    return (MIDNIGHT + timedelta(microseconds=microseconds)).time().isoformat()


PLAIN: dict[str, Read] = {
    "null": lambda source: None,
    "boolean": lambda source: bool(source.read(1)[0]),
    "int": _long,
    "long": _long,
    "float": lambda source: struct.unpack("<f", source.read(4))[0],
    "double": lambda source: struct.unpack("<d", source.read(8))[0],
    "bytes": _bytes,
    "string": lambda source: _bytes(source).decode(),
}
SHOWN: dict[str, Callable[[Any], str]] = {
    "date": lambda days: (EPOCH + timedelta(days=days)).isoformat(),
    "timestamp-micros": lambda micros: (MIDNIGHT + timedelta(microseconds=micros)).isoformat(),
    "timestamp-millis": lambda millis: (MIDNIGHT + timedelta(milliseconds=millis)).isoformat(),
    "local-timestamp-micros": lambda micros: (MIDNIGHT + timedelta(microseconds=micros)).replace(tzinfo=None).isoformat(),
    "local-timestamp-millis": lambda millis: (MIDNIGHT + timedelta(milliseconds=millis)).replace(tzinfo=None).isoformat(),
    "time-micros": _clock,
    "time-millis": lambda millis: _clock(millis * 1000),
}
