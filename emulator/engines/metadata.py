"""ML Metadata's relations: which artifacts and executions belong to a context, and what each execution read and wrote.

Contexts, executions and artifacts themselves are resources below `metadataStores/default`; their relations have no names of
their own, and are kept here. https://cloud.google.com/vertex-ai/docs/ml-metadata/data-model
"""

from __future__ import annotations

from typing import Any

from emulator.clock import now, rising_etag
from emulator.store import Store

Json = dict[str, Any]

SCHEMA_VERSION = "0.0.1"


class Metadata:
    """The metadata store of each location."""

    def __init__(self, store: Store) -> None:
        self._resources = store.of("aiplatform")
        self._members = store.of("metadata.members")
        self._events = store.of("metadata.events")

    def put(self, name: str, kind: str, resource: Json) -> Json:
        """Create or change a context, an execution or an artifact; fields that are not given stay."""
        known = self._resources.get(name) or {"name": name, "createTime": now(), "schemaVersion": SCHEMA_VERSION}
        return self._resources.put(name, kind, {**known, **resource, "updateTime": now(), "etag": rising_etag()})

    def open(self, location: str) -> str:
        """Name of the location's default metadata store, made when it is first needed."""
        name = f"{location}/metadataStores/default"
        if self._resources.get(name) is None:
            self._resources.put(name, "MetadataStore", {"name": name, "createTime": now(), "updateTime": now(), "state": {}})
        return name

    def members(self, context: str) -> list[str]:
        """Names of the executions and artifacts in a context."""
        return list((self._members.get(context) or {}).get("names", []))

    def add(self, context: str, names: list[str]) -> None:
        """Put executions and artifacts into a context."""
        self._members.put(context, "Members", {"names": list(dict.fromkeys([*self.members(context), *names]))})

    def link(self, execution: str, events: list[Json]) -> None:
        """Record what an execution read (`type: INPUT`) and wrote (`OUTPUT`)."""
        known = self._of(execution)
        stamped = [{"eventTime": now(), **event, "execution": execution} for event in events]
        self._events.put(execution, "Events", {"events": [*known, *stamped]})

    def subgraph(self, executions: list[str], artifacts: list[str] | None = None) -> Json:
        """Executions, their events, and the artifacts that take part; `artifacts` are added where they take no part."""
        events = [event for execution in executions for event in self._of(execution)]
        names = dict.fromkeys([*(event["artifact"] for event in events), *(artifacts or [])])
        found = {
            "events": events,
            "executions": [one for name in executions if (one := self._resources.get(name))],
            "artifacts": [one for name in names if (one := self._resources.get(name))],
        }
        return {key: value for key, value in found.items() if value}

    def lineage(self, artifact: str, hops: int) -> Json:
        """What an artifact was made from and what was made from it, `hops` executions away at most."""
        events = [event for _, row in self._events.items() for event in row["events"]]
        artifacts, executions = {artifact}, dict[str, None]()
        for _ in range(hops):
            near = {event["execution"] for event in events if event["artifact"] in artifacts} - executions.keys()
            if not near:
                break
            executions |= dict.fromkeys(sorted(near))
            artifacts |= {event["artifact"] for event in events if event["execution"] in near}
        return self.subgraph(list(executions), [artifact])

    def _of(self, execution: str) -> list[Json]:
        return list((self._events.get(execution) or {}).get("events", []))
