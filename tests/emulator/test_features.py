"""Feature Store: what a sync takes from BigQuery, and what reads and searches find."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT, ROOT
from tests.emulator.conftest import LOCATION, Local

DATASET = "acme-test.features"
STORE = "featureOnlineStores/online"
VIEWS = f"{STORE}/featureViews"


@pytest.fixture(scope="module")
def cloud(local: Local) -> Local:
    """A cloud with an empty dataset and an optimized store."""
    reference = {"projectId": "acme-test", "datasetId": "features"}
    assert (
        local.call("POST", "/bigquery/v2/projects/acme-test/datasets", {"datasetReference": reference}, host="bigquery.googleapis.com")[0]
        == 200
    )
    assert local.call("POST", "featureOnlineStores?featureOnlineStoreId=online", {"optimized": {}})[0] == 200
    return local


def sql(cloud: Local, statement: str) -> None:
    body = {"query": statement, "useLegacySql": False}
    status, answer = cloud.call("POST", "/bigquery/v2/projects/acme-test/queries", body, host="bigquery.googleapis.com")
    assert status == 200, answer
    assert "errors" not in answer, answer


def group(cloud: Local, name: str, features: Sequence[str], entity: Sequence[str] = ("entity_id",), **options: Any) -> Any:
    """Registers the table of the same name."""
    source = {"bigQuerySource": {"inputUri": f"bq://{DATASET}.{name}"}, "entityIdColumns": list(entity), **options}
    assert cloud.call("POST", f"featureGroups?featureGroupId={name}", {"bigQuery": source})[0] == 200
    for feature in features:
        assert cloud.call("POST", f"featureGroups/{name}/features?featureId={feature}")[0] == 200
    return {"featureGroupId": name, "featureIds": list(features)}


def direct(table: str, *entity: str) -> Any:
    return {"bigQuerySource": {"uri": f"bq://{DATASET}.{table}", "entityIdColumns": list(entity or ["entity_id"])}}


def view(cloud: Local, name: str, source: Any, **options: Any) -> None:
    status, answer = cloud.call("POST", f"{VIEWS}?featureViewId={name}", {**source, **options})
    assert status == 200, answer


def registered(*groups: Any) -> Any:
    return {"featureRegistrySource": {"featureGroups": list(groups)}}


def synced(cloud: Local, name: str) -> Any:
    """The sync of a view after its end."""
    status, answer = cloud.call("POST", f"{VIEWS}/{name}:sync")
    assert status == 200, answer
    return ended(cloud, answer["featureViewSync"])


def ended(cloud: Local, sync: str) -> Any:
    status, found = cloud.call("GET", sync)
    assert status == 200, found
    return found if "endTime" in found.get("runTime", {}) else ended(cloud, sync)


def fetched(cloud: Local, name: str, *parts: str, form: str = "PROTO_STRUCT") -> tuple[int, Any]:
    key = {"key": parts[0]} if len(parts) == 1 else {"compositeKey": {"parts": list(parts)}}
    status, answer = cloud.call("POST", f"{VIEWS}/{name}:fetchFeatureValues", {"dataKey": key, "dataFormat": form})
    return status, answer.get("protoStruct", answer)


def found(cloud: Local, name: str, **query: Any) -> list[tuple[str, float]]:
    status, answer = cloud.call("POST", f"{VIEWS}/{name}:searchNearestEntities", {"query": query})
    assert status == 200, answer
    return [(one["entityId"], round(one["distance"], 6)) for one in answer["nearestNeighbors"]["neighbors"]]


def refused(answer: tuple[int, Any]) -> tuple[int, str, str]:
    status, body = answer
    return status, body["error"]["status"], body["error"]["message"]


def table_of_moments(cloud: Local, name: str) -> None:
    sql(
        cloud,
        f"""CREATE TABLE {DATASET}.{name} AS SELECT * FROM UNNEST(
            ARRAY<STRUCT<entity_id STRING, feature_timestamp TIMESTAMP, score INT64, label STRING>>[
            ('a', TIMESTAMP '2026-01-01', 10, 'old'), ('a', TIMESTAMP '2026-03-01', 20, NULL), ('a', TIMESTAMP '2026-02-01', 15, 'middle'),
            ('b', TIMESTAMP '2026-01-01', 1, 'b'),
            (NULL, TIMESTAMP '2026-01-01', 2, 'no entity')])""",
    )


def test_a_time_series_is_served_by_the_newest_value_of_each_feature_that_is_not_null(cloud: Local) -> None:
    table_of_moments(cloud, "sparse")
    view(cloud, "sparse", registered(group(cloud, "sparse", ["score", "label"])))
    assert synced(cloud, "sparse")["syncSummary"] == {"rowSynced": "2"}
    assert fetched(cloud, "sparse", "a") == (200, {"score": 20.0, "label": "middle"})


def test_a_dense_group_is_served_by_its_newest_row_nulls_included(cloud: Local) -> None:
    table_of_moments(cloud, "dense")
    view(cloud, "dense", registered(group(cloud, "dense", ["score", "label"], dense=True)))
    synced(cloud, "dense")
    assert fetched(cloud, "dense", "a") == (200, {"score": 20.0, "label": None})
    assert fetched(cloud, "dense", "a", form="KEY_VALUE")[1]["keyValues"]["features"] == [
        {"name": "score", "value": {"int64Value": "20"}},
        {"name": "label"},
    ]


def test_two_groups_of_one_view_are_joined_by_entity(cloud: Local) -> None:
    sql(cloud, f"CREATE TABLE {DATASET}.left AS SELECT * FROM UNNEST(ARRAY<STRUCT<entity_id STRING, x INT64>>[('a', 1), ('b', 2)])")
    sql(cloud, f"CREATE TABLE {DATASET}.right AS SELECT * FROM UNNEST(ARRAY<STRUCT<own_id STRING, y INT64>>[('b', 3), ('c', 4)])")
    left = group(cloud, "left", ["x"], staticDataSource=True)
    view(cloud, "joined", registered(left, group(cloud, "right", ["y"], ["own_id"], staticDataSource=True)))
    assert synced(cloud, "joined")["syncSummary"]["rowSynced"] == "3"
    assert [fetched(cloud, "joined", entity)[1] for entity in "abc"] == [{"x": 1.0}, {"x": 2.0, "y": 3.0}, {"y": 4.0}]


def test_every_type_has_its_form_and_a_view_of_bigquery_is_read_as_a_table_is(cloud: Local) -> None:
    sql(
        cloud,
        f"""CREATE TABLE {DATASET}.typed AS SELECT 7 AS part, 'x"y' AS other, TRUE AS flag, 0.5 AS ratio, 3 AS whole, 'ü' AS words,
            b'\\x00\\xff' AS raw, TIMESTAMP '1970-01-01 00:00:01' AS moment, [1.5, 2.0] AS vector, ['p', 'q'] AS tokens,
            [1, 2] AS counts, STRUCT(1 AS n, ['t'] AS list) AS record, CAST('inf' AS FLOAT64) AS endless""",
    )
    sql(cloud, f"CREATE VIEW {DATASET}.typed_view AS SELECT * EXCEPT (endless), endless FROM {DATASET}.typed")
    expected = {
        "flag": {"boolValue": True},
        "ratio": {"doubleValue": 0.5},
        "whole": {"int64Value": "3"},
        "words": {"stringValue": "ü"},
        "raw": {"bytesValue": "AP8="},
        "moment": {"int64Value": "1000000"},
        "vector": {"doubleArrayValue": {"values": [1.5, 2.0]}},
        "tokens": {"stringArrayValue": {"values": ["p", "q"]}},
        "counts": {"int64ArrayValue": {"values": ["1", "2"]}},
        "record": {
            "structValue": {
                "values": [
                    {"name": "n", "value": {"int64Value": "1"}},
                    {"name": "list", "value": {"stringArrayValue": {"values": ["t"]}}},
                ]
            }
        },
        "endless": {"doubleValue": "Infinity"},
    }
    for table in ("typed", "typed_view"):
        view(cloud, table, direct(table, "part", "other"))
        assert synced(cloud, table)["finalStatus"] == {}
        answer = fetched(cloud, table, "7", 'x"y', form="KEY_VALUE")[1]
        assert {one["name"]: one["value"] for one in answer["keyValues"]["features"]} == expected
        assert fetched(cloud, table, "7", 'x"y')[1]["record"] == {"n": 1.0, "list": ["t"]}
        assert refused(fetched(cloud, table, "7"))[:2] == (400, "INVALID_ARGUMENT")
    tables = cloud.cloud.store.of("bigquery").items(kind="Table")
    assert not [name for name, _ in tables if "/datasets/_results/" in name and cloud.cloud.store.of("bigquery-rows").get(name) is None]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("SELECT 'a' AS entity_id, 1 AS x UNION ALL SELECT 'a', 2", "'a' stands in several rows"),
        ("SELECT 'a' AS entity_id, DATE '2026-01-01' AS day", "'day' is of type DATE"),
        ("SELECT 1.5 AS entity_id, 1 AS x", "'entity_id' identifies entities"),
        ("SELECT 'a' AS own_id, 1 AS x", "no column 'entity_id'"),
    ],
)
def test_a_sync_of_a_table_that_does_not_fit_fails_and_the_view_answers_as_before(cloud: Local, table: str, problem: str) -> None:
    name = f"unfit_{len(table)}"
    sql(cloud, f"CREATE TABLE {DATASET}.{name} AS SELECT 'a' AS entity_id, 0 AS x")
    view(cloud, name, direct(name))
    synced(cloud, name)
    sql(cloud, f"CREATE OR REPLACE TABLE {DATASET}.{name} AS {table}")
    failed = synced(cloud, name)
    assert failed["finalStatus"]["code"] == 3
    assert problem in failed["finalStatus"]["message"]
    assert failed["syncSummary"] == {"rowSynced": "0"}
    assert fetched(cloud, name, "a") == (200, {"x": 0.0})


def test_a_table_that_does_not_exist_fails_the_sync(cloud: Local) -> None:
    view(cloud, "nowhere", direct("nowhere"))
    assert synced(cloud, "nowhere")["finalStatus"] == {"code": 5, "message": "Not found: Table acme-test:features.nowhere"}


def test_what_is_unknown_is_told_apart(cloud: Local) -> None:
    sql(cloud, f"CREATE TABLE {DATASET}.known AS SELECT 'a' AS entity_id, 0 AS x")
    view(cloud, "known", direct("known"))
    assert "never synchronised" in refused(fetched(cloud, "known", "a"))[2]
    synced(cloud, "known")
    assert refused(fetched(cloud, "known", "b"))[:2] == (404, "NOT_FOUND")
    assert refused(fetched(cloud, "unknown", "a"))[:2] == (404, "NOT_FOUND")
    assert refused(cloud.call("POST", f"{VIEWS}/unknown:sync"))[:2] == (404, "NOT_FOUND")
    assert refused(cloud.call("POST", f"{VIEWS}/known:fetchFeatureValues", {}))[:2] == (400, "INVALID_ARGUMENT")
    search = cloud.call("POST", f"{VIEWS}/known:searchNearestEntities", {"query": {"entityId": "a"}})
    assert "no index" in refused(search)[2]


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        ({}, 400, "one source"),
        (registered({"featureGroupId": "missing", "featureIds": ["x"]}), 404, "featureGroups/missing"),
        (registered({"featureGroupId": "held", "featureIds": ["y"]}), 404, "features/y"),
        (registered(*[{"featureGroupId": "held", "featureIds": ["x"]}] * 2), 400, "two features of the name 'x'"),
        ({"bigQuerySource": {"uri": "bq://table", "entityIdColumns": ["e"]}}, 400, "bq://project.dataset.table"),
        ({**direct("t"), "syncConfig": {"continuous": True}}, 400, "not emulated"),
        ({**registered({"featureGroupId": "held", "featureIds": ["x"]}), "indexConfig": {"embeddingColumn": "e"}}, 400, "'e'"),
    ],
)
def test_a_view_that_could_never_serve_is_refused(cloud: Local, body: Any, status: int, problem: str) -> None:
    if cloud.call("GET", "featureGroups/held")[0] == 404:
        group(cloud, "held", ["x"])
    answer = refused(cloud.call("POST", f"{VIEWS}?featureViewId=refused", body))
    assert answer[0] == status
    assert problem in answer[2]
    assert cloud.call("GET", f"{VIEWS}/refused")[0] == 404


def test_a_view_of_a_store_that_does_not_exist_is_refused(cloud: Local) -> None:
    assert cloud.call("POST", "featureOnlineStores/none/featureViews?featureViewId=v", direct("t"))[0] == 404
    assert refused(cloud.call("POST", "featureOnlineStores?featureOnlineStoreId=both", {"optimized": {}, "bigtable": {}}))[0] == 400


POINTS = """SELECT * FROM UNNEST(
    ARRAY<STRUCT<entity_id STRING, embedding ARRAY<FLOAT64>, colour STRING, size INT64>>[
    ('east', [1.0, 0.0], 'red', 1), ('far east', [3.0, 0.0], 'red', 2),
    ('north', [0.0, 1.0], 'blue', 3), ('west', [-1.0, 0.0], 'blue', 4), ('nowhere', [], 'red', 5)])"""


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("SQUARED_L2_DISTANCE", [("east", 0.0), ("north", 2.0), ("far east", 4.0), ("west", 4.0)]),
        ("COSINE_DISTANCE", [("east", 0.0), ("far east", 0.0), ("north", 1.0), ("west", 2.0)]),
        ("DOT_PRODUCT_DISTANCE", [("far east", -3.0), ("east", -1.0), ("north", 0.0), ("west", 1.0)]),
    ],
)
def test_neighbours_are_those_of_the_configured_distance(cloud: Local, measure: str, expected: list[tuple[str, float]]) -> None:
    table, name = "points", measure.lower()
    sql(cloud, f"CREATE OR REPLACE TABLE {DATASET}.{table} AS {POINTS}")
    config = {"embeddingColumn": "embedding", "distanceMeasureType": measure, "filterColumns": ["colour", "size"]}
    view(cloud, name, direct(table), indexConfig={**config, "crowdingColumn": "colour", "treeAhConfig": {}, "embeddingDimension": 2})
    synced(cloud, name)
    assert found(cloud, name, embedding={"value": [1, 0]}) == expected
    assert found(cloud, name, entityId="east", neighborCount=2) == expected[:2]
    blue = {"name": "colour", "allowTokens": ["blue"]}
    assert [entity for entity, _ in found(cloud, name, entityId="east", stringFilters=[blue])] == ["north", "west"]
    small = {"name": "size", "op": "LESS", "valueInt": "3"}
    assert {entity for entity, _ in found(cloud, name, entityId="east", numericFilters=[small])} == {"east", "far east"}
    assert len(found(cloud, name, entityId="east", perCrowdingAttributeNeighborCount=1)) == 2


def test_a_search_that_the_index_cannot_answer_is_refused(cloud: Local) -> None:
    sql(cloud, f"CREATE OR REPLACE TABLE {DATASET}.searched AS {POINTS}")
    view(cloud, "searched", direct("searched"), indexConfig={"embeddingColumn": "embedding", "bruteForceConfig": {}})
    path = f"{VIEWS}/searched:searchNearestEntities"
    assert refused(cloud.call("POST", path, {"query": {"entityId": "east"}}))[1] == "FAILED_PRECONDITION"
    synced(cloud, "searched")
    queries: list[tuple[Any, int]] = [
        ({}, 400),
        ({"entityId": "nobody"}, 404),
        ({"entityId": "nowhere"}, 400),
        ({"embedding": {"value": [1, 2, 3]}}, 400),
        ({"embedding": {"value": [1, "NaN"]}}, 400),
        ({"entityId": "east", "stringFilters": [{"name": "colour", "allowTokens": ["red"]}]}, 400),
        ({"entityId": "east", "perCrowdingAttributeNeighborCount": 1}, 400),
    ]
    assert [cloud.call("POST", path, {"query": query})[0] for query, _ in queries] == [status for _, status in queries]
    sql(cloud, f"INSERT INTO {DATASET}.searched VALUES ('up', [0.0, 0.0, 1.0], 'red', 6)")
    assert "'up' has 3 dimensions" in synced(cloud, "searched")["finalStatus"]["message"]
    sql(cloud, f"UPDATE {DATASET}.searched SET embedding = [0.0, CAST('nan' AS FLOAT64)] WHERE entity_id = 'up'")
    assert "'up' holds a value that is not finite" in synced(cloud, "searched")["finalStatus"]["message"]


def test_a_second_sync_waits_for_the_first_and_both_are_listed(cloud: Local) -> None:
    sql(cloud, f"CREATE TABLE {DATASET}.queued AS SELECT 'a' AS entity_id, 0 AS x")
    view(cloud, "queued", direct("queued"))

    async def both() -> list[str]:
        answers = await asyncio.gather(*[cloud.ask("POST", f"{VIEWS}/queued:sync") for _ in range(2)])
        return [answer["featureViewSync"] for _, answer in answers]

    first, second = (ended(cloud, name) for name in cloud.run(both()))
    assert first["runTime"]["endTime"] <= second["runTime"]["startTime"]
    listed = cloud.call("GET", f"{VIEWS}/queued/featureViewSyncs")[1]["featureViewSyncs"]
    assert {one["name"] for one in listed} == {first["name"], second["name"]}


def test_rows_go_with_their_view_and_a_new_one_begins_empty(cloud: Local) -> None:
    sql(cloud, f"CREATE TABLE {DATASET}.gone AS SELECT 'a' AS entity_id, 0 AS x")
    files = set((cloud.state / "features").glob("*"))
    view(cloud, "gone", direct("gone"))
    synced(cloud, "gone")
    synced(cloud, "gone")
    assert len(set((cloud.state / "features").glob("*")) - files) == 1
    assert cloud.call("DELETE", f"{VIEWS}/gone")[0] == 200
    assert set((cloud.state / "features").glob("*")) == files
    view(cloud, "gone", direct("gone"))
    assert fetched(cloud, "gone", "a")[0] == 404


def test_a_restart_keeps_the_rows_and_ends_a_sync_that_it_interrupted(cloud: Local) -> None:
    sql(cloud, f"CREATE TABLE {DATASET}.kept AS SELECT 'a' AS entity_id, 0 AS x")
    view(cloud, "kept", direct("kept"))
    synced(cloud, "kept")
    running = f"{LOCATION}/{VIEWS}/kept/featureViewSyncs/1"
    cloud.cloud.store.of("aiplatform").put(running, "FeatureViewSync", {"name": running, "createTime": "2026-01-01T00:00:00Z"})
    torn = cloud.state / "features" / "torn.db"
    torn.touch()
    cloud.restart()
    assert fetched(cloud, "kept", "a") == (200, {"x": 0.0})
    assert ended(cloud, running)["finalStatus"]["code"] == 10
    assert not torn.exists()


def test_a_kill_loses_nothing_that_was_synchronised(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "emulator", "--state", str(tmp_path), "--images", str(ROOT / "cloudbuild" / "images.yaml")]

    def asked(code: str) -> str:
        """What a client prints that the emulator is killed after."""
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as emulator:
            try:
                assert emulator.stdout is not None
                assert "is ready" in emulator.stdout.readline()
                variables = json.loads((tmp_path / "emulator.json").read_text())["environment"]
                ran = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=60, check=True)
            finally:
                emulator.send_signal(signal.SIGKILL)
        return ran.stdout

    client = f"""
import google.auth
from google.auth.transport.requests import AuthorizedSession
session = AuthorizedSession(google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0])
def ask(http, host, path, body=None):
    answer = session.request(http, f"https://{{host}}/{{path}}", json=body)
    assert answer.ok, answer.text
    return answer.json()
def vertex(http, path, body=None):
    return ask(http, "europe-west4-aiplatform.googleapis.com", f"v1/{{path}}", body)
views = "{LOCATION}/{VIEWS}"
"""
    made = f"""
def warehouse(path, body):
    ask("POST", "bigquery.googleapis.com", f"bigquery/v2/projects/acme-test/{{path}}", body)
warehouse("datasets", {{"datasetReference": {{"projectId": "acme-test", "datasetId": "features"}}}})
warehouse("queries", {{"query": "CREATE TABLE {DATASET}.t AS SELECT 'a' AS entity_id, 5 AS x", "useLegacySql": False}})
store = {{"bigtable": {{"autoScaling": {{"minNodeCount": 1, "maxNodeCount": 1}}}}}}
vertex("POST", "{LOCATION}/featureOnlineStores?featureOnlineStoreId=online", store)
vertex("POST", f"{{views}}?featureViewId=v", {direct("t")!r})
sync = vertex("POST", f"{{views}}/v:sync")["featureViewSync"]
while "endTime" not in vertex("GET", sync).get("runTime", {{}}):
    pass
"""
    asked(client + made)
    read = 'print(vertex("POST", f"{views}/v:fetchFeatureValues", {"dataKey": {"key": "a"}}))'
    assert asked(client + read) == "{'keyValues': {'features': [{'name': 'x', 'value': {'int64Value': '5'}}]}}\n"


@pytest.fixture(scope="module")
def table(google_cloud: dict[str, Any]) -> str:
    """Address of a table of three entities."""
    from google.cloud import bigquery

    warehouse, table = bigquery.Client(project=PROJECT), f"{PROJECT}.client_features.rows"
    warehouse.create_dataset("client_features", exists_ok=True)
    warehouse.query(
        f"""CREATE OR REPLACE TABLE `{table}` AS SELECT *, TIMESTAMP '2026-01-01' AS feature_timestamp FROM UNNEST(
            ARRAY<STRUCT<id STRING, embedding ARRAY<FLOAT64>, label STRING>>[
            ('a', [1.0, 0.0], 'good'), ('b', [0.9, 0.1], 'good'), ('c', [0.0, 1.0], 'bad')])"""
    ).result()
    return f"bq://{table}"


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_the_clients_synchronise_read_and_search(table: str, transport: str) -> None:
    from google.api_core.exceptions import NotFound
    from google.cloud import aiplatform_v1

    options = {"api_endpoint": "europe-west4-aiplatform.googleapis.com"}
    admin = aiplatform_v1.FeatureOnlineStoreAdminServiceClient(transport=transport, client_options=options)
    parent = f"projects/{PROJECT}/locations/europe-west4"
    store = aiplatform_v1.FeatureOnlineStore(optimized={})
    made = admin.create_feature_online_store(parent=parent, feature_online_store=store, feature_online_store_id=f"by_{transport}").result()
    described = aiplatform_v1.FeatureView(
        big_query_source={"uri": table, "entity_id_columns": ["id"]},
        sync_config={"cron": "0 4 * * *"},
        index_config={"embedding_column": "embedding", "distance_measure_type": "COSINE_DISTANCE", "brute_force_config": {}},
    )
    view = admin.create_feature_view(parent=made.name, feature_view=described, feature_view_id="v").result()
    assert view.sync_config.cron == "0 4 * * *"
    sync = admin.get_feature_view_sync(name=admin.sync_feature_view(feature_view=view.name).feature_view_sync)
    assert (sync.sync_summary.row_synced, sync.final_status.code) == (3, 0)
    started, done = (moment.ToDatetime(UTC) for moment in (sync.run_time.start_time, sync.run_time.end_time))
    assert sync.create_time <= started <= done
    assert [one.name for one in admin.list_feature_view_syncs(parent=view.name)] == [sync.name]

    domain = admin.get_feature_online_store(name=made.name).dedicated_serving_endpoint.public_endpoint_domain_name
    assert domain.endswith(".featurestore.vertexai.goog")
    reader = aiplatform_v1.FeatureOnlineStoreServiceClient(transport=transport, client_options={"api_endpoint": domain})
    request = {"feature_view": view.name, "data_key": {"key": "b"}, "data_format": "PROTO_STRUCT"}
    struct = reader.fetch_feature_values(request).proto_struct
    assert (list(struct["embedding"]), struct["label"]) == ([0.9, 0.1], "good")
    with pytest.raises(NotFound, match="'nobody'"):
        reader.fetch_feature_values({**request, "data_key": {"key": "nobody"}})
    query = {"feature_view": view.name, "query": {"entity_id": "a", "neighbor_count": 2}, "return_full_entity": True}
    nearest = reader.search_nearest_entities(query).nearest_neighbors.neighbors
    assert [(one.entity_id, round(one.distance, 3)) for one in nearest] == [("a", 0.0), ("b", 0.006)]
    values = {one.name: one.value for one in nearest[1].entity_key_values.key_values.features}
    assert list(values["embedding"].double_array_value.values) == [0.9, 0.1]
    assert values["feature_timestamp"].int64_value == 1_767_225_600_000_000


@pytest.mark.long
def test_vertex_ai_s_own_sdk_synchronises_reads_and_searches(table: str) -> None:
    from google.api_core.exceptions import NotFound
    from google.cloud import aiplatform
    from vertexai.resources.preview import feature_store
    from vertexai.resources.preview.feature_store import utils

    aiplatform.init(project=PROJECT, location="europe-west4")
    registry = feature_store.FeatureGroup.create("sdk_group", utils.FeatureGroupBigQuerySource(table, ["id"]))
    for feature in ("embedding", "label"):
        registry.create_feature(feature)
    source = utils.FeatureViewRegistrySource(["sdk_group.embedding", "sdk_group.label"])

    plain = feature_store.FeatureOnlineStore.create_bigtable_store("sdk_bigtable").create_feature_view("sdk_plain", source)
    sync = plain.sync()
    assert sync.gca_resource.sync_summary.row_synced == 3
    assert [one.resource_name for one in plain.list_syncs()] == [sync.resource_name]
    assert plain.read(["c"]).to_dict()["features"][1]["value"]["string_value"] == "bad"
    with pytest.raises(NotFound, match="'nobody'"):
        plain.read(["nobody"])

    store = feature_store.FeatureOnlineStore.create_optimized_store("sdk_optimized")
    index = utils.IndexConfig("embedding", 2, utils.TreeAhConfig(), ["label"], None, utils.DistanceMeasureType.COSINE_DISTANCE)
    searched = store.create_feature_view("sdk_searched", source, index_config=index)
    with pytest.raises(utils.PublicEndpointNotFoundError):
        searched.read(["a"])
    assert searched.sync().gca_resource.final_status.code == 0
    assert {one["name"] for one in searched.read(["a"]).to_dict()["features"]} == {"embedding", "label"}
    nearest = searched.search(entity_id="a", neighbor_count=2, return_full_entity=True).to_dict()["neighbors"]
    assert [(one["entity_id"], round(one["distance"], 3)) for one in nearest] == [("a", 0.0), ("b", 0.006)]
    searched.delete()
    with pytest.raises(NotFound):
        feature_store.FeatureView("sdk_searched", "sdk_optimized")
