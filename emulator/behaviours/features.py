"""Vertex AI Feature Store: online stores, feature views, their syncs, and reads and searches of what they synchronised.

A schedule (`syncConfig.cron`) is kept and not run: views are synchronised on demand.
https://cloud.google.com/vertex-ai/docs/featurestore/latest/overview
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, at_start, completes, not_emulated, on
from emulator.operations import GLANCE_SECONDS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

STORES = "projects.locations.featureOnlineStores"
VIEWS = f"{STORES}.featureViews"
KINDS_OF_STORE = ("bigtable", "optimized")
SOURCES = ("featureRegistrySource", "bigQuerySource", "vertexRagSource")


@at_start
async def mend(cloud: Cloud) -> None:
    """What a kill left half done is ended."""
    cloud.features.mend()


@completes("aiplatform", "FeatureOnlineStore")
def store(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A store is of one kind."""
    if sum(kind in resource for kind in KINDS_OF_STORE) != 1:
        raise Refusal(400, "INVALID_ARGUMENT", f"A feature online store is either {' or '.join(KINDS_OF_STORE)}: set one of the two.")


@completes("aiplatform", "FeatureView")
def view(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """A view lives in a store that exists, and reads features that exist."""
    cloud.resources.load(call, name.partition("/featureViews/")[0])
    if sum(source in resource for source in SOURCES) != 1:
        raise Refusal(400, "INVALID_ARGUMENT", f"A feature view has one source: set one of {', '.join(SOURCES)}.")
    if "vertexRagSource" in resource:
        raise not_emulated("A feature view of a RAG corpus")
    if resource.get("syncConfig", {}).get("continuous"):
        raise not_emulated("Continuous sync of a feature view")
    served = {feature for source in cloud.features.sources(name, resource) for feature, _ in source.features}
    index = resource.get("indexConfig")
    if index is None:
        return
    wanted = [index.get("embeddingColumn", ""), index.get("crowdingColumn") or "", *index.get("filterColumns", [])]
    if not wanted[0]:
        raise Refusal(400, "INVALID_ARGUMENT", "index_config needs an embedding_column.")
    if missing := sorted({column for column in wanted if column} - served) if served else []:
        raise Refusal(400, "INVALID_ARGUMENT", f"index_config names {missing[0]!r}, which is not among the features of the view.")


@on("aiplatform", f"{VIEWS}.delete", f"{STORES}.delete")
async def delete(call: Call, cloud: Cloud) -> Json | Response:
    """Rows go with their view."""
    answer = await cloud.resources.default(call)
    cloud.features.forget(call.name)
    return answer


@on("aiplatform", f"{VIEWS}.sync")
async def sync(call: Call, cloud: Cloud) -> Json:
    """Starts to copy a view's rows out of BigQuery."""
    cloud.resources.load(call)
    return {"featureViewSync": cloud.features.start(call.name)["name"]}


@on("aiplatform", f"{VIEWS}.featureViewSyncs.get")
async def get_sync(call: Call, cloud: Cloud) -> Json:
    """A sync; one that still runs is waited for a moment, which saves the client a poll."""
    await cloud.features.ended(call.name, GLANCE_SECONDS)
    return cloud.resources.load(call)


@on("aiplatform", f"{VIEWS}.fetchFeatureValues")
async def fetch(call: Call, cloud: Cloud) -> Json:
    """The features of one entity."""
    from emulator.engines.features.online import plain

    cloud.resources.load(call)
    features = cloud.features.fetch(call.name, call.body.get("dataKey", {}))
    if call.body.get("dataFormat") == "PROTO_STRUCT":
        return {"protoStruct": {feature["name"]: plain(feature.get("value")) for feature in features}}
    return {"keyValues": {"features": features}}


@on("aiplatform", f"{VIEWS}.searchNearestEntities")
async def search(call: Call, cloud: Cloud) -> Json:
    """The entities whose embeddings are nearest to the query."""
    described = cloud.resources.load(call)
    found = await cloud.features.search(call.name, described, call.body["query"])
    whole = call.body.get("returnFullEntity", False)
    neighbours = [
        {"entityId": entity, "distance": distance, **({"entityKeyValues": {"keyValues": {"features": features}}} if whole else {})}
        for entity, distance, features in found
    ]
    return {"nearestNeighbors": {"neighbors": neighbours}}
