"""BigQuery at work: queries, loads, copies and extracts, and rows that are read and written without a job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.engines.bigquery import extracting, loading, rows, sizes, streaming
from emulator.engines.bigquery.ddl import define
from emulator.engines.bigquery.filling import SPECIFIED, Rows, Target, columns_of, fill, of_query
from emulator.engines.bigquery.names import name_of, partition_of, spoken
from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.statement import Statement, Written
from emulator.engines.bigquery.tables import ANONYMOUS, RESULT, Tables, milliseconds
from emulator.engines.bigquery.trees import Tree, invalid
from emulator.engines.bigquery.types import quoted
from emulator.engines.bigquery.warehouse import Connection

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.bigquery.catalogue import Table

Json = dict[str, Any]

INTERRUPT_SECONDS = 0.1
"""A job that is between two statements is interrupted in the next."""
PAGE_ROWS = 50_000
CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE_TABLE")


class BigQuery:
    """Tables, and the jobs that read and write them."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.tables = Tables(cloud.store, cloud.state / "bigquery")
        self.warehouse = self.tables.warehouse
        self._counted: set[str] = set()
        self.sent = streaming.Sent()
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

    async def query(
        self,
        sql: str | Tree,
        configuration: Json,
        project: str,
        job: str,
        reader: str = "",
        dry: bool = False,
        temporary: Mapping[str, str] | None = None,
    ) -> Written:
        """Runs a statement.

        Args:
            sql: GoogleSQL.
            configuration: `JobConfigurationQuery`, or the body of `jobs.query`.
            project: Of names without one.
            job: Under which it can be interrupted.
            reader: Who asks, and must be allowed to read and write what the statement names; empty for the cloud itself.
            dry: Only whether it would run, and on how many bytes.
            temporary: Name of a script's temporary table → its resource's name; none outside of scripts.

        Raises:
            Refusal: It is wrong, or cannot be carried.
        """
        statement = await self._prepared(sql, configuration, project, reader, temporary)
        processed = await self.warehouse.run(lambda connection: self.tables.sizes.processed(connection, statement))
        if (limit := int(configuration.get("maximumBytesBilled") or 0)) and processed > limit:
            message = f"Query exceeded limit for bytes billed: {limit}. {processed} or higher required."
            raise Refusal(400, "INVALID_ARGUMENT", message, reason="bytesBilledLimitExceeded")
        if dry:
            selects = statement.kind == "SELECT"
            found = await self.warehouse.run(lambda connection: columns_of(connection, statement.sql)) if selects else []
            return Written(statement, "", found, processed)
        if statement.kind == "SELECT":
            destination = configuration.get("destinationTable") or {}
            name = name_of(destination) or f"projects/{project}/datasets/{ANONYMOUS}/tables/{uuid.uuid4().hex}"
            plan = of_query(statement.sql, updates=configuration.get("schemaUpdateOptions", []))
            filled = await fill(self.tables, Target(name, partition_of(destination)), configuration, job, plan)
            if not destination:
                await self.tables.keep_result(name)
            return Written(statement, name, filled.fields, processed)
        if statement.kind in CHANGES:
            return await self._changed(statement, job, processed)
        return Written(statement, "", (), processed, operation=await define(self.tables, statement, job))

    async def _prepared(
        self, sql: str | Tree, configuration: Json, project: str, reader: str, temporary: Mapping[str, str] | None
    ) -> Statement:
        """A statement whose reader may run it, and whose tables are there."""
        from emulator.access.bigquery import of_statement
        from emulator.engines.bigquery.prepare import prepared

        await self._cloud.requests.flush()
        if configuration.get("useLegacySql"):
            raise Refusal(400, "INVALID_ARGUMENT", "Legacy SQL is not emulated by the local Google Cloud: set useLegacySql to false.")
        default = configuration.get("defaultDataset", {})
        text = sql if isinstance(sql, str) else sql.sql("bigquery")
        catalogue = self.tables.catalogue(text, temporary)
        home = default.get("projectId", project), default.get("datasetId", "")
        statement = await asyncio.to_thread(prepared, sql, catalogue, *home, configuration.get("queryParameters", []))
        if statement.temporary and temporary is None:
            raise invalid("Use of CREATE TEMPORARY TABLE requires a script or session")
        for need in of_statement(statement, configuration) if reader else ():
            self._cloud.access.demand(reader, need, "bigquery.jobs.query")
        await self.warehouse.ready({table.storage: table.stored for table in statement.tables.values() if not table.view})
        await self.tables.expire_partitions(statement.tables.values())
        return statement

    async def evaluated(
        self, tree: Tree, configuration: Json, project: str, job: str, reader: str, temporary: Mapping[str, str]
    ) -> tuple[list[str], Fields]:
        """At most two rows of a query as JSON texts, and its columns, without a table for them."""
        statement = await self._prepared(tree, configuration, project, reader, temporary)

        def work(connection: Connection) -> tuple[list[str], Fields]:
            fields = columns_of(connection, statement.sql)
            found = connection.execute(f"SELECT {rows.row(fields)} FROM ({statement.sql}) LIMIT 2").fetchall()
            return [text for (text,) in found], fields

        return await self.warehouse.run(work, job=job)

    async def _changed(self, statement: Statement, job: str, processed: int) -> Written:
        """DML."""
        name = statement.target
        table = next(table for table in statement.tables.values() if table.name == name)
        if table.resource.get("type") == "SNAPSHOT":
            raise Refusal(400, "INVALID_ARGUMENT", f"{spoken(name)} is a snapshot, which stays as it is.", reason="invalidQuery")

        def work(connection: Connection) -> tuple[int, int]:
            if statement.forbidden and connection.execute(statement.forbidden).fetchone():
                raise invalid("UPDATE/MERGE must match at most one source row for each target row")
            counted = connection.execute(statement.sql).fetchone()
            return (int(counted[0]) if counted else 0), sizes.count(connection, table.storage)

        affected, total = await self.warehouse.run(work, writes=True, job=job)
        self.tables.sizes.note(table.storage)
        self._counted.discard(name)
        changed = {"numRows": str(total), "lastModifiedTime": milliseconds()} if affected else {}
        self.tables.kept.put(name, RESULT if f"/{ANONYMOUS}/" in name else "Table", {**self.tables.table(name), **changed})
        return Written(statement, "", (), processed, affected)

    async def load(self, files: Mapping[Path, str], configuration: Json, job: str) -> tuple[int, int]:
        """Loads files into a table.

        Args:
            files: Each with the name under which its faults are told.
            configuration: `JobConfigurationLoad`.
            job: Under which it can be interrupted.

        Returns:
            The number of rows, and that of the bad ones that were left out.
        """
        reference = configuration["destinationTable"]
        target = Target(name_of(reference), partition_of(reference))
        described = configuration.get("destinationTableProperties") or {}
        target = replace(target, resource={key: described[key] for key in ("description", "friendlyName", "labels") if key in described})
        configuration = {"writeDisposition": "WRITE_APPEND", **configuration}
        bad: list[int] = []
        existing = (self.tables.kept.get(target.name) or {}).get("schema", {}).get("fields", [])

        def plan(connection: Connection, held: Fields) -> Rows:
            rows, left_out = loading.plan(connection, list(files), configuration, held, existing)
            bad.append(left_out)
            return rows

        try:
            filled = await fill(self.tables, target, configuration, job, plan)
        except Refusal as refusal:
            message = refusal.message
            for path, shown in files.items():
                message = message.replace(str(path), shown)
            raise Refusal(refusal.status, refusal.status_name, message, reason=refusal.reason.replace("invalidQuery", "invalid")) from None
        return filled.rows, sum(bad)

    async def copy(self, sources: Sequence[str], destination: Json, configuration: Json, job: str) -> None:
        """Copies tables into one; a snapshot stays as it is from then on."""
        opened = [self.tables.opened(source) for source in sources]
        await self.warehouse.ready({table.storage: table.stored for table in opened})
        listed = [f"SELECT {', '.join(quoted(one['name']) for one in table.fields)} FROM {quoted(table.storage)}" for table in opened]
        whole = " UNION ALL BY NAME ".join(listed)
        kept = {key: opened[0].resource[key] for key in SPECIFIED if key in opened[0].resource} if len(opened) == 1 else {}
        if configuration.get("operationType") == "SNAPSHOT":
            kept["type"] = "SNAPSHOT"
        if any(table.partitioning is not None and table.partitioning.hidden for table in opened):
            kept.pop("timePartitioning", None)
        target = Target(name_of(destination), partition_of(destination), kept)
        fields = opened[0].fields if len(opened) == 1 else ()
        await fill(self.tables, target, configuration, job, of_query(whole, fields))

    async def extract(self, source: Json, file: Path, configuration: Json, job: str) -> None:
        """Writes a table's rows, or those of one of its partitions, into a file."""
        table = await self._opened(name_of(source))
        where = self._inside(table, partition_of(source))
        sql = f"SELECT * FROM {quoted(table.storage)}{where}"
        await self.warehouse.run(lambda connection: extracting.extract(connection, sql, file, configuration, table.fields), job=job)

    def _inside(self, table: Table, partition: str) -> str:
        """DuckDB's WHERE that chooses the rows of a partition."""
        if not partition:
            return ""
        if table.partitioning is None:
            raise Refusal(400, "INVALID_ARGUMENT", f"{spoken(table.name)} is not partitioned.", reason="invalid")
        table.partitioning.check(partition)
        return f" WHERE {table.partitioning.id()} = '{partition}'"

    async def count(self, name: str, partition: str = "") -> int:
        """Rows of a table, or of one of its partitions."""
        if not partition:
            return int(self.tables.table(name).get("numRows", 0))
        table = await self._opened(name)
        sql = f"SELECT count(*) FROM {quoted(table.storage)}{self._inside(table, partition)}"
        ((count,),) = await self.warehouse.run(lambda connection: connection.execute(sql).fetchall())
        return int(count)

    async def drop_partition(self, name: str, partition: str) -> None:
        """Removes the rows of a partition."""
        table = await self._opened(name)
        where = self._inside(table, partition)

        def work(connection: Connection) -> int:
            connection.execute(f"DELETE FROM {quoted(table.storage)}{where}")
            return sizes.count(connection, table.storage)

        left = await self.warehouse.run(work, writes=True)
        self.tables.sizes.note(table.storage)
        self.tables.kept.put(name, "Table", {**self.tables.table(name), "numRows": str(left), "lastModifiedTime": milliseconds()})

    async def recount(self, name: str) -> None:
        """Mends the size of a table that changed row by row, or that a kill left as it was before the last change."""
        if name in self._counted or "view" in (resource := self.tables.table(name)):
            return
        self._counted.add(name)
        if not self.warehouse.is_open and not int(resource.get("numRows", 0)):
            return
        table = await self._opened(name)
        size = await self.warehouse.run(lambda connection: self.tables.sizes.of(connection, table.storage, table.fields))
        told = {"numRows": str(size.rows), "numBytes": str(size.bytes)}
        if not told.items() <= (resource := self.tables.table(name)).items():
            self.tables.kept.put(name, "Table", {**resource, **told})

    async def page(
        self, name: str, first: int, limit: int, *, fields: Sequence[str] = (), micros: bool = True, partition: str = ""
    ) -> tuple[list[str], Fields]:
        """Rows of a table as JSON texts, in the order in which they were written, and their columns."""
        await self._cloud.requests.flush()
        table = await self._opened(name)
        wanted = {one.partition(".")[0].lower() for one in fields}
        if unknown := wanted - {one["name"].lower() for one in table.fields}:
            raise Refusal(400, "INVALID_ARGUMENT", f"No such field: {min(unknown)}", reason="invalid")
        shown = [one for one in table.fields if not fields or one["name"].lower() in wanted]
        where = self._inside(table, partition)
        sql = f"SELECT {rows.row(shown, micros=micros)} FROM {quoted(table.storage)}{where} LIMIT {min(limit, PAGE_ROWS)} OFFSET {first}"
        found = await self.warehouse.run(lambda connection: connection.execute(sql).fetchall()) if shown else []
        return [text for (text,) in found], shown

    async def read(self, name: str, sql: str = "", values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a table as Python values: `sql` is DuckDB's own, in which `rows` stands for the table."""
        table = await self._opened(name)
        whole = f"WITH rows AS (SELECT * FROM {quoted(table.storage)}) {sql or 'SELECT * FROM rows'}"
        found: list[tuple[Any, ...]] = await self.warehouse.run(lambda connection: connection.execute(whole, list(values)).fetchall())
        return found

    async def insert(self, name: str, given: Sequence[Json], partition: str = "") -> None:
        """Adds rows that `rows.accepted` let through; what a row does not say takes its column's default."""
        table = await self._opened(name)
        await self.warehouse.run(lambda connection: streaming.insert(connection, table, given, partition), writes=True)
        self.tables.sizes.note(table.storage)
        with contextlib.suppress(Refusal):
            resource = self.tables.table(name)
            counted = {"numRows": str(int(resource.get("numRows", 0)) + len(given))}
            counted["numBytes"] = str(int(resource.get("numBytes", 0)) + len(json.dumps(list(given))))
            counted["lastModifiedTime"] = milliseconds()
            self.tables.kept.put(name, "Table", {**resource, **counted})

    async def _opened(self, name: str) -> Table:
        table = self.tables.opened(name)
        await self.warehouse.ready({table.storage: table.stored})
        await self.tables.expire_partitions([table])
        return table
