"""What Terraform declares in BigQuery and Feature Store, made by the clients."""

import json
from collections.abc import Sequence
from contextlib import suppress

from google.api_core.exceptions import AlreadyExists
from google.cloud import bigquery

from environments import tasks
from environments.clients import Clients
from infra.components import warehouse
from infra.components.table import Column, schema


def tables(clients: Clients) -> None:
    """The dataset, and the tables that every task shares, empty."""
    clients.bigquery().create_dataset(clients.names.dataset, exists_ok=True)
    for name, shared in warehouse.TABLES.items():
        _table(clients, clients.names.table(name), shared.columns, warehouse.WRITTEN, shared.clustered_by)


def _table(clients: Clients, name: str, columns: Sequence[Column], partitioned_by: str, clustered_by: Sequence[str]) -> None:
    clients.bigquery().delete_table(name, not_found_ok=True)
    table = bigquery.Table(name, schema=[bigquery.SchemaField.from_api_repr(field) for field in json.loads(schema(columns))])
    table.time_partitioning = bigquery.TimePartitioning("DAY", field=partitioned_by)
    table.clustering_fields = list(clustered_by)
    clients.bigquery().create_table(table)


def features(clients: Clients, task: str) -> None:
    """The dataset, an empty table, its feature group, and the online view of it."""
    from google.cloud.aiplatform_v1 import FeatureRegistryServiceClient, types

    names, aiplatform, kind = clients.names, clients.vertex(), tasks().named(task).kind
    clients.bigquery().create_dataset(names.dataset, exists_ok=True)
    columns = (*warehouse.KEYS, *warehouse.features(kind))
    _table(clients, names.feature_table(task), columns, warehouse.TIMESTAMP, [warehouse.ENTITY])

    location = names.location
    options = {"api_endpoint": aiplatform.initializer.global_config.get_client_options().api_endpoint}
    registry, views = FeatureRegistryServiceClient(client_options=options), clients.feature_views()
    group, registered = names.feature_group(task), [column.name for column in warehouse.features(kind)]
    source = {"big_query_source": {"input_uri": f"bq://{names.feature_table(task)}"}, "entity_id_columns": [warehouse.ENTITY]}
    bigtable = {"bigtable": {"auto_scaling": {"min_node_count": 1, "max_node_count": 1}}}
    store = {"optimized": {}} if names.environment.features.online_store == "optimized" else bigtable
    view = {"feature_registry_source": {"feature_groups": [{"feature_group_id": group, "feature_ids": registered}]}}
    with suppress(AlreadyExists):
        registry.create_feature_group(
            parent=location, feature_group=types.FeatureGroup({"big_query": source}), feature_group_id=group
        ).result()
        for name in registered:
            registry.create_feature(parent=f"{location}/featureGroups/{group}", feature=types.Feature(), feature_id=name).result()
    with suppress(AlreadyExists):
        views.create_feature_online_store(
            parent=location, feature_online_store=types.FeatureOnlineStore(store), feature_online_store_id=names.online_store
        ).result()
    with suppress(AlreadyExists):
        views.create_feature_view(
            parent=f"{location}/featureOnlineStores/{names.online_store}",
            feature_view=types.FeatureView(view),
            feature_view_id=names.feature_view(task),
        ).result()
