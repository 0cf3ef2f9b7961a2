"""Rows into a table, all or none: of a query, of files, of other tables, into the whole table or into one partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery import sizes
from emulator.engines.bigquery.catalogue import stored_columns
from emulator.engines.bigquery.names import spoken
from emulator.engines.bigquery.partitions import PARTITIONED, TIME, Partitioning, check, of
from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.tables import Tables
from emulator.engines.bigquery.types import column, kind, quoted, repeated
from emulator.engines.bigquery.warehouse import Connection, create, new_storage, shape

Json = dict[str, Any]

SPECIFIED = (*PARTITIONED, "clustering")
"""What a job may say of a table that it makes."""


@dataclass(frozen=True)
class Rows:
    """Rows that are to be written."""

    sql: str
    """DuckDB's query."""
    columns: Sequence[str]
    """Where its columns go, in their order."""
    wanted: Fields
    """Columns of the table afterwards."""


@dataclass(frozen=True)
class Target:
    """Where rows go."""

    name: str
    """`projects/P/datasets/D/tables/T`."""
    partition: str = ""
    """The id of the only partition that they go into."""
    resource: Json | None = None
    """What is said of the table if it is new."""
    anew: bool = False
    """Whether nothing of the old table stays, as CREATE OR REPLACE wants it."""


@dataclass(frozen=True)
class Filled:
    """What was written."""

    fields: Fields
    """Columns of the table."""
    rows: int


async def fill(tables: Tables, target: Target, configuration: Json, job: str, plan: Callable[[Connection, Fields], Rows]) -> Filled:
    """Writes rows into a table, which is made if need be.

    Args:
        tables: Of all projects.
        target: Where they go.
        configuration: `writeDisposition`, `createDisposition`, and what is said of a new table.
        job: Under which it can be interrupted.
        plan: Given the columns that the table has, none where it is made anew, says what is written.

    Raises:
        Refusal: The dispositions forbid it, or the rows do not fit.
    """
    name = target.name
    await tables.expire(name)
    existing = tables.kept.get(name)
    disposition = configuration.get("writeDisposition", "WRITE_EMPTY")
    _check_dispositions(tables, target, existing, configuration, disposition)
    append = existing is not None and (disposition != "WRITE_TRUNCATE" or bool(target.partition))
    asked = {key: configuration[key] for key in SPECIFIED if configuration.get(key) is not None}
    resource = {**(target.resource or {}), **asked} if existing is None or target.anew else {**existing, **({} if append else asked)}
    storage = tables.storage(name) if append else new_storage()
    held: Fields = existing.get("schema", {}).get("fields", []) if append and existing else ()
    partitioning = of(resource)
    _check_partition(target, existing, partitioning)

    def work(connection: Connection) -> tuple[Fields, int, sizes.Size]:
        rows = plan(connection, held)
        check({**resource, "schema": {"fields": list(rows.wanted)}})
        (shape if append else create)(connection, storage, stored_columns(list(rows.wanted), resource))
        before = sizes.count(connection, storage)
        if target.partition and partitioning is not None:
            before = _into_partition(connection, storage, rows, target.partition, partitioning, disposition == "WRITE_TRUNCATE")
        else:
            names = ", ".join(map(quoted, rows.columns))
            connection.execute(f"INSERT INTO {quoted(storage)} ({names}) {rows.sql}")
        _refuse_null_elements(connection, storage, rows.wanted)
        size = sizes.size(connection, storage, rows.wanted)
        return rows.wanted, size.rows - before, size

    fields, written, size = await tables.warehouse.run(work, writes=append, job=job)
    tables.sizes.note(storage, size)
    extra = {key: value for key, value in resource.items() if key not in (existing or {}) or key in SPECIFIED}
    await tables.point(name, storage, fields, size.rows, size.bytes, extra, target.anew)
    return Filled(fields, written)


def of_query(sql: str, declared: Fields = (), updates: Sequence[str] = ()) -> Callable[[Connection, Fields], Rows]:
    """The plan to write a query's rows.

    Args:
        sql: DuckDB's query.
        declared: Columns that a new table was declared to have, in the query's order.
        updates: `schemaUpdateOptions`.
    """

    def plan(connection: Connection, held: Fields) -> Rows:
        given = columns_of(connection, sql)
        if held:
            return Rows(sql, [one["name"] for one in given], merged(held, given, updates))
        if declared and len(declared) != len(given):
            raise Refusal(
                400, "INVALID_ARGUMENT", f"The query gives {len(given)} columns, {len(declared)} are declared.", reason="invalidQuery"
            )
        return Rows(sql, [one["name"] for one in declared or given], declared or given)

    return plan


def merged(held: Fields, given: Fields, updates: Sequence[str]) -> list[Json]:
    """The columns of a table to which rows with the columns `given` are added.

    Raises:
        Refusal: They have another type, or are new and may not be.
    """
    known = {one["name"].lower(): dict(one) for one in held}
    for one in given:
        old = known.get(one["name"].lower())
        if old is None:
            if "ALLOW_FIELD_ADDITION" not in updates:
                raise _mismatch(f"Cannot add fields (field: {one['name']})")
            if str(one.get("mode", "")).upper() == "REQUIRED":
                raise _mismatch(f"Cannot add required fields to an existing schema (field: {one['name']})")
            known[one["name"].lower()] = dict(one)
        elif (kind(old), repeated(old)) != (kind(one), repeated(one)):
            raise _mismatch(f"Field {one['name']} has changed type from {kind(old)} to {kind(one)}")
        elif "ALLOW_FIELD_RELAXATION" in updates and old.get("mode") == "REQUIRED" and one.get("mode") != "REQUIRED":
            old["mode"] = "NULLABLE"
    return list(known.values())


def _mismatch(what: str) -> Refusal:
    return Refusal(400, "INVALID_ARGUMENT", f"Provided Schema does not match Table. {what}", reason="invalid")


def columns_of(connection: Connection, sql: str) -> list[Json]:
    """The columns that a query gives."""
    relation = connection.sql(sql)
    return [column(name, one) for name, one in zip(relation.columns, relation.types, strict=True)]


def _into_partition(connection: Connection, storage: str, rows: Rows, partition: str, partitioning: Partitioning, truncate: bool) -> int:
    """Writes into one partition alone; returns how many rows the table had that stay."""
    inside = f"{partitioning.id()} = '{partition}'"
    if truncate:
        connection.execute(f"DELETE FROM {quoted(storage)} WHERE {inside}")
    before = sizes.count(connection, storage)
    (had,) = connection.execute(f"SELECT count(*) FROM {quoted(storage)} WHERE {inside}").fetchone()
    names, values = [*map(quoted, rows.columns)], "*"
    if partitioning.hidden:
        names, values = [*names, quoted(TIME)], f"*, {partitioning.start_of(partition)}"
    connection.execute(f"INSERT INTO {quoted(storage)} ({', '.join(names)}) SELECT {values} FROM ({rows.sql})")
    (has,) = connection.execute(f"SELECT count(*) FROM {quoted(storage)} WHERE {inside}").fetchone()
    if has - had != sizes.count(connection, storage) - before:
        message = f"Some rows belong to different partitions rather than destination partition {partition}. Nothing was written."
        raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")
    return before


def _check_partition(target: Target, existing: Json | None, partitioning: Partitioning | None) -> None:
    if not target.partition:
        return
    short = spoken(target.name)
    if existing is None:
        message = (
            f"Not found: Table {short}. The partition {target.partition} can be written once the partitioned table exists: create it first."
        )
        raise Refusal(404, "NOT_FOUND", message, reason="notFound")
    if partitioning is None:
        raise Refusal(400, "INVALID_ARGUMENT", f"{short} is not partitioned, so it has no partition {target.partition}.", reason="invalid")
    partitioning.check(target.partition)


def _check_dispositions(tables: Tables, target: Target, existing: Json | None, configuration: Json, disposition: str) -> None:
    name, short = target.name, spoken(target.name)
    if existing is None:
        if configuration.get("createDisposition") == "CREATE_NEVER":
            raise Refusal(404, "NOT_FOUND", f"Not found: Table {short}", reason="notFound")
        tables.require_dataset(name)
    elif disposition == "WRITE_EMPTY" and int(existing.get("numRows", 0)):
        raise Refusal(409, "ALREADY_EXISTS", f"Already Exists: Table {short}", reason="duplicate")
    if existing is not None and "view" in existing:
        raise Refusal(400, "INVALID_ARGUMENT", f"{short} is a view and holds no rows of its own.", reason="invalid")
    if existing is not None and existing.get("type") == "SNAPSHOT":
        raise Refusal(400, "INVALID_ARGUMENT", f"{short} is a snapshot, which stays as it is.", reason="invalid")


def _refuse_null_elements(connection: Connection, storage: str, fields: Fields) -> None:
    """An array in a result or a table holds no NULL."""
    for one in fields:
        if repeated(one):
            name = quoted(one["name"])
            if connection.execute(f"SELECT 1 FROM {quoted(storage)} WHERE list_count({name}) <> len({name}) LIMIT 1").fetchone():
                message = f"Array cannot have a null element; error in writing field {one['name']}"
                raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalidQuery")
