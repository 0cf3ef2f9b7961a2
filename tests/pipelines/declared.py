"""What Terraform declares of a task's features, made by the clients."""

import json
from contextlib import suppress

from google.api_core.exceptions import AlreadyExists
from google.cloud import bigquery

from environments import tasks
from environments.clients import Clients
from infra.components import feature_table


def features(clients: Clients, task: str) -> None:
    """The dataset, an empty table, its feature group, and the online view of it."""
    from google.cloud.aiplatform_v1 import FeatureRegistryServiceClient, types

    names, warehouse, aiplatform = clients.names, clients.bigquery(), clients.vertex()
    kind = tasks().named(task).kind
    warehouse.create_dataset(names.dataset, exists_ok=True)
    warehouse.delete_table(names.feature_table(task), not_found_ok=True)
    schema = [bigquery.SchemaField.from_api_repr(field) for field in json.loads(feature_table.schema(kind))]
    table = bigquery.Table(names.feature_table(task), schema=schema)
    table.time_partitioning = bigquery.TimePartitioning("DAY", field=feature_table.TIMESTAMP)
    table.clustering_fields = [feature_table.ENTITY]
    warehouse.create_table(table)

    location = names.location
    options = {"api_endpoint": aiplatform.initializer.global_config.get_client_options().api_endpoint}
    registry, views = FeatureRegistryServiceClient(client_options=options), clients.feature_views()
    group, registered = names.feature_group(task), list(feature_table.features(kind))
    source = {"big_query_source": {"input_uri": f"bq://{names.feature_table(task)}"}, "entity_id_columns": [feature_table.ENTITY]}
    store = {"bigtable": {"auto_scaling": {"min_node_count": 1, "max_node_count": 1}}}
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
