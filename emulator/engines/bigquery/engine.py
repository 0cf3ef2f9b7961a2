"""BigQuery: what its methods do to the tables of the store and to their rows."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import DEFAULTS, Refusal
from emulator.clock import etag
from emulator.engines.bigquery import loading, rows, sizes
from emulator.engines.bigquery.names import name_of, parts, spoken
from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.types import column, normal, quoted
from emulator.engines.bigquery.warehouse import Connection, Warehouse, create, new_storage, shape

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.bigquery.statements import Catalogue, Statement, Table

Json = dict[str, Any]

POINTERS = "bigquery-rows"
"""`projects/P/datasets/D/tables/T` → `{"table": name of the DuckDB table}`."""
ANONYMOUS, RESULT = "_results", "Result"
"""Dataset and kind of the tables that hold the results of queries; they are never listed."""
RESULTS, RESULT_MILLISECONDS = 500, 24 * 3600 * 1000
"""How many of them are kept, and for how long."""
INTERRUPT_SECONDS = 0.1
"""A job that is between two statements is interrupted in the next."""
DISCARD_SECONDS, SENT_SECONDS = 60.0, 60.0
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
        self._kept = cloud.store.of("bigquery")
        self._pointers = cloud.store.of(POINTERS)
        folder = cloud.state / "bigquery"
        folder.mkdir(exist_ok=True)
        self.warehouse = Warehouse(folder / "rows.duckdb", self._live)
        self._sent: dict[tuple[str, str], float] = {}
        self._discarded: deque[tuple[float, str]] = deque()
        self._results = deque(name for name, _ in sorted(self._kept.items(kind=RESULT), key=lambda item: str(item[1]["creationTime"])))
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

    def _live(self) -> set[str]:
        return {row["table"] for row in self._pointers.list()}

    def catalogue(self) -> Catalogue:
        """Every table as it is now."""
        from emulator.engines.bigquery.statements import Table

        tables = (
            Table(
                name,
                tuple(resource.get("schema", {}).get("fields", [])),
                self._storage(name) if "view" not in resource else "",
                resource.get("view", {}).get("query", ""),
            )
            for name, resource in self._kept.items(kind="Table")
            if not _expired(resource)
        )
        return {table.short: table for table in tables}

    def _storage(self, name: str) -> str:
        pointer = self._pointers.get(name) or self._pointers.put(name, "Rows", {"table": new_storage()})
        return str(pointer["table"])

    def table(self, name: str) -> Json:
        """The resource of a table.

        Raises:
            Refusal: It does not exist.
        """
        found = self._kept.get(name)
        if found is None or _expired(found):
            raise Refusal(404, "NOT_FOUND", f"Not found: Table {spoken(name)}", reason="notFound")
        return found

    async def forget(self, name: str) -> None:
        """Removes the rows of a table that was deleted, or of all tables of a dataset."""
        own = self._pointers.get(name)
        pointers = [*([own] if own else []), *(pointer for _, pointer in self._pointers.under(name))]
        self._pointers.delete(name)
        await self._discard(pointer["table"] for pointer in pointers)

    async def expire(self, name: str) -> None:
        """Removes a table whose time is over."""
        if (found := self._kept.get(name)) is not None and _expired(found):
            self._kept.remove(name)
            await self.forget(name)

    async def _discard(self, storages: Iterable[str]) -> None:
        """Removes DuckDB tables that nothing points to any more, a while later: a statement that began before may still read them."""
        moment = time.monotonic()
        self._discarded.extend((moment, storage) for storage in storages)
        old = []
        while self._discarded and self._discarded[0][0] < moment - DISCARD_SECONDS:
            old.append(self._discarded.popleft()[1])
        # At the next start, what nothing points to is removed anyway.
        if old and self.warehouse.is_open:
            statements = "; ".join(f"DROP TABLE IF EXISTS {quoted(storage)}" for storage in old)
            await self.warehouse.run(lambda connection: connection.execute(statements), writes=True)

    async def _keep_result(self, name: str) -> None:
        """The result of a query is kept for a while, and so many at most."""
        self._results.append(name)
        oldest = str(int(_milliseconds()) - RESULT_MILLISECONDS)
        while len(self._results) > RESULTS or (self._kept.get(self._results[0]) or {}).get("creationTime", "") < oldest:
            gone = self._results.popleft()
            self._kept.remove(gone)
            await self.forget(gone)

    async def query(self, sql: str, configuration: Json, project: str, job: str, dry: bool = False) -> Written:
        """Runs a statement.

        Args:
            sql: GoogleSQL.
            configuration: `JobConfigurationQuery`, or the body of `jobs.query`.
            project: Of names without one.
            job: Under which it can be interrupted.
            dry: Only whether it would run, and on how many bytes.

        Raises:
            Refusal: It is wrong, or cannot be carried.
        """
        from emulator.engines.bigquery.statements import prepared

        await self._cloud.requests.flush()
        if configuration.get("useLegacySql"):
            raise Refusal(400, "INVALID_ARGUMENT", "Legacy SQL is not emulated by the local Google Cloud: set useLegacySql to false.")
        default = configuration.get("defaultDataset", {})
        catalogue = self.catalogue()
        home = default.get("projectId", project), default.get("datasetId", "")
        statement = await asyncio.to_thread(prepared, sql, catalogue, *home, configuration.get("queryParameters", []))
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
                await self._keep_result(name)
            return Written(statement, name, fields, processed)
        return await self._changed(statement, project, job, processed, catalogue)

    async def _changed(self, statement: Statement, project: str, job: str, processed: int, catalogue: Catalogue) -> Written:
        """DML and DDL."""
        name, options = statement.target, statement.options
        exists = self._kept.get(name) is not None
        if statement.kind.startswith("DROP"):
            if not exists and "if_exists" not in options:
                self.table(name)
            self._kept.delete(name)
            await self.forget(name)
        elif statement.kind.startswith("CREATE"):
            if exists and "if_not_exists" in options:
                return Written(statement, "", (), processed)
            if exists and "replace" not in options:
                raise Refusal(409, "ALREADY_EXISTS", f"Already Exists: Table {spoken(name)}", reason="duplicate")
            if statement.kind == "CREATE_VIEW":
                fields = await self.warehouse.run(lambda connection: _fields(connection, statement.sql))
                self._declare(name, fields, {"type": "VIEW", "view": {"query": statement.view, "useLegacySql": False}})
            elif statement.sql:
                await self._fill(name, statement.sql, {"writeDisposition": "WRITE_TRUNCATE"}, job, statement.fields)
            else:
                self._declare(name, statement.fields, {})
                self._pointers.put(name, "Rows", {"table": new_storage()})
        else:

            def work(connection: Connection) -> tuple[int, int]:
                counted = connection.execute(statement.sql).fetchone()
                return (int(counted[0]) if counted else 0), sizes.count(connection, self._storage_name(catalogue, name))

            affected, total = await self.warehouse.run(work, writes=True, job=job)
            changed = {"numRows": str(total), "lastModifiedTime": _milliseconds()} if affected else {}
            self._kept.put(name, "Table", {**self.table(name), **changed})
            return Written(statement, "", (), processed, affected)
        return Written(statement, "", (), processed)

    def _storage_name(self, catalogue: Catalogue, name: str) -> str:
        return next(table.storage for table in catalogue.values() if table.name == name)

    async def _fill(self, name: str, sql: str, configuration: Json, job: str, fields: Fields = ()) -> Fields:
        """Writes a query's rows into a table, which is made if need be; returns the columns of the query."""
        await self.expire(name)
        existing = self._kept.get(name)
        disposition = configuration.get("writeDisposition", "WRITE_EMPTY")
        self._check_dispositions(name, existing, configuration, disposition)
        append = existing is not None and disposition == "WRITE_APPEND"
        storage = self._storage(name) if append else new_storage()
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
            return (given, *sizes.size(connection, storage, wanted))

        given, count, size = await self.warehouse.run(work, writes=append, job=job)
        await self._point(name, storage, held or fields or given, count, size)
        return given

    def _check_dispositions(self, name: str, existing: Json | None, configuration: Json, disposition: str) -> None:
        short = spoken(name)
        if existing is None:
            if configuration.get("createDisposition") == "CREATE_NEVER":
                raise Refusal(404, "NOT_FOUND", f"Not found: Table {short}", reason="notFound")
            dataset = name.rpartition("/tables/")[0]
            if self._kept.get(dataset) is None and not dataset.endswith(f"/{ANONYMOUS}"):
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
        await self.expire(name)
        existing = self._kept.get(name)
        disposition = configuration.get("writeDisposition", "WRITE_APPEND")
        self._check_dispositions(name, existing, configuration, disposition)
        declared = configuration.get("schema", {}).get("fields") or []
        held: list[Json] = existing.get("schema", {}).get("fields", []) if existing else []
        append = existing is not None and disposition != "WRITE_TRUNCATE"
        storage = self._storage(name) if append else new_storage()
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
        await self._point(name, storage, fields, count, size, extra)
        return loaded

    async def copy(self, sources: Sequence[str], destination: str, configuration: Json, job: str) -> None:
        """Copies tables into one."""
        catalogue = {table.name: table for table in self.catalogue().values()}
        for source in sources:
            self.table(source)
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
            resource = self.table(name)
            counted = {"numRows": str(int(resource.get("numRows", 0)) + len(given))}
            counted["numBytes"] = str(int(resource.get("numBytes", 0)) + len(content))
            counted["lastModifiedTime"] = _milliseconds()
            self._kept.put(name, "Table", {**resource, **counted})

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

        resource = self.table(name)
        if "view" in resource:
            raise Refusal(400, "INVALID_ARGUMENT", f"Cannot list a table of type VIEW: {name}. Query it.", reason="invalid")
        table = Table(name, tuple(resource.get("schema", {}).get("fields", [])), self._storage(name))
        await self.warehouse.ready({table.storage: table.fields})
        return table

    async def _point(self, name: str, storage: str, fields: Fields, count: int, size: int, extra: Json | None = None) -> None:
        """Makes a DuckDB table the rows of a table, at once with its columns and size."""
        old = self._pointers.get(name)
        with self._cloud.store.transaction():
            self._pointers.put(name, "Rows", {"table": storage})
            self._declare(name, fields, {**(extra or {}), "numRows": str(count), "numBytes": str(size)})
        if old is not None and old["table"] != storage:
            await self._discard([old["table"]])

    def declare(self, name: str, fields: Fields) -> None:
        """Makes a table, and its dataset, unless they exist; as Google's own services do where they write."""
        dataset = name.rpartition("/tables/")[0]
        if self._kept.get(dataset) is None:
            _, project, _, dataset_id = dataset.split("/")
            reference = {"projectId": project, "datasetId": dataset_id}
            made = {"kind": "bigquery#dataset", "id": f"{project}:{dataset_id}", "datasetReference": reference}
            made |= DEFAULTS["bigquery", "Dataset"]
            stamp = _milliseconds()
            self._kept.put(dataset, "Dataset", {**made, "creationTime": stamp, "lastModifiedTime": stamp, "etag": etag()})
        if self._kept.get(name) is None:
            self._declare(name, fields, {})

    def _declare(self, name: str, fields: Fields, extra: Json) -> None:
        """Writes the resource of a table."""
        project, dataset, table = parts(name)
        stamp = _milliseconds()
        fresh = {
            "kind": "bigquery#table",
            "id": f"{project}:{dataset}.{table}",
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
            "type": "TABLE",
            "creationTime": stamp,
            "location": (self._kept.get(name.rpartition("/tables/")[0]) or {}).get("location", "US"),
            "numRows": "0",
            "numBytes": "0",
        }
        changed = {"schema": {"fields": normal(fields)}, "lastModifiedTime": stamp, "etag": etag(), **extra}
        self._kept.put(name, RESULT if dataset == ANONYMOUS else "Table", {**fresh, **(self._kept.get(name) or {}), **changed})


def _expired(resource: Json) -> bool:
    """Whether a table's time is over; it is taken as gone, and whoever makes it anew begins with no rows."""
    return 0 < int(resource.get("expirationTime") or 0) < int(_milliseconds())


def _milliseconds() -> str:
    return str(int(time.time() * 1000))


def _fields(connection: Connection, sql: str) -> list[Json]:
    relation = connection.sql(sql)
    return [column(name, one) for name, one in zip(relation.columns, relation.types, strict=True)]
