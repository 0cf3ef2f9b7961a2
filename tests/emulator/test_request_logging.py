"""What an endpoint is asked and answers, as rows of BigQuery."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulator.test_models_and_endpoints import deploy, endpoint, uploaded

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

BIGQUERY = "bigquery.googleapis.com"


@pytest.fixture(scope="module")
def model(local: Local) -> str:
    return uploaded(local)[0]


def logging(local: Local, model: str, output: str = "bq://acme-test.logs.requests", **settings: Any) -> str:
    """An endpoint that serves and logs."""
    name = endpoint(local)
    deploy(local, name, model, {"0": 100})
    configuration = {"enabled": True, "samplingRate": 1, "bigqueryDestination": {"outputUri": output}, **settings}
    body = {"predictRequestResponseLoggingConfig": configuration}
    assert local.call("PATCH", f"{name}?updateMask=predictRequestResponseLoggingConfig", body)[0] == 200
    return name


def rows(local: Local, sql: str) -> list[list[Any]]:
    status, answer = local.call("POST", "/bigquery/v2/projects/acme-test/queries", {"query": sql, "useLegacySql": False}, host=BIGQUERY)
    assert status == 200, answer
    return [[cell["v"] for cell in row["f"]] for row in answer.get("rows", [])]


def test_each_prediction_is_a_row_of_vertex_ais_schema(local: Local, model: str) -> None:
    name = logging(local, model)
    assert local.call("POST", f"{name}:predict", {"instances": [{"text": "é"}, 2]})[0] == 200
    assert local.call("POST", f"{name}:rawPredict", {"instances": ["raw"]})[0] == 200
    status, table = local.call("GET", "/bigquery/v2/projects/acme-test/datasets/logs/tables/requests", host=BIGQUERY)
    assert status == 200
    assert [(one["name"], one["type"], one["mode"]) for one in table["schema"]["fields"]] == [
        ("endpoint", "STRING", "NULLABLE"),
        ("deployed_model_id", "STRING", "NULLABLE"),
        ("logging_time", "TIMESTAMP", "NULLABLE"),
        ("request_id", "NUMERIC", "NULLABLE"),
        ("request_payload", "STRING", "REPEATED"),
        ("response_payload", "STRING", "REPEATED"),
    ]
    deployed = local.call("GET", name)[1]["deployedModels"][0]["id"]
    number = name.rpartition("/")[2]
    columns = "endpoint, deployed_model_id, request_payload, response_payload"
    first, second = rows(local, f"SELECT {columns} FROM logs.requests WHERE endpoint = '{number}' ORDER BY logging_time")
    assert first[:2] == [number, deployed]
    assert [json.loads(one["v"]) for one in first[2]] == [{"text": "é"}, 2]
    assert [json.loads(one["v"])["instance"] for one in first[3]] == [{"text": "é"}, 2]
    assert [json.loads(one["v"]) for one in second[2]] == ["raw"]
    assert rows(local, f"SELECT COUNT(DISTINCT request_id) FROM logs.requests WHERE endpoint = '{number}'") == [["2"]]


def test_a_failed_prediction_is_logged_with_its_answer(local: Local, model: str) -> None:
    name = logging(local, model, "bq://acme-test.logs.failures")
    assert local.call("POST", f"{name}:predict", {"instances": ["bad"]})[0] == 400
    ((answered,),) = rows(local, "SELECT response_payload[OFFSET(0)] FROM logs.failures")
    assert "instance 0 is bad" in answered


def test_a_destination_without_table_gets_vertex_ais_own_names(local: Local, model: str) -> None:
    name = logging(local, model, "bq://acme-test")
    assert local.call("POST", f"{name}:predict", {"instances": [1]})[0] == 200
    dataset = f"logging_e_{name.rpartition('/')[2]}"
    assert rows(local, f"SELECT COUNT(*) FROM `{dataset}.request_response_logging`") == [["1"]]


def test_an_endpoint_that_does_not_log_or_samples_nothing_leaves_no_row(local: Local, model: str) -> None:
    name = logging(local, model, "bq://acme-test.logs.off", enabled=False)
    assert local.call("POST", f"{name}:predict", {"instances": [1]})[0] == 200
    assert local.call("GET", "/bigquery/v2/projects/acme-test/datasets/logs/tables/off", host=BIGQUERY)[0] == 404


def test_rows_outlive_a_kill_and_are_written_once(local: Local, model: str) -> None:
    name = logging(local, model, "bq://acme-test.logs.killed")
    for number in range(3):
        local.call("POST", f"{name}:predict", {"instances": [number]})
    kept = local.cloud.store.of("logged-requests")
    waiting = dict(kept.items())
    assert len(waiting) == 3
    local.run(local.cloud.requests.flush())
    # As if the kill had come after the rows were written and before that was noted.
    for request_id, pending in waiting.items():
        kept.put(request_id, "Row", pending)
    local.restart()
    assert rows(local, "SELECT COUNT(*) FROM logs.killed") == [["3"]]
    assert kept_now(local) == []


def kept_now(local: Local) -> list[Any]:
    return local.cloud.store.of("logged-requests").list()


def test_a_prediction_does_not_wait_for_bigquery(local: Local, model: str) -> None:
    name = logging(local, model, "bq://acme-test.logs.timed")
    local.call("POST", f"{name}:predict", {"instances": [0]})
    begun = time.perf_counter()
    endpoint = local.cloud.store.of("aiplatform").get(name)
    assert endpoint is not None

    async def log() -> None:
        for number in range(200):
            local.cloud.requests.add(endpoint, "1", [str(number)] * 10, [str(number)] * 10)

    local.run(log())
    assert (time.perf_counter() - begun) / 200 < 0.002
    assert rows(local, "SELECT COUNT(*) FROM logs.timed") == [["201"]]
