"""Features at serving: the online view of a task, brought up to date and read by entity."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from environments.clients import Clients
from environments.names import Names

POLL_SECONDS = 0.5


class SyncError(Exception):
    """The online view could not be brought up to date; the message is complete and meant for people."""


def sync(clients: Clients, task: str, since: datetime) -> int:
    """Bring the view of a task up to date with its table, and return the rows that were synchronised for it.

    Args:
        clients: clients of an environment whose `features.online_store` is on.
        task: name of the task.
        since: when the table was last changed. A sync that began later has read all of it, whoever started it, and no other is
            started.

    Raises:
        SyncError: when the sync ended otherwise than well.
    """
    service, view = clients.feature_views(), _view(clients.names, task)
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


def read(clients: Clients, task: str, entity_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The newest features of entities, as the online view has them.

    Args:
        clients: clients of an environment whose `features.online_store` is on.
        task: name of the task.
        entity_ids: ids of rows.

    Returns:
        Entity → feature → value. A feature without a value, and an entity that the view does not know, is left out.
    """
    from google.api_core.exceptions import NotFound
    from google.cloud.aiplatform_v1.types import FeatureViewDataKey

    service, view = clients.online_features(), _view(clients.names, task)
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


def _view(names: Names, task: str) -> str:
    return f"{names.location}/featureOnlineStores/{names.online_store}/featureViews/{names.feature_view(task)}"


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
