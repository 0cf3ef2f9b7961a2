"""Vertex AI Feature Store, by the GAPIC clients and by Vertex AI's SDK.

An online store costs by the hour and takes half an hour to be made on Google Cloud: everything is asked of one of each kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
STORES = "aiplatform.projects.locations.featureOnlineStores"
VIEWS = f"{STORES}.featureViews"
GROUPS = "aiplatform.projects.locations.featureGroups"


@pytest.fixture(scope="module")
def table(place: Place) -> Iterator[str]:
    """`bq://` and a table of three entities with embeddings."""
    from google.cloud import bigquery

    client = bigquery.Client(location=place.region)
    dataset = bigquery.Dataset(f"{place.project}.{place.identifier('features')}")
    dataset.labels = dict(place.labels)
    client.create_dataset(dataset)
    name = f"{place.project}.{dataset.dataset_id}.rows"
    client.query_and_wait(
        f"""CREATE TABLE `{name}` AS SELECT *, TIMESTAMP '2026-01-01' AS feature_timestamp FROM UNNEST(
            ARRAY<STRUCT<id STRING, embedding ARRAY<FLOAT64>, label STRING>>[
            ('a', [1.0, 0.0], 'good'), ('b', [0.9, 0.1], 'good'), ('c', [0.0, 1.0], 'bad')])"""
    )
    yield f"bq://{name}"
    client.delete_dataset(dataset, delete_contents=True)


@calls(f"{GROUPS}.create", f"{GROUPS}.features.create", f"{GROUPS}.features.list", f"{GROUPS}.delete")
def test_a_group_registers_the_columns_of_a_table(vertex: Any, place: Place, table: str) -> None:
    """https://cloud.google.com/vertex-ai/docs/featurestore/latest/create-featuregroup"""
    from google.api_core import exceptions
    from vertexai.resources.preview import feature_store
    from vertexai.resources.preview.feature_store import utils

    name = place.identifier("group")
    group = feature_store.FeatureGroup.create(name, utils.FeatureGroupBigQuerySource(table, ["id"]))
    try:
        group.create_feature("label", description="what it is")
        assert [(feature.name, feature.description) for feature in group.list_features()] == [("label", "what it is")]
        with pytest.raises((exceptions.AlreadyExists, exceptions.Conflict)):
            feature_store.FeatureGroup.create(name, utils.FeatureGroupBigQuerySource(table, ["id"]))
    finally:
        group.delete(force=True)
    with pytest.raises(exceptions.NotFound):
        feature_store.FeatureGroup(name)


@calls(
    f"{STORES}.create",
    f"{VIEWS}.create",
    f"{VIEWS}.sync",
    f"{VIEWS}.featureViewSyncs.get",
    f"{VIEWS}.fetchFeatureValues",
    f"{VIEWS}.searchNearestEntities",
)
@pytest.mark.timeout(7200)
def test_an_optimized_store_reads_and_searches_what_was_synchronised(place: Place, table: str) -> None:
    """An optimized store is read at its own domain. Neighbours come by the distance of the view's index, the nearest first.

    https://cloud.google.com/vertex-ai/docs/featurestore/latest/serve-feature-values
    """  # fmt: skip
    from google.api_core.exceptions import NotFound
    from google.cloud import aiplatform_v1

    admin = aiplatform_v1.FeatureOnlineStoreAdminServiceClient(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})
    store = aiplatform_v1.FeatureOnlineStore(optimized={}, labels=dict(place.labels))
    made = admin.create_feature_online_store(
        parent=place.location, feature_online_store=store, feature_online_store_id=place.identifier("optimized")
    ).result(timeout=3600)
    try:
        described = aiplatform_v1.FeatureView(
            big_query_source={"uri": table, "entity_id_columns": ["id"]},
            index_config={"embedding_column": "embedding", "distance_measure_type": "COSINE_DISTANCE", "brute_force_config": {}},
        )
        view = admin.create_feature_view(parent=made.name, feature_view=described, feature_view_id="v").result(timeout=3600)
        name = admin.sync_feature_view(feature_view=view.name).feature_view_sync
        while not (sync := admin.get_feature_view_sync(name=name)).run_time.end_time:
            pass
        assert (sync.sync_summary.row_synced, sync.final_status.code) == (3, 0)
        domain = admin.get_feature_online_store(name=made.name).dedicated_serving_endpoint.public_endpoint_domain_name
        reader = aiplatform_v1.FeatureOnlineStoreServiceClient(client_options={"api_endpoint": domain})
        asked = {"feature_view": view.name, "data_key": {"key": "b"}, "data_format": "PROTO_STRUCT"}
        struct = reader.fetch_feature_values(asked).proto_struct
        assert (list(struct["embedding"]), struct["label"]) == ([0.9, 0.1], "good")
        with pytest.raises(NotFound):
            reader.fetch_feature_values({**asked, "data_key": {"key": "nobody"}})
        query = {"feature_view": view.name, "query": {"embedding": {"value": [1.0, 0.0]}, "neighbor_count": 2}}
        nearest = reader.search_nearest_entities(query).nearest_neighbors.neighbors
        assert [(one.entity_id, round(one.distance, 3)) for one in nearest] == [("a", 0.0), ("b", 0.006)]
    finally:
        admin.delete_feature_online_store(name=made.name, force=True).result(timeout=3600)


@calls(f"{STORES}.create", f"{VIEWS}.create", f"{VIEWS}.sync", f"{VIEWS}.fetchFeatureValues", f"{STORES}.delete")
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_bigtable_store_serves_a_view_of_the_registry(vertex: Any, place: Place, table: str) -> None:
    """https://cloud.google.com/vertex-ai/docs/featurestore/latest/create-featureview"""
    from vertexai.resources.preview import feature_store
    from vertexai.resources.preview.feature_store import utils

    group = feature_store.FeatureGroup.create(place.identifier("served"), utils.FeatureGroupBigQuerySource(table, ["id"]))
    group.create_feature("label")
    store = feature_store.FeatureOnlineStore.create_bigtable_store(place.identifier("bigtable"), labels=dict(place.labels))
    try:
        view = store.create_feature_view("view", utils.FeatureViewRegistrySource([f"{group.name}.label"]))
        assert view.sync().gca_resource.sync_summary.row_synced == 3
        [label] = [one for one in view.read(["c"]).to_dict()["features"] if one["name"] == "label"]
        assert label["value"]["string_value"] == "bad"
    finally:
        store.delete(force=True)
        group.delete(force=True)
