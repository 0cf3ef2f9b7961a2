"""What is kept of BigQuery's tables: their resources, and where in DuckDB their rows are."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import DEFAULTS, Refusal
from emulator.clock import etag
from emulator.engines.bigquery.names import parts, spoken
from emulator.engines.bigquery.rows import Fields
from emulator.engines.bigquery.sizes import Sizes
from emulator.engines.bigquery.types import normal, quoted
from emulator.engines.bigquery.warehouse import Warehouse, new_storage

if TYPE_CHECKING:
    from emulator.engines.bigquery.catalogue import Catalogue, Table
    from emulator.store import Store

Json = dict[str, Any]

POINTERS = "bigquery-rows"
"""`projects/P/datasets/D/tables/T` → `{"table": name of the DuckDB table}`."""
ANONYMOUS, RESULT = "_results", "Result"
"""Dataset and kind of the tables that hold the results of queries; they are never listed."""
RESULTS, RESULT_MILLISECONDS = 500, 24 * 3600 * 1000
"""How many of them are kept, and for how long."""
DISCARD_SECONDS = 60.0
VIEWS = {"view", "materializedView"}


class Tables:
    """The tables of all projects.

    Args:
        store: Holds the resources and the pointers.
        folder: Holds the rows.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._store = store
        self.kept = store.of("bigquery")
        self.pointers = store.of(POINTERS)
        self.warehouse = Warehouse(folder / "rows.duckdb", self.live)
        self.sizes = Sizes()
        self._discarded: deque[tuple[float, str]] = deque()
        self._results = deque(name for name, _ in sorted(self.kept.items(kind=RESULT), key=lambda item: str(item[1]["creationTime"])))

    def live(self) -> set[str]:
        """The DuckDB tables that something points to."""
        return {row["table"] for row in self.pointers.list()}

    def catalogue(self, sql: str = "", temporary: Mapping[str, str] | None = None) -> Catalogue:
        """Everything as it is now.

        Args:
            sql: What will be asked of it: jobs are told only to who speaks of them.
            temporary: Name of a script's temporary table → its resource's name.
        """
        from emulator.engines.bigquery.catalogue import Catalogue

        named = [*self.kept.items(kind="Table")]
        named += [(name, self.table(name)) for name in (temporary or {}).values()]
        tables = {(table := self._entry(name, resource)).short: table for name, resource in named if not _expired(resource)}
        asked = "INFORMATION_SCHEMA" in sql.upper()
        datasets = self.kept.list(kind="Dataset") if asked else []
        jobs = self.kept.list(kind="Job") if asked and "JOBS" in sql.upper() else []
        shorts = {key.lower(): ".".join(parts(name)) for key, name in (temporary or {}).items()}
        return Catalogue(tables, tuple(datasets), tuple(jobs), shorts)

    def _entry(self, name: str, resource: Json) -> Table:
        from emulator.engines.bigquery.catalogue import Table

        fields = tuple(resource.get("schema", {}).get("fields", []))
        return Table(name, fields, "" if VIEWS & resource.keys() else self.storage(name), resource)

    def opened(self, name: str) -> Table:
        """A table that holds rows of its own.

        Raises:
            Refusal: It does not exist, or is a view.
        """
        resource = self.table(name)
        if VIEWS & resource.keys():
            raise Refusal(400, "INVALID_ARGUMENT", f"Cannot list a table of type VIEW: {name}. Query it.", reason="invalid")
        return self._entry(name, resource)

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written inside is, or nothing."""
        return self._store.transaction()

    def require_dataset(self, name: str) -> None:
        """Refuses a table of a dataset that does not exist.

        Raises:
            Refusal: Names the dataset.
        """
        dataset = name.rpartition("/tables/")[0]
        if self.kept.get(dataset) is None and not dataset.endswith(f"/{ANONYMOUS}"):
            raise Refusal(404, "NOT_FOUND", f"Not found: Dataset {':'.join(dataset.split('/')[1::2])}", reason="notFound")

    def rename(self, old: str, new: str) -> None:
        """Gives a table another name; its rows stay where they are."""
        resource, storage = self.table(old), self.storage(old)
        self.kept.remove(old)
        self.pointers.remove(old)
        self.pointers.put(new, "Rows", {"table": storage})
        project, dataset, table = parts(new)
        named = {"id": f"{project}:{dataset}.{table}", "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table}}
        self.kept.put(new, "Table", {**resource, **named})

    async def expire_partitions(self, tables: Iterable[Table]) -> None:
        """Removes the rows of partitions whose time is over."""
        for table in tables:
            found = table.partitioning
            if found is None or not found.milliseconds or table.view:
                continue
            gone = await self._delete(f"DELETE FROM {quoted(table.storage)} WHERE {found.expired()}")
            self.sizes.note(table.storage)
            if gone and (resource := self.kept.get(table.name)) is not None:
                left = {"numRows": str(max(int(resource.get("numRows", 0)) - gone, 0))}
                self.kept.put(table.name, "Table", {**resource, **left})

    async def _delete(self, sql: str) -> int:
        (gone,) = await self.warehouse.run(lambda connection: connection.execute(sql).fetchone(), writes=True)
        return int(gone)

    def storage(self, name: str) -> str:
        """DuckDB's name of the table that holds the rows of `name`."""
        pointer = self.pointers.get(name) or self.pointers.put(name, "Rows", {"table": new_storage()})
        return str(pointer["table"])

    def table(self, name: str) -> Json:
        """The resource of a table.

        Raises:
            Refusal: It does not exist.
        """
        found = self.kept.get(name)
        if found is None or _expired(found):
            raise Refusal(404, "NOT_FOUND", f"Not found: Table {spoken(name)}", reason="notFound")
        return found

    async def expire(self, name: str) -> None:
        """Removes a table whose time is over."""
        if (found := self.kept.get(name)) is not None and _expired(found):
            self.kept.remove(name)
            await self.forget(name)

    async def forget(self, name: str) -> None:
        """Removes the rows of a table that was deleted, or of all tables of a dataset."""
        own = self.pointers.get(name)
        pointers = [*([own] if own else []), *(pointer for _, pointer in self.pointers.under(name))]
        self.pointers.delete(name)
        await self.discard(pointer["table"] for pointer in pointers)

    async def discard(self, storages: Iterable[str]) -> None:
        """Removes DuckDB tables that nothing points to any more, a while later: a statement that began before may still read them."""
        moment = time.monotonic()
        for storage in storages:
            self.sizes.note(storage)
            self._discarded.append((moment, storage))
        old = []
        while self._discarded and self._discarded[0][0] < moment - DISCARD_SECONDS:
            old.append(self._discarded.popleft()[1])
        # At the next start, what nothing points to is removed anyway.
        if old and self.warehouse.is_open:
            statements = "; ".join(f"DROP TABLE IF EXISTS {quoted(storage)}" for storage in old)
            await self.warehouse.run(lambda connection: connection.execute(statements), writes=True)

    async def keep_result(self, name: str) -> None:
        """The result of a query is kept for a while, and so many at most."""
        self._results.append(name)
        oldest = str(int(milliseconds()) - RESULT_MILLISECONDS)
        while len(self._results) > RESULTS or (self.kept.get(self._results[0]) or {}).get("creationTime", "") < oldest:
            gone = self._results.popleft()
            self.kept.remove(gone)
            await self.forget(gone)

    async def point(
        self, name: str, storage: str, fields: Fields, count: int, size: int, extra: Json | None = None, anew: bool = False
    ) -> None:
        """Makes a DuckDB table the rows of a table, at once with its columns and size; `anew`, nothing of its resource stays."""
        old = self.pointers.get(name)
        with self._store.transaction():
            if anew:
                self.kept.remove(name)
            self.pointers.put(name, "Rows", {"table": storage})
            self.write(name, fields, {**(extra or {}), "numRows": str(count), "numBytes": str(size)})
        if old is not None and old["table"] != storage:
            await self.discard([old["table"]])

    def declare(self, name: str, fields: Fields) -> None:
        """Makes a table, and its dataset, unless they exist; as Google's own services do where they write."""
        dataset = name.rpartition("/tables/")[0]
        if self.kept.get(dataset) is None:
            _, project, _, dataset_id = dataset.split("/")
            reference = {"projectId": project, "datasetId": dataset_id}
            made = {"kind": "bigquery#dataset", "id": f"{project}:{dataset_id}", "datasetReference": reference}
            made |= DEFAULTS["bigquery", "Dataset"]
            stamp = milliseconds()
            self.kept.put(dataset, "Dataset", {**made, "creationTime": stamp, "lastModifiedTime": stamp, "etag": etag()})
        if self.kept.get(name) is None:
            self.write(name, fields, {})

    def write(self, name: str, fields: Fields, extra: Json) -> None:
        """Writes the resource of a table."""
        project, dataset, table = parts(name)
        stamp = milliseconds()
        fresh = {
            "kind": "bigquery#table",
            "id": f"{project}:{dataset}.{table}",
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
            "type": "TABLE",
            "creationTime": stamp,
            "location": (self.kept.get(name.rpartition("/tables/")[0]) or {}).get("location", "US"),
            "numRows": "0",
            "numBytes": "0",
        }
        lifetime = int((self.kept.get(name.rpartition("/tables/")[0]) or {}).get("defaultTableExpirationMs") or 0)
        if lifetime:
            fresh["expirationTime"] = str(int(stamp) + lifetime)
        changed = {"schema": {"fields": normal(fields)}, "lastModifiedTime": stamp, "etag": etag(), **extra}
        self.kept.put(name, RESULT if dataset == ANONYMOUS else "Table", {**fresh, **(self.kept.get(name) or {}), **changed})


def _expired(resource: Json) -> bool:
    """Whether a table's time is over; it is taken as gone, and whoever makes it anew begins with no rows."""
    return 0 < int(resource.get("expirationTime") or 0) < int(milliseconds())


def milliseconds() -> str:
    """Now, as BigQuery writes it."""
    return str(int(time.time() * 1000))
