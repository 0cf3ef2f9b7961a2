"""Feature Store: syncs, one at a time for each view, and the tables that the views answer from."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import now, number
from emulator.engines.features.neighbours import embedding, nearest
from emulator.engines.features.online import Online, entity_of, write
from emulator.engines.features.source import Source, sources, statement
from emulator.operations import CODES
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

POINTERS = "feature-views"
"""Name of a view → the file that it answers from and the number of columns in the id of its entities."""
INTERRUPTED = "Interrupted: the local Google Cloud was stopped while this sync ran. The view answers with the sync before. Start it again."


class Features:
    """The online tables of feature views."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._kept = cloud.store.of("aiplatform")
        self._pointers = cloud.store.of(POINTERS)
        self._folder = cloud.state / "features"
        self._tables: dict[str, Online] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, asyncio.Task[None]] = {}
        self._writing: set[str] = set()
        cloud.at_end(self._close)

    def mend(self) -> None:
        """After a start: syncs that a kill ended have failed, and files that nothing points to are removed."""
        for name, sync in self._kept.items(kind="FeatureViewSync"):
            if "endTime" not in sync.get("runTime", {}):
                self._end(name, sync, 0, CODES["ABORTED"], INTERRUPTED)
        self.sweep()

    def sources(self, name: str, view: Json) -> list[Source]:
        """What a view reads.

        Raises:
            Refusal: It does not exist.
        """
        other = view.get("featureRegistrySource", {}).get("projectNumber")
        project = self._cloud.projects.by_id(f"projects/{other}") if other else "/".join(name.split("/")[:2])
        return sources(name, view, self._kept, project.partition("/")[2])

    def start(self, view: str) -> Json:
        """Starts a sync of a view; it waits for the end of one that runs."""
        name = f"{view}/featureViewSyncs/{number()}"
        sync = self._kept.put(name, "FeatureViewSync", {"name": name, "createTime": now()})
        task = asyncio.create_task(self._sync(name, view, self._last.get(view)))
        self._running[name] = self._last[view] = task
        return sync

    async def ended(self, name: str, seconds: float) -> None:
        """Waits for the end of a sync."""
        if task := self._running.get(name):
            await asyncio.wait([task], timeout=seconds)

    async def _sync(self, name: str, view: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        described, sync = self._kept.get(view), self._kept.get(name)
        file = f"{uuid.uuid4().hex}.db"
        self._writing.add(file)
        try:
            if described is None or sync is None:
                return
            sync["runTime"] = {"startTime": now()}
            self._kept.put(name, "FeatureViewSync", sync)
            found = self.sources(view, described)
            rows = await self._rows(found, described)
            self._folder.mkdir(exist_ok=True)
            await asyncio.to_thread(write, self._folder / file, rows)
            if (self._kept.get(view) or {}).get("createTime") != described.get("createTime"):
                return
            with self._cloud.store.transaction():
                self._pointers.put(view, "Rows", {"file": file, "columns": len(found[0].entity)})
                self._open_to_public(view.partition("/featureViews/")[0])
                self._end(name, sync, len(rows))
            self._cloud.log(name, f"{len(rows)} entities are served.")
        except Refusal as refusal:
            self._end(name, sync or {}, 0, CODES.get(refusal.status_name, CODES["INTERNAL"]), refusal.message)
        except Exception as error:
            self._end(name, sync or {}, 0, CODES["INTERNAL"], f"The local Google Cloud failed: {error!r}")
        finally:
            self._writing.discard(file)
            self._running.pop(name, None)
            if self._last.get(view) is asyncio.current_task():
                del self._last[view]
            self.sweep()

    def _end(self, name: str, sync: Json, rows: int, code: int = 0, message: str = "") -> None:
        """Writes the end of a sync, unless its view has been deleted meanwhile."""
        if self._kept.get(name) is None:
            return
        times = {"startTime": sync["createTime"], **sync.get("runTime", {}), "endTime": now()}
        status = {"code": code, "message": message} if code else {}
        summary = {"rowSynced": str(rows)}
        self._kept.put(name, "FeatureViewSync", {**sync, "runTime": times, "finalStatus": status, "syncSummary": summary})
        if message:
            self._cloud.log(name, message)

    def _open_to_public(self, store: str) -> None:
        """An optimized store is read at a domain of its own, which it has from its first sync on."""
        described = self._kept.get(store)
        endpoint = (described or {}).get("dedicatedServingEndpoint", {})
        private = endpoint.get("privateServiceConnectConfig", {}).get("enablePrivateServiceConnect")
        if described is None or "optimized" not in described or private or endpoint.get("publicEndpointDomainName"):
            return
        _, project, _, location, *_ = store.split("/")
        endpoint["publicEndpointDomainName"] = f"{number()}.{location}-{project_number(project)}.featurestore.vertexai.goog"
        self._kept.put(store, "FeatureOnlineStore", {**described, "dedicatedServingEndpoint": endpoint})

    async def _rows(self, found: Sequence[Source], view: Json) -> dict[str, str]:
        """Entity → features, of all sources together."""
        rows: dict[str, str] = {}
        for source in found:
            own: dict[str, str] = {}
            for *parts, features in await self._read(source):
                entity = entity_of(parts)
                if entity in own:
                    problem = f"The entity {entity!r} stands in several rows of {source.table}. Nothing was synchronised."
                    raise Refusal(400, "INVALID_ARGUMENT", f"{problem} Keep one row each, or register the table as a time series.")
                own[entity] = features
            for entity, features in own.items():
                known = rows.get(entity)
                rows[entity] = f"{known[:-1]}, {features[1:]}" if known else features
        if config := view.get("indexConfig"):
            await asyncio.to_thread(_check_embeddings, rows, config)
        return rows

    async def _read(self, source: Source) -> list[tuple[Any, ...]]:
        """A source's rows, as BigQuery has them at this moment."""
        bigquery = self._cloud.bigquery
        table = bigquery.tables.table(source.table)
        if "view" not in table:
            return await bigquery.read(source.table, statement(source, table.get("schema", {}).get("fields", [])))
        _, project, _, dataset, _, name = source.table.split("/")
        job = f"projects/{project}/jobs/{uuid.uuid4().hex}"
        result = await bigquery.query(f"SELECT * FROM `{project}.{dataset}.{name}`", {"useLegacySql": False}, project, job)
        try:
            return await bigquery.read(result.destination, statement(source, result.fields))
        finally:
            self._cloud.store.of("bigquery").delete(result.destination)
            await bigquery.tables.forget(result.destination)

    def fetch(self, view: str, key: Json) -> list[Json]:
        """Names and values of an entity's features.

        Args:
            view: Name of the view.
            key: `FeatureViewDataKey`.

        Raises:
            Refusal: The view has no such entity.
        """
        pointer, table = self._table(view, 404, "NOT_FOUND")
        parts = key.get("compositeKey", {}).get("parts") or ([key["key"]] if key.get("key") else [])
        if len(parts) != pointer["columns"]:
            problem = f"An entity of {view} is identified by {pointer['columns']} columns, and the data key has {len(parts)} parts."
            raise Refusal(400, "INVALID_ARGUMENT", problem)
        features = table.get(entity_of(parts))
        if features is None:
            raise Refusal(404, "NOT_FOUND", f"Requested entity {entity_of(parts)!r} was not found in {view}.")
        return features

    def sample(self, view: str, limit: int) -> list[tuple[str, list[Json]]]:
        """Some entities of a view with their features; none where it was never synchronised."""
        if self._pointers.get(view) is None:
            return []
        return self._table(view, 404, "NOT_FOUND")[1].first(limit)

    async def search(self, view: str, described: Json, query: Json) -> list[tuple[str, float, list[Json]]]:
        """Entities nearest to a query, with their distances and features.

        Raises:
            Refusal: The view has no index or no rows, or the query does not fit it.
        """
        config = described.get("indexConfig")
        if not config:
            raise Refusal(400, "INVALID_ARGUMENT", f"{view} has no index: only a view with an index_config can be searched.")
        _, table = self._table(view, 400, "FAILED_PRECONDITION")
        vector: list[float] = query.get("embedding", {}).get("value", [])
        if not vector and query.get("entityId"):
            features = table.get(query["entityId"])
            if features is None:
                raise Refusal(404, "NOT_FOUND", f"Requested entity {query['entityId']!r} was not found in {view}.")
            vector = embedding(features, config["embeddingColumn"])
        if not vector:
            raise Refusal(400, "INVALID_ARGUMENT", "The query has neither an embedding nor an entity that has one.")
        index = await asyncio.to_thread(table.index, config["embeddingColumn"])
        found = await asyncio.to_thread(nearest, index, config, query, vector)
        return [(index.entities[place], distance, index.features[place]) for place, distance in found]

    def _table(self, view: str, status: int, status_name: str) -> tuple[Json, Online]:
        pointer = self._pointers.get(view)
        if pointer is None:
            raise Refusal(status, status_name, f"{view} has no entities: it was never synchronised. Start a sync: featureViews.sync.")
        file = pointer["file"]
        if file not in self._tables:
            self._tables[file] = Online(self._folder / file)
        return pointer, self._tables[file]

    def forget(self, name: str) -> None:
        """Removes the rows of a view, or of all views of a store."""
        self._pointers.delete(name)
        self.sweep()

    def sweep(self) -> None:
        """Removes the files that no view answers from."""
        live = {pointer["file"] for pointer in self._pointers.list()} | self._writing
        for file in self._folder.glob("*.db"):
            if file.name not in live:
                # A search that still reads it keeps it open.
                self._tables.pop(file.name, None)
                file.unlink(missing_ok=True)

    async def _close(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def _check_embeddings(rows: dict[str, str], config: Json) -> None:
    """All embeddings of an index are finite and of one width, the configured one where there is one."""
    wanted = config.get("embeddingDimension")
    for entity, features in rows.items():
        vector = embedding(json.loads(features), config["embeddingColumn"])
        wanted = wanted or len(vector)
        if vector and len(vector) != wanted:
            problem = f"The embedding of entity {entity!r} has {len(vector)} dimensions, the index {wanted}."
        elif not all(map(math.isfinite, vector)):
            problem = f"The embedding of entity {entity!r} holds a value that is not finite, so no distance could be told."
        else:
            continue
        raise Refusal(400, "INVALID_ARGUMENT", f"{problem} Nothing was synchronised.")
