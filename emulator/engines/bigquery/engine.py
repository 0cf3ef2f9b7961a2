"""BigQuery at work: queries, loads, copies and extracts, and rows that are read and written without a job."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery import loading, rows, sizes
from emulator.engines.bigquery.names import name_of, spoken
from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.tables import ANONYMOUS, Tables, milliseconds
from emulator.engines.bigquery.types import column, quoted
from emulator.engines.bigquery.warehouse import Connection, create, new_storage, shape

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.bigquery.statements import Catalogue, Statement, Table

Json = dict[str, Any]

INTERRUPT_SECONDS = 0.1
"""A job that is between two statements is interrupted in the next."""
SENT_SECONDS = 60.0
PAGE_ROWS = 50_000


@dataclass(frozen=True)
class Written:
    """What a statement did."""

    statement: Statement
    destination: str
    """`projects/P/datasets/D/tables/T` of the rows that it gave; empty where it gave none."""
    fields: Fields
    bytes: int
    affected: int = 0


class BigQuery:
    """Tables, and the jobs that read and write them."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.tables = Tables(cloud.store, cloud.state / "bigquery")
        self.warehouse = self.tables.warehouse
        self._sent: dict[tuple[str, str], float] = {}
        self.running: dict[str, asyncio.Task[None]] = {}
        """Name of a job → what runs it."""
        cloud.at_end(self._close)

    async def _close(self) -> None:
        """Ends the jobs that run, each with its last word, then the database."""
        while self.running:
            for job in self.running:
                self.warehouse.interrupt(job)
            await asyncio.wait(self.running.values(), timeout=INTERRUPT_SECONDS)
        await self.warehouse.close()

    async def query(self, sql: str, configuration: Json, project: str, job: str, reader: str = "", dry: bool = False) -> Written:
        """Runs a statement.

        Args:
            sql: GoogleSQL.
            configuration: `JobConfigurationQuery`, or the body of `jobs.query`.
            project: Of names without one.
            job: Under which it can be interrupted.
            reader: Who asks, and must be allowed to read and write what the statement names; empty for the cloud itself.
            dry: Only whether it would run, and on how many bytes.

        Raises:
            Refusal: It is wrong, or cannot be carried.
        """
        from emulator.access.bigquery import of_statement
        from emulator.engines.bigquery.statements import prepared

        await self._cloud.requests.flush()
        if configuration.get("useLegacySql"):
            raise Refusal(400, "INVALID_ARGUMENT", "Legacy SQL is not emulated by the local Google Cloud: set useLegacySql to false.")
        default = configuration.get("defaultDataset", {})
        catalogue = self.tables.catalogue()
        home = default.get("projectId", project), default.get("datasetId", "")
        statement = await asyncio.to_thread(prepared, sql, catalogue, *home, configuration.get("queryParameters", []))
        for need in of_statement(statement, configuration) if reader else ():
            self._cloud.access.demand(reader, need, "bigquery.jobs.query")
        tables = {table.storage: table.fields for table in statement.tables.values() if not table.view}
        await self.warehouse.ready(tables)
        processed = await self.warehouse.run(lambda connection: sizes.processed(connection, statement))
        if dry:
            found = await self.warehouse.run(lambda connection: _fields(connection, statement.sql)) if statement.kind == "SELECT" else []
            return Written(statement, "", found, processed)
        if statement.kind == "SELECT":
            destination = configuration.get("destinationTable") or {}
            name = name_of(destination) or f"projects/{project}/datasets/{ANONYMOUS}/tables/{uuid.uuid4().hex}"
            fields = await self._fill(name, statement.sql, configuration, job)
            if not destination:
                await self.tables.keep_result(name)
            return Written(statement, name, fields, processed)
        return await self._changed(statement, project, job, processed, catalogue)

    async def _changed(self, statement: Statement, project: str, job: str, processed: int, catalogue: Catalogue) -> Written:
        """DML and DDL."""
        name, options = statement.target, statement.options
        exists = self.tables.kept.get(name) is not None
        if statement.kind.startswith("DROP"):
            if not exists and "if_exists" not in options:
                self.tables.table(name)
            self.tables.kept.delete(name)
            await self.tables.forget(name)
        elif statement.kind.startswith("CREATE"):
            if exists and "if_not_exists" in options:
                return Written(statement, "", (), processed)
            if exists and "replace" not in options:
                raise Refusal(409, "ALREADY_EXISTS", f"Already Exists: Table {spoken(name)}", reason="duplicate")
            if statement.kind == "CREATE_VIEW":
                fields = await self.warehouse.run(lambda connection: _fields(connection, statement.sql))
                self.tables.write(name, fields, {"type": "VIEW", "view": {"query": statement.view, "useLegacySql": False}})
            elif statement.sql:
                await self._fill(name, statement.sql, {"writeDisposition": "WRITE_TRUNCATE"}, job, statement.fields)
            else:
                self.tables.write(name, statement.fields, {})
                self.tables.pointers.put(name, "Rows", {"table": new_storage()})
        else:

            def work(connection: Connection) -> tuple[int, int]:
                counted = connection.execute(statement.sql).fetchone()
                return (int(counted[0]) if counted else 0), sizes.count(connection, self._storage_name(catalogue, name))

            affected, total = await self.warehouse.run(work, writes=True, job=job)
            changed = {"numRows": str(total), "lastModifiedTime": milliseconds()} if affected else {}
            self.tables.kept.put(name, "Table", {**self.tables.table(name), **changed})
            return Written(statement, "", (), processed, affected)
        return Written(statement, "", (), processed)

    def _storage_name(self, catalogue: Catalogue, name: str) -> str:
        return next(table.storage for table in catalogue.values() if table.name == name)

    async def _fill(self, name: str, sql: str, configuration: Json, job: str, fields: Fields = ()) -> Fields:
        """Writes a query's rows into a table, which is made if need be; returns the columns of the query."""
        await self.tables.expire(name)
        existing = self.tables.kept.get(name)
        disposition = configuration.get("writeDisposition", "WRITE_EMPTY")
        self._check_dispositions(name, existing, configuration, disposition)
        append = existing is not None and disposition == "WRITE_APPEND"
        storage = self.tables.storage(name) if append else new_storage()
        held: Fields = existing["schema"]["fields"] if append and existing else ()
        if append:
            await self.warehouse.ready({storage: held})

        def work(connection: Connection) -> tuple[Fields, int, int]:
            given = _fields(connection, sql)
            wanted = held or fields or given
            if not append:
                create(connection, storage, wanted)
            by_name = "" if fields and not append else "BY NAME "
            connection.execute(f"INSERT INTO {quoted(storage)} {by_name}{sql}")
            _refuse_null_elements(connection, storage, wanted)
            return (given, *sizes.size(connection, storage, wanted))

        given, count, size = await self.warehouse.run(work, writes=append, job=job)
        await self.tables.point(name, storage, held or fields or given, count, size)
        return given

    def _check_dispositions(self, name: str, existing: Json | None, configuration: Json, disposition: str) -> None:
        short = spoken(name)
        if existing is None:
            if configuration.get("createDisposition") == "CREATE_NEVER":
                raise Refusal(404, "NOT_FOUND", f"Not found: Table {short}", reason="notFound")
            dataset = name.rpartition("/tables/")[0]
            if self.tables.kept.get(dataset) is None and not dataset.endswith(f"/{ANONYMOUS}"):
                raise Refusal(404, "NOT_FOUND", f"Not found: Dataset {':'.join(dataset.split('/')[1::2])}", reason="notFound")
        elif disposition == "WRITE_EMPTY" and int(existing.get("numRows", 0)):
            raise Refusal(409, "ALREADY_EXISTS", f"Already Exists: Table {short}", reason="duplicate")
        if existing is not None and "view" in existing:
            raise Refusal(400, "INVALID_ARGUMENT", f"{short} is a view and holds no rows of its own.", reason="invalid")

    async def load(self, files: Mapping[Path, str], configuration: Json, job: str) -> int:
        """Loads files into a table.

        Args:
            files: Each with the name under which its faults are told.
            configuration: `JobConfigurationLoad`.
            job: Under which it can be interrupted.

        Returns:
            The number of rows.
        """
        name = name_of(configuration["destinationTable"])
        await self.tables.expire(name)
        existing = self.tables.kept.get(name)
        disposition = configuration.get("writeDisposition", "WRITE_APPEND")
        self._check_dispositions(name, existing, configuration, disposition)
        declared = configuration.get("schema", {}).get("fields") or []
        held: list[Json] = existing.get("schema", {}).get("fields", []) if existing else []
        append = existing is not None and disposition != "WRITE_TRUNCATE"
        storage = self.tables.storage(name) if append else new_storage()
        if append:
            known = {one["name"].lower() for one in held}
            added = [one for one in declared if one["name"].lower() not in known]
            if added and held and "ALLOW_FIELD_ADDITION" not in configuration.get("schemaUpdateOptions", []):
                raise loading.invalid(f"Provided Schema does not match Table {name}. Cannot add fields (field: {added[0]['name']})")
            held = held + added

        def work(connection: Connection) -> tuple[Fields, int, int, int]:
            paths = list(files)
            wanted = held if append and held else declared or (held if not configuration.get("autodetect") else [])
            wanted = wanted or loading.found(connection, paths, configuration)
            (shape if append else create)(connection, storage, wanted)
            before = sizes.count(connection, storage)
            columns = declared or wanted
            names = ", ".join(quoted(one["name"]) for one in columns)
            connection.execute(f"INSERT INTO {quoted(storage)} ({names}) {loading.query(connection, paths, configuration, columns)}")
            count, size = sizes.size(connection, storage, wanted)
            return wanted, count - before, count, size

        try:
            fields, loaded, count, size = await self.warehouse.run(work, writes=append, job=job)
        except Refusal as refusal:
            message = refusal.message
            for path, shown in files.items():
                message = message.replace(str(path), shown)
            raise loading.invalid(message) from None
        extra: Json = {key: configuration[key] for key in ("timePartitioning", "clustering") if key in configuration}
        await self.tables.point(name, storage, fields, count, size, extra)
        return loaded

    async def copy(self, sources: Sequence[str], destination: str, configuration: Json, job: str) -> None:
        """Copies tables into one."""
        catalogue = {table.name: table for table in self.tables.catalogue().values()}
        for source in sources:
            self.tables.table(source)
        await self.warehouse.ready({catalogue[source].storage: catalogue[source].fields for source in sources})
        sql = " UNION ALL BY NAME ".join(f"SELECT * FROM {quoted(catalogue[source].storage)}" for source in sources)
        await self._fill(destination, sql, configuration, job, catalogue[sources[0]].fields if len(sources) == 1 else ())

    async def extract(self, source: str, file: Path, form: str, delimiter: str, job: str) -> None:
        """Writes a table's rows into a file."""
        table = await self._opened(source)
        sql = f"SELECT * FROM {quoted(table.storage)}"
        await self.warehouse.run(lambda connection: connection.execute(loading.writing(sql, file, form, table.fields, delimiter)), job=job)

    async def page(self, name: str, first: int, limit: int, *, fields: Sequence[str] = (), micros: bool = True) -> tuple[list[str], Fields]:
        """Rows of a table as JSON texts, in the order in which they were written, and their columns."""
        await self._cloud.requests.flush()
        table = await self._opened(name)
        shown = [one for one in table.fields if not fields or one["name"] in fields]
        sql = f"SELECT {rows.row(shown, micros=micros)} FROM {quoted(table.storage)} LIMIT {min(limit, PAGE_ROWS)} OFFSET {first}"
        found = await self.warehouse.run(lambda connection: connection.execute(sql).fetchall()) if shown else []
        return [text for (text,) in found], shown

    async def read(self, name: str, sql: str = "", values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a table as Python values: `sql` is DuckDB's own, in which `rows` stands for the table."""
        table = await self._opened(name)
        whole = f"WITH rows AS (SELECT * FROM {quoted(table.storage)}) {sql or 'SELECT * FROM rows'}"
        found: list[tuple[Any, ...]] = await self.warehouse.run(lambda connection: connection.execute(whole, list(values)).fetchall())
        return found

    async def insert(self, name: str, given: Sequence[Json]) -> None:
        """Adds rows that `rows.accepted` let through."""
        table = await self._opened(name)
        await self.warehouse.ready({table.storage: table.fields})
        values = ", ".join(rows.taken(one, f"r.{quoted(one['name'])}") for one in table.fields)
        sql = f"INSERT INTO {quoted(table.storage)} SELECT {values} FROM (SELECT unnest(from_json(?, ?)) AS r)"
        content, shape = json.dumps(list(given)), json.dumps([rows.structure(table.fields)])
        await self.warehouse.run(lambda connection: connection.execute(sql, [content, shape]), writes=True)
        with contextlib.suppress(Refusal):
            resource = self.tables.table(name)
            counted = {"numRows": str(int(resource.get("numRows", 0)) + len(given))}
            counted["numBytes"] = str(int(resource.get("numBytes", 0)) + len(content))
            counted["lastModifiedTime"] = milliseconds()
            self.tables.kept.put(name, "Table", {**resource, **counted})

    def sent_before(self, name: str, insert_id: str) -> bool:
        """Whether a row with this id was inserted within the last minute."""
        return bool(insert_id) and self._sent.get((name, insert_id), 0.0) > time.monotonic() - SENT_SECONDS

    def note_sent(self, name: str, insert_ids: Sequence[str]) -> None:
        """Remembers the ids of rows that were inserted; an insert whose answer was lost may be sent again."""
        moment = time.monotonic()
        for key in [key for key, sent in itertools.takewhile(lambda item: item[1] < moment - SENT_SECONDS, self._sent.items())]:
            del self._sent[key]
        self._sent.update({(name, insert_id): moment for insert_id in insert_ids if insert_id})

    async def _opened(self, name: str) -> Table:
        from emulator.engines.bigquery.statements import Table

        resource = self.tables.table(name)
        if "view" in resource:
            raise Refusal(400, "INVALID_ARGUMENT", f"Cannot list a table of type VIEW: {name}. Query it.", reason="invalid")
        table = Table(name, tuple(resource.get("schema", {}).get("fields", [])), self.tables.storage(name))
        await self.warehouse.ready({table.storage: table.fields})
        return table


def _fields(connection: Connection, sql: str) -> list[Json]:
    relation = connection.sql(sql)
    return [column(name, one) for name, one in zip(relation.columns, relation.types, strict=True)]


def _refuse_null_elements(connection: Connection, storage: str, fields: Fields) -> None:
    """An array in a result or a table holds no NULL."""
    for one in fields:
        if one.get("mode") == "REPEATED":
            column = quoted(one["name"])
            if connection.execute(f"SELECT 1 FROM {quoted(storage)} WHERE list_count({column}) <> len({column}) LIMIT 1").fetchone():
                message = f"Array cannot have a null element; error in writing field {one['name']}"
                raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalidQuery")
