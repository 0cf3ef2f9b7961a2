"""Features at serving: the online views of a task, brought up to date, read by entity and searched by likeness."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from environments.clients import Clients
from environments.names import Names

POLL_SECONDS = 0.5
SYNC_CRON = "0 4 * * *"
EMBEDDING = "embedding"
LABEL = "label"


class SyncError(Exception):
    """The online view could not be brought up to date; the message is complete and meant for people."""


def sync(clients: Clients, task: str, since: datetime) -> int:
    """Bring the view of a task up to date with its table, and return the rows that were synchronised for it.

    Args:
        clients: clients of an environment that has a `features.online_store`.
        task: name of the task.
        since: when the table was last changed. A sync that began later has read all of it, whoever started it, and no other is
            started.

    Raises:
        SyncError: when the sync ended otherwise than well.
    """
    return _sync(clients, task, _view(clients.names, clients.names.feature_view(task)), since)


def index(clients: Clients, task: str, since: datetime) -> int:
    """Bring the searchable view of a task up to date, making it first where there is none; the rows that it holds.

    It is made here, since Terraform's provider has no field for an index. Google synchronises it every night from then on.

    Args:
        clients: clients of an environment whose `features.online_store` is optimized; no other store searches.
        task: name of the task.
        since: as for `sync`.

    Raises:
        SyncError: when the sync ended otherwise than well.
        ValueError: when the store of the environment cannot search.
    """
    from google.api_core.exceptions import AlreadyExists
    from google.cloud.aiplatform_v1.types import FeatureView

    names = clients.names
    if (store := names.environment.features.online_store) != "optimized":
        raise ValueError(
            f"features.online_store of {names.environment.name} is {store}, which cannot search by likeness. Nothing was made. "
            f"Set it to optimized in environments/{names.environment.name}.yaml and deploy the stack features."
        )
    view = _view(names, names.similar_view(task))
    parent, _, view_id = view.rpartition("/featureViews/")
    group = {"feature_group_id": names.feature_group(task), "feature_ids": [EMBEDDING, LABEL]}
    searched = {"embedding_column": EMBEDDING, "filter_columns": [LABEL], "distance_measure_type": "COSINE_DISTANCE", "tree_ah_config": {}}
    described = FeatureView(
        feature_registry_source={"feature_groups": [group]},
        sync_config={"cron": SYNC_CRON},
        index_config=searched,
        labels={**names.labels, "task": task},
    )
    with suppress(AlreadyExists):
        clients.feature_views().create_feature_view(parent=parent, feature_view=described, feature_view_id=view_id).result()
    return _sync(clients, task, view, since)


def _sync(clients: Clients, task: str, view: str, since: datetime) -> int:
    service = clients.feature_views()
    started = [found for found in service.list_feature_view_syncs(parent=view) if found.create_time >= since and not _failure(found)]
    name = started[0].name if started else service.sync_feature_view(feature_view=view).feature_view_sync
    while not _ended(found := service.get_feature_view_sync(name=name)):
        time.sleep(POLL_SECONDS)
    if failure := _failure(found):
        raise SyncError(
            f"the online view of {task} was not brought up to date ({failure}), so it answers with older features. "
            f"Mend the cause and run the step again: {name}."
        )
    return int(found.sync_summary.row_synced)


def similar(clients: Clients, task: str, embedding: Sequence[float], most: int = 10, label: str | None = None) -> list[tuple[str, float]]:
    """The entities whose embeddings are nearest to one, with their cosine distances, the nearest first.

    Args:
        clients: clients of an environment whose `features.online_store` is optimized, and whose view `index` has made.
        task: name of the task.
        embedding: (width,) as the task's champion embeds.
        most: how many are wanted.
        label: only those of this class.
    """
    from google.cloud.aiplatform_v1.types import NearestNeighborQuery

    wanted = NearestNeighborQuery(embedding={"value": list(embedding)}, neighbor_count=most)
    if label is not None:
        wanted.string_filters.append(NearestNeighborQuery.StringFilter(name=LABEL, allow_tokens=[label]))
    view = _view(clients.names, clients.names.similar_view(task))
    answer = clients.online_features().search_nearest_entities({"feature_view": view, "query": wanted})
    return [(one.entity_id, one.distance) for one in answer.nearest_neighbors.neighbors]


def read(clients: Clients, task: str, entity_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The newest features of entities, as the online view has them.

    Args:
        clients: clients of an environment that has a `features.online_store`.
        task: name of the task.
        entity_ids: ids of rows.

    Returns:
        Entity → feature → value. A feature without a value, and an entity that the view does not know, is left out.
    """
    from google.api_core.exceptions import NotFound
    from google.cloud.aiplatform_v1.types import FeatureViewDataKey

    service, view = clients.online_features(), _view(clients.names, clients.names.feature_view(task))
    found: dict[str, dict[str, Any]] = {}
    for entity in entity_ids:
        try:
            answer = service.fetch_feature_values(feature_view=view, data_key=FeatureViewDataKey(key=entity))
        except NotFound:
            if not found:
                # Told apart from a view that is not there, which would otherwise read as one that is empty.
                clients.feature_views().get_feature_view(name=view)
            continue
        found[entity] = {feature.name: value for feature in answer.key_values.features if (value := _value(feature)) is not None}
    return found


def _view(names: Names, view: str) -> str:
    return f"{names.location}/featureOnlineStores/{names.online_store}/featureViews/{view}"


def _ended(found: Any) -> bool:
    return bool(found.run_time.end_time)


def _failure(found: Any) -> str:
    """Why a sync failed; empty while it runs and when it ended well."""
    return (found.final_status.message or f"code {found.final_status.code}") if found.final_status.code else ""


def _value(feature: Any) -> Any:
    """A feature's value in Python's types; None where it has none."""
    message = type(feature).pb(feature).value
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(message, kind)
    return list(value.values) if kind.endswith("_array_value") else value
