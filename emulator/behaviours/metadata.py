"""Vertex ML Metadata and Experiments: memberships, events, lineage, and the filters over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, completes, on
from emulator.clock import rising_etag
from emulator.engines.metadata import Metadata

if TYPE_CHECKING:
    from emulator.cloud import Cloud

STORES = "projects.locations.metadataStores"
HOPS = 100
"""Vertex AI's limit for `maxHops`, which is also its default."""


@on("aiplatform", f"{STORES}.create")
async def create_store(call: Call, cloud: Cloud) -> Json | Response:
    """The default store exists from its first use; asking for it once more is what clients do."""
    if call.one("metadataStoreId", "default") != "default":
        raise Refusal(400, "", "A location has one metadata store, 'default'. Nothing was created. Use metadataStoreId=default.")
    store = cloud.store.of("aiplatform").get(Metadata(cloud.store).open(call.location)) or {}
    return cloud.operations.done(call, store, "MetadataStore", metadata_type="CreateMetadataStoreOperationMetadata")


@completes("aiplatform", "Context")
@completes("aiplatform", "Execution")
@completes("aiplatform", "Artifact")
def complete(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """The SDK repeats a write that met a newer state, and tells by the etags which is newer."""
    resource["etag"] = rising_etag()


@on("aiplatform", f"{STORES}.contexts.addContextArtifactsAndExecutions")
async def add_members(call: Call, cloud: Cloud) -> Json:
    """Puts artifacts and executions into a context."""
    context = _addressed(call, cloud)
    members = [*call.body.get("artifacts", []), *call.body.get("executions", [])]
    for member in members:
        cloud.resources.load(call, member)
    Metadata(cloud.store).add(context, members)
    return {}


@on("aiplatform", f"{STORES}.contexts.addContextChildren")
async def add_children(call: Call, cloud: Cloud) -> Json:
    """Makes contexts children of a context: a run of an experiment."""
    parent = _addressed(call, cloud)
    for name in call.body.get("childContexts", []):
        child = cloud.resources.load(call, name)
        child["parentContexts"] = list(dict.fromkeys([*child.get("parentContexts", []), parent]))
        cloud.store.of("aiplatform").put(name, "Context", child)
    return {}


@on("aiplatform", f"{STORES}.contexts.removeContextChildren")
async def remove_children(call: Call, cloud: Cloud) -> Json:
    """The reverse of `addContextChildren`."""
    parent = _addressed(call, cloud)
    for name in call.body.get("childContexts", []):
        child = cloud.resources.load(call, name)
        child["parentContexts"] = [one for one in child.get("parentContexts", []) if one != parent]
        cloud.store.of("aiplatform").put(name, "Context", child)
    return {}


@on("aiplatform", f"{STORES}.contexts.queryContextLineageSubgraph")
async def context_lineage(call: Call, cloud: Cloud) -> Json:
    """Everything in a context, with what its executions read and wrote."""
    metadata = Metadata(cloud.store)
    members = metadata.members(_addressed(call, cloud))
    return metadata.subgraph([name for name in members if "/executions/" in name], [name for name in members if "/artifacts/" in name])


@on("aiplatform", f"{STORES}.executions.addExecutionEvents")
async def add_events(call: Call, cloud: Cloud) -> Json:
    """Records what an execution read and wrote."""
    execution = _addressed(call, cloud)
    events = call.body.get("events", [])
    for event in events:
        cloud.resources.load(call, event["artifact"])
    Metadata(cloud.store).link(execution, events)
    return {}


@on("aiplatform", f"{STORES}.executions.queryExecutionInputsAndOutputs")
async def execution_lineage(call: Call, cloud: Cloud) -> Json:
    """An execution with what it read and wrote."""
    return Metadata(cloud.store).subgraph([_addressed(call, cloud)])


@on("aiplatform", f"{STORES}.artifacts.queryArtifactLineageSubgraph")
async def artifact_lineage(call: Call, cloud: Cloud) -> Json:
    """What an artifact was made from and what was made from it."""
    return Metadata(cloud.store).lineage(_addressed(call, cloud), int(call.one("maxHops") or HOPS))


@on("aiplatform", f"{STORES}.artifacts.list", f"{STORES}.executions.list")
async def list_members(call: Call, cloud: Cloud) -> Json:
    """Lists artifacts or executions; `in_context("…")` asks for the members of a context."""
    metadata = Metadata(cloud.store)
    known: dict[str, set[str]] = {}

    def in_context(row: Json, context: str) -> bool:
        if context not in known:
            known[context] = set(metadata.members(context))
        return row["name"] in known[context]

    return cloud.resources.list(call, functions={"in_context": in_context})


def _addressed(call: Call, cloud: Cloud) -> str:
    """Name of the resource that a custom method addresses, after checking that it exists."""
    name = call.name
    cloud.resources.load(call, name)
    return name
