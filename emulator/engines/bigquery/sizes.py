"""Rows and bytes of tables, by BigQuery's sizes of types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.types import kind, quoted, repeated
from emulator.engines.bigquery.warehouse import Connection

if TYPE_CHECKING:
    from emulator.engines.bigquery.statement import Statement

Json = dict[str, Any]

FIXED_BYTES = {"INTEGER": 8, "FLOAT": 8, "BOOLEAN": 1, "TIMESTAMP": 8, "DATETIME": 8, "DATE": 8, "TIME": 8, "NUMERIC": 16}


def count(connection: Connection, storage: str) -> int:
    """Rows of a table."""
    ((count,),) = connection.execute(f"SELECT count(*) FROM {quoted(storage)}").fetchall()
    return int(count)


def size(connection: Connection, storage: str, fields: Fields) -> tuple[int, int]:
    """Rows and bytes of a table, by BigQuery's sizes of types.

    https://cloud.google.com/bigquery/docs/estimate-costs
    """
    parts = ["count(*)", *(f"coalesce(sum({_bytes(one, quoted(one['name']))}), 0)" for one in fields)]
    (found,) = connection.execute(f"SELECT {', '.join(parts)} FROM {quoted(storage)}").fetchall()
    return int(found[0]), int(sum(found[1:]))


def _bytes(field: Json, value: str) -> str:
    if repeated(field):
        name = kind(field)
        return f"len({value}) * {FIXED_BYTES[name]}" if name in FIXED_BYTES else f"strlen(CAST({value} AS VARCHAR))"
    name = kind(field)
    if name in FIXED_BYTES:
        return str(FIXED_BYTES[name])
    return f"octet_length({value})" if name == "BYTES" else f"2 + strlen(CAST({value} AS VARCHAR))"


def processed(connection: Connection, statement: Statement) -> int:
    """Bytes of the columns that a statement mentions."""
    total = 0
    for table in statement.tables.values():
        if not table.view:
            read = [one for one in table.fields if "*" in statement.columns or one["name"].lower() in statement.columns]
            total += size(connection, table.storage, read)[1]
    return total
