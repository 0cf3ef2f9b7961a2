"""Rows and bytes of tables, by BigQuery's sizes of types.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.types import kind, quoted, repeated
from emulator.engines.bigquery.warehouse import Connection

if TYPE_CHECKING:
    from emulator.engines.bigquery.statement import Statement

Json = dict[str, Any]

FIXED_BYTES = {"INTEGER": 8, "FLOAT": 8, "BOOLEAN": 1, "TIMESTAMP": 8, "DATETIME": 8, "DATE": 8, "TIME": 8, "NUMERIC": 16}


@dataclass(frozen=True)
class Size:
    """How large a table is."""

    rows: int
    columns: dict[str, int]
    """Name in lower case → bytes."""

    @property
    def bytes(self) -> int:
        """Of all columns."""
        return sum(self.columns.values())


class Sizes:
    """The sizes of tables, measured once until the table changes.

    DuckDB's tables are named by what is told: one that is filled anew has another name.
    """

    def __init__(self) -> None:
        self._known: dict[str, Size] = {}
        self._changes = 0

    def of(self, connection: Connection, storage: str, fields: Fields) -> Size:
        """The size of a table, to a reader."""
        found, changes = self._known.get(storage), self._changes
        if found is None or not {one["name"].lower() for one in fields} <= found.columns.keys():
            found = size(connection, storage, fields)
            if changes == self._changes:
                # Otherwise a writer may have ended meanwhile, whose rows were not seen.
                self._known[storage] = found
        return found

    def note(self, storage: str, found: Size | None = None) -> None:
        """A table has changed, and has the size `found` where that is known."""
        self._changes += 1
        self._known.pop(storage, None)
        if found is not None:
            self._known[storage] = found

    def processed(self, connection: Connection, statement: Statement) -> int:
        """Bytes of the columns that a statement mentions."""
        total = 0
        for table in statement.tables.values():
            if not table.view:
                columns = self.of(connection, table.storage, table.fields).columns
                total += sum(many for name, many in columns.items() if "*" in statement.columns or name in statement.columns)
        return total


def count(connection: Connection, storage: str) -> int:
    """Rows of a table."""
    ((count,),) = connection.execute(f"SELECT count(*) FROM {quoted(storage)}").fetchall()
    return int(count)


def size(connection: Connection, storage: str, fields: Fields) -> Size:
    """Rows and bytes of a table."""
    parts = ["count(*)", *(f"coalesce({_sum(one, quoted(one['name']))}, 0)" for one in fields)]
    rows, *columns = connection.execute(f"SELECT {', '.join(parts)} FROM {quoted(storage)}").fetchone()
    return Size(int(rows), {one["name"].lower(): int(many) for one, many in zip(fields, columns, strict=True)})


def _sum(field: Json, value: str) -> str:
    fixed = FIXED_BYTES.get(kind(field))
    # NULL has no bytes.
    return f"{fixed} * count({value})" if fixed is not None and not repeated(field) else f"sum({_bytes(field, value, 0)})"


def _bytes(field: Json, value: str, depth: int) -> str:
    name = kind(field)
    if repeated(field):
        if name in FIXED_BYTES:
            return f"len({value}) * {FIXED_BYTES[name]}"
        if name == "STRING":
            return f"len({value}) * 2 + strlen(array_to_string({value}, ''))"
        one = f"e{depth}"
        return f"list_sum(list_transform({value}, lambda {one}: {_bytes({**field, 'mode': ''}, one, depth + 1)}))"
    if name in FIXED_BYTES:
        return f"CASE WHEN {value} IS NULL THEN 0 ELSE {FIXED_BYTES[name]} END"
    if name == "RECORD":
        inner = (f"coalesce({_bytes(child, f'{value}.' + quoted(child['name']), depth)}, 0)" for child in field.get("fields", []))
        return " + ".join(inner) or "0"
    return f"2 + octet_length({value})" if name == "BYTES" else f"2 + strlen(CAST({value} AS VARCHAR))"
