"""The DuckDB file: rows of all tables, read and written in threads.

A table's rows lie in a DuckDB table with a name of its own, to which the store points. So rows are replaced by one change in the store:
a kill before it leaves the old rows, and what nothing points to is removed at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from emulator.behaviours import Refusal
from emulator.engines.bigquery.types import quoted, stored, text

if TYPE_CHECKING:
    import duckdb

Json = dict[str, Any]
Fields = Sequence[Json]
Connection = Any
"""`duckdb.DuckDBPyConnection`; the package is imported when a table is first read or written."""
T = TypeVar("T")

THREADS = 4
NOTHING = "_"
SETTINGS = {
    "TimeZone": "'UTC'",
    "threads": "2",
    "autoinstall_known_extensions": "false",
    "checkpoint_threshold": "'64MB'",
}
MEMORY_SHARE, LEAST_MEMORY = 4, 1 << 30
"""DuckDB may take a quarter of the machine's memory; what needs more is spilled into the state folder."""
REASONS = {
    "ConversionException": "invalidQuery",
    "OutOfMemoryException": "resourcesExceeded",
    "TransactionException": "invalidQuery",
}


class Warehouse:
    """One database, opened by the first work.

    Args:
        file: Where it is.
        live: Names of the DuckDB tables that the store points to, asked when the file is opened.
    """

    def __init__(self, file: Path, live: Callable[[], set[str]]) -> None:
        self._file = file
        self._live = live
        self._threads = ThreadPoolExecutor(THREADS, "bigquery")
        self._writing = threading.Lock()
        self._opening = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._shaped: dict[str, str] = {}
        self._running: dict[str, Connection] = {}

    async def run(self, work: Callable[[Connection], T], *, writes: bool = False, job: str = "") -> T:
        """The result of `work` in a thread, in a transaction of its own.

        Args:
            work: Given a connection.
            writes: Whether it changes anything; writers take turns.
            job: Under which `interrupt` ends it.

        Raises:
            Refusal: DuckDB refused, or the work did.
        """
        live = self._live() if self._database is None else set()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._work, work, writes, job, live)

    def _work(self, work: Callable[[Connection], T], writes: bool, job: str, live: set[str]) -> T:
        import duckdb

        try:
            connection = self._open(live).cursor()
            self._running[job] = connection
            with self._writing if writes else contextlib.nullcontext():
                connection.begin()
                try:
                    result = work(connection)
                    connection.commit()
                    return result
                except BaseException:
                    connection.rollback()
                    raise
        except duckdb.InterruptException:
            raise Refusal(499, "CANCELLED", "Job execution was cancelled: User requested cancellation", reason="stopped") from None
        except duckdb.Error as error:
            raise Refusal(400, "INVALID_ARGUMENT", said(error), reason=REASONS.get(type(error).__name__, "invalidQuery")) from None
        finally:
            self._running.pop(job, None)

    def _open(self, live: set[str]) -> duckdb.DuckDBPyConnection:
        import duckdb

        from emulator.engines.bigquery import natives
        from emulator.engines.bigquery.functions import MACROS

        with self._opening:
            if self._database is None:
                try:
                    database = duckdb.connect(str(self._file))
                except duckdb.Error as error:
                    message = f"{self._file} cannot be opened: {said(error)} Tables cannot be read. Move the file away to begin anew."
                    raise Refusal(500, "INTERNAL", message) from None
                memory = max(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEMORY_SHARE, LEAST_MEMORY)
                spill = text(str(self._file.with_name("spilled")))
                for name, value in {**SETTINGS, "memory_limit": f"'{memory}B'", "temp_directory": spill}.items():
                    database.execute(f"SET GLOBAL {name} = {value}")
                natives.register(database)
                for macro in MACROS:
                    database.execute(macro)
                self._database = database
                sweep(database, live)
            return self._database

    async def ready(self, tables: Mapping[str, Fields]) -> None:
        """Makes the DuckDB tables that do not exist yet, and gives the others the columns that they do not have yet.

        Args:
            tables: Name of a DuckDB table → its columns.
        """
        wanted = {storage: repr(fields) for storage, fields in tables.items()}
        missing = {storage: tables[storage] for storage, shape in wanted.items() if self._shaped.get(storage) != shape}
        if not missing:
            return

        def work(connection: Connection) -> None:
            for storage, fields in missing.items():
                shape(connection, storage, fields)

        await self.run(work, writes=True)
        self._shaped |= wanted

    def interrupt(self, job: str) -> None:
        """Ends the work of a job, if it runs."""
        if connection := self._running.get(job):
            connection.interrupt()

    @property
    def is_open(self) -> bool:
        """Whether any work has been done since the start."""
        return self._database is not None

    async def close(self) -> None:
        """Ends what runs and closes the file."""
        for job in list(self._running):
            self.interrupt(job)
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        if self._database is not None:
            self._database.close()


def create(connection: Connection, storage: str, fields: Fields) -> None:
    """Makes a DuckDB table; one without columns gets one that nobody sees, for DuckDB has no table without."""
    columns = [
        f"{quoted(one['name'])} {stored(one)}{' NOT NULL' if one.get('mode') == 'REQUIRED' else ''}{_default(one)}" for one in fields
    ]
    connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(storage)} ({', '.join(columns) or f'{quoted(NOTHING)} INTEGER'})")


def _default(field: Json) -> str:
    """What a column holds where a row does not say."""
    if value := field.get("defaultValueExpression"):
        from emulator.engines.bigquery.prepare import expression

        return f" DEFAULT ({expression(value)})"
    return f" DEFAULT {field['default']}" if "default" in field else ""


def shape(connection: Connection, storage: str, fields: Fields) -> None:
    """Brings a DuckDB table to the columns that BigQuery's table has."""
    create(connection, storage, fields)
    listed = connection.execute("SELECT column_name, is_nullable FROM duckdb_columns() WHERE table_name = ?", [storage]).fetchall()
    held = {name.lower(): nullable for name, nullable in listed}
    for one in fields:
        name = one["name"].lower()
        if name not in held:
            # The rows before have no value, whatever the default is.
            connection.execute(f"ALTER TABLE {quoted(storage)} ADD COLUMN {quoted(one['name'])} {stored(one)}")
            if default := _default(one):
                connection.execute(f"ALTER TABLE {quoted(storage)} ALTER COLUMN {quoted(one['name'])} SET{default}")
        elif one.get("mode") != "REQUIRED" and not held[name]:
            connection.execute(f"ALTER TABLE {quoted(storage)} ALTER COLUMN {quoted(one['name'])} DROP NOT NULL")
    if fields and NOTHING in held:
        connection.execute(f"ALTER TABLE {quoted(storage)} DROP COLUMN {quoted(NOTHING)}")


def sweep(connection: Connection, live: Iterable[str]) -> None:
    """Removes the DuckDB tables that are not among `live`."""
    for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        if name not in live:
            connection.execute(f"DROP TABLE {quoted(name)}")


def new_storage() -> str:
    """A name for a new DuckDB table."""
    return f"t{uuid.uuid4().hex}"


def said(error: BaseException) -> str:
    """DuckDB's message without the picture of the statement, whose names are not the user's."""
    shown = str(error).partition("\n\nLINE")[0].replace("\n", " ")
    shown = re.sub(r"^Invalid Input Error: Python exception occurred while executing the UDF: \w+: ", "", shown)
    missing = re.search(r"NOT NULL constraint failed: \w+\.(.+)", shown)
    return f"Required field {missing[1]} cannot be null" if missing else shown
