"""Batch prediction: every instance is predicted once, whatever stops, and output is whole or not there."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.engines import batch_prediction, instances, predictions
from emulator.engines.instances import Row
from tests.emulator.conftest import Local, started
from tests.emulator.test_models_and_endpoints import uploaded

if TYPE_CHECKING:
    from emulator.cloud import Cloud

BIGQUERY = "bigquery.googleapis.com"
CHECKPOINTS = batch_prediction.CHECKPOINTS


def body(local: Local, model: str, form: str, content: bytes, **fields: Any) -> dict[str, Any]:
    """A job that predicts what is in one object."""
    local.cloud.objects.put(local.bucket, f"in/{form}", content)
    return {
        "displayName": "b",
        "model": model,
        "inputConfig": {"instancesFormat": form, "gcsSource": {"uris": [f"gs://{local.bucket}/in/{form}"]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": f"gs://{local.bucket}/out/"}},
        "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}},
        **fields,
    }


def job(local: Local, body: dict[str, Any]) -> dict[str, Any]:
    """A job that has ended."""
    status, made = local.call("POST", "batchPredictionJobs", body)
    assert status == 200, made
    return ended(local, made["name"])


def ended(local: Local, name: str) -> dict[str, Any]:
    while "endTime" not in (found := local.call("GET", name)[1]):
        assert found["state"] in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING"), found
    return dict(found)


def lines(cloud: Cloud, job: dict[str, Any], stream: str) -> dict[str, list[Any]]:
    """Name of a file of output → its lines."""
    bucket, _, prefix = job["outputInfo"]["gcsOutputDirectory"].removeprefix("gs://").partition("/")
    found = {one["name"]: cloud.objects.read(bucket, one["name"]) for one in cloud.objects.list(bucket, f"{prefix}/{stream}")}
    return {name.rpartition("/")[2]: [json.loads(line) for line in content.splitlines()] for name, content in found.items()}


def jsonl(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def test_instances_of_a_file_are_predicted_by_the_models_own_server(local: Local) -> None:
    model, _ = uploaded(local, WHO="me")
    local.cloud.objects.put(local.bucket, "extra/1", jsonl(*range(5)))
    request = body(local, model, "jsonl", jsonl("\ud800", {"b": 1}, [2]) + b"no json\n", modelParameters={"k": 1})
    request["inputConfig"]["gcsSource"]["uris"] += [f"gs://{local.bucket}/extra/*", f"gs://{local.bucket}/none"]
    done = job(local, request)
    assert done["state"] == "JOB_STATE_SUCCEEDED", done
    assert done["completionStats"] == {"successfulCount": "8", "failedCount": "1"}
    assert done["partialFailures"] == [{"code": 5, "message": f"There is nothing at gs://{local.bucket}/none."}]
    assert done["resourcesConsumed"]["replicaHours"] > 0
    assert (done["modelVersionId"], done["startTime"] <= done["endTime"]) == ("1", True)
    (results,) = lines(local.cloud, done, "prediction.results-00000-of-00001").values()
    assert [line["instance"] for line in results] == ["\ud800", {"b": 1}, [2], *range(5)]
    assert all(line["prediction"]["instance"] == line["instance"] and line["prediction"]["WHO"] == "me" for line in results)
    (errors,) = lines(local.cloud, done, "prediction.errors_stats-00000-of-00001").values()
    assert [(error["instance"], error["error"]["code"]) for error in errors] == [("no json", 3)]
    assert "/prediction-m-" in done["outputInfo"]["gcsOutputDirectory"]


def test_a_server_of_a_batch_job_is_gone_after_it(local: Local) -> None:
    model, _ = uploaded(local)
    done = job(local, body(local, model, "jsonl", jsonl(1)))
    assert not [key for key in local.cloud.servers._running if key[0] == done["name"]]


@pytest.mark.parametrize(
    ("form", "content", "sent"),
    [
        ("csv", b'a,b\n1,"x"\n2.5,"7"\n', [[1.0, "x"], [2.5, "7"]]),
        ("file-list", b"gs://acme-test-bucket/picture\n", [{"b64": base64.b64encode(b"\xff\0").decode()}]),
    ],
)
def test_other_formats_arrive_as_vertex_ai_sends_them(local: Local, form: str, content: bytes, sent: list[Any]) -> None:
    local.cloud.objects.put(local.bucket, "picture", b"\xff\0")
    model, _ = uploaded(local)
    done = job(local, body(local, model, form, content))
    (results,) = lines(local.cloud, done, "prediction.results").values()
    assert [line["prediction"]["instance"] for line in results] == sent


WHOLE = {"id": 7, "x": 1, "y": 2}


@pytest.mark.parametrize(
    ("form", "configuration", "sent", "shown"),
    [
        ("jsonl", {}, WHOLE, {"instance": WHOLE}),
        ("jsonl", {"excludedFields": ["id"]}, {"x": 1, "y": 2}, {"instance": WHOLE}),
        ("jsonl", {"includedFields": ["y", "x"], "instanceType": "array"}, [2, 1], {"instance": WHOLE}),
        ("jsonl", {"keyField": "id"}, {"x": 1, "y": 2}, {"key": 7}),
        ("csv", {"keyField": "id"}, [1, 2], {"key": 7}),
        ("csv", {}, [7, 1, 2], {"instance": [7, 1, 2]}),
        ("bigquery", {}, [7, 1, 2], {"instance": [7, 1, 2]}),
        ("bigquery", {"instanceType": "object", "keyField": "id", "includedFields": ["y"]}, {"y": 2}, {"key": 7}),
    ],
)
def test_an_instance_is_shaped_by_the_instance_configuration(form: str, configuration: Any, sent: Any, shown: Any) -> None:
    job = {"inputConfig": {"instancesFormat": form}, "instanceConfig": configuration, "outputConfig": {"predictionsFormat": "jsonl"}}
    row = Row(WHOLE)
    assert predictions.sent(job, row) == sent
    assert json.loads(predictions.line(job, row, sent, {"prediction": 1})) == {**shown, "prediction": 1}


@pytest.mark.parametrize(
    ("configuration", "value"),
    [
        ({"instanceType": "object"}, [1]),
        ({"keyField": "id"}, 3),
        ({"includedFields": ["z"]}, WHOLE),
        ({"instanceType": "array"}, WHOLE),
    ],
)
def test_an_instance_without_the_fields_that_it_should_have_is_an_error(configuration: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="instance"):
        predictions.sent({"inputConfig": {"instancesFormat": "jsonl"}, "instanceConfig": configuration}, Row(value))


def test_a_batch_that_the_server_refuses_or_dies_of_fails_alone(local: Local) -> None:
    model, _ = uploaded(local)
    content = jsonl("a", "b", "bad", "c", "crash", "d", "e", "f")
    done = job(local, body(local, model, "jsonl", content, manualBatchTuningParameters={"batchSize": 2}))
    assert done["state"] == "JOB_STATE_SUCCEEDED", done
    # The server that died may have been at work on other batches, too; these are asked for again.
    assert done["completionStats"] == {"successfulCount": "4", "failedCount": "4"}
    (errors,) = lines(local.cloud, done, "prediction.errors_stats").values()
    assert [error["instance"] for error in errors] == ["bad", "c", "crash", "d"]
    assert ["is bad" in error["error"]["message"] for error in errors] == [True, True, False, False]
    assert [error["error"]["code"] for error in errors] == [3, 3, 14, 14]


def test_a_job_of_which_nothing_is_predicted_fails_with_the_reason(local: Local) -> None:
    model, _ = uploaded(local)
    done = job(local, body(local, model, "jsonl", jsonl("bad", "bad")))
    assert (done["state"], done["completionStats"]["failedCount"]) == ("JOB_STATE_FAILED", "2")
    assert "instance 0 is bad" in done["error"]["message"]
    assert len(next(iter(lines(local.cloud, done, "prediction.errors_stats").values()))) == 2


def test_a_job_whose_server_does_not_start_fails_with_its_last_words(local: Local) -> None:
    model, _ = uploaded(local, CRASH="yes")
    done = job(local, body(local, model, "jsonl", jsonl(1)))
    assert (done["state"], done["completionStats"]["incompleteCount"]) == ("JOB_STATE_FAILED", "-1")
    assert "there is no model file" in done["error"]["message"]


def sql(local: Local, text: str) -> list[list[Any]]:
    path = "/bigquery/v2/projects/acme-test/queries"
    status, answer = local.call("POST", path, {"query": text, "useLegacySql": False}, host=BIGQUERY)
    assert status == 200, answer
    return [[cell["v"] for cell in row["f"]] for row in answer.get("rows", [])]


def test_rows_of_a_table_become_tables_of_predictions_and_errors(local: Local) -> None:
    local.call("POST", "/bigquery/v2/projects/acme-test/datasets", {"datasetReference": {"datasetId": "d"}}, host=BIGQUERY)
    sql(local, "CREATE TABLE d.rows AS SELECT 1 AS id, 0.5 AS x UNION ALL SELECT 2, 1.5")
    model, _ = uploaded(local)
    request = body(local, model, "jsonl", b"")
    request["inputConfig"] = {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://acme-test.d.rows"}}
    request["outputConfig"] = {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://acme-test.d"}}
    done = job(local, request)
    assert done["state"] == "JOB_STATE_SUCCEEDED", done
    info = done["outputInfo"]
    assert info["bigqueryOutputDataset"] == "bq://acme-test.d"
    found = sql(local, f"SELECT id, x, JSON_VALUE(prediction, '$.instance[1]') FROM d.{info['bigqueryOutputTable']} ORDER BY id")
    assert found == [["1", "0.5", "0.5"], ["2", "1.5", "1.5"]]
    errors = info["bigqueryOutputTable"].replace("predictions", "errors")
    assert sql(local, f"SELECT count(*) FROM d.{errors}") == [["0"]]

    request = body(local, model, "jsonl", jsonl("a", "bad", "half \ud800"), manualBatchTuningParameters={"batchSize": 1})
    request["outputConfig"] = {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://acme-test"}}
    info = job(local, request)["outputInfo"]
    dataset = info["bigqueryOutputDataset"].removeprefix("bq://acme-test.")
    assert sql(local, f"SELECT instance FROM {dataset}.predictions") == [["a"], ["half ?"]]
    assert sql(local, f"SELECT instance, errors.code FROM {dataset}.errors") == [["bad", "3"]]


def test_predictions_are_explained_where_the_job_asks_for_it(local: Local) -> None:
    model, _ = uploaded(local, FORMULA="{'score': 3 * a - b}")
    metadata: dict[str, Any] = {"inputs": {"a": {}, "b": {}}, "outputs": {"score": {}}}
    explanation = {"metadata": metadata, "parameters": {"sampledShapleyAttribution": {"pathCount": 2}}}
    request = body(local, model, "jsonl", jsonl({"a": 1, "b": 2}, {"a": 1, "b": "x", "c": 0}), generateExplanation=True)
    assert local.call("POST", "batchPredictionJobs", request)[0] == 400
    request |= {"explanationSpec": explanation, "manualBatchTuningParameters": {"batchSize": 1}}
    done = job(local, request)
    (results,) = lines(local.cloud, done, "prediction.results").values()
    assert results[0]["explanation"]["attributions"][0]["featureAttributions"] == {"a": 3.0, "b": -2.0}
    assert (done["state"], done["completionStats"]["failedCount"]) == ("JOB_STATE_SUCCEEDED", "1")


def test_a_job_that_was_killed_anywhere_predicts_the_rest_and_no_instance_twice(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "SHARD_ROWS", 7)
    model, _ = uploaded(local)
    request = body(local, model, "jsonl", jsonl(*range(40), "bad"), manualBatchTuningParameters={"batchSize": 1})

    async def killed() -> tuple[str, list[Path]]:
        """The state at some moments; nothing is written while it is copied, as if all had stopped at once."""
        _, made = await local.ask("POST", "batchPredictionJobs", request)
        copies: list[Path] = []
        for rows in (0, 8, 24, 40):
            while (kept := local.cloud.store.of(CHECKPOINTS).get(made["name"])) and sum(kept["rows"].values()) < rows:
                await asyncio.sleep(0)
            assert kept, "the job ended before it was killed"
            copies.append(tmp_path / str(rows))
            shutil.copytree(local.state, copies[-1])
            # What was written after the checkpoint is not counted.
            for file in sorted(copies[-1].glob("batch-predictions/*/prediction.results-*"))[-1:]:
                with file.open("a") as torn:
                    torn.write('{"instance": 3')
        return made["name"], copies

    async def resumed(state: Path) -> tuple[dict[str, Any], dict[str, list[Any]], dict[str, list[Any]]]:
        cloud = await started(state)
        try:
            await cloud.batch_predictions.wait(name, 60)
            job = cloud.store.of("aiplatform").get(name) or {}
            return job, lines(cloud, job, "prediction.results"), lines(cloud, job, "prediction.errors_stats")
        finally:
            await cloud.close()

    name, copies = local.run(killed())
    for state in copies:
        done, results, errors = local.run(resumed(state))
        assert done["state"] == "JOB_STATE_SUCCEEDED", done
        assert list(results) == [f"prediction.results-{number:05}-of-00006" for number in range(6)]
        assert [line["instance"] for shard in results.values() for line in shard] == list(range(40))
        assert [line["instance"] for shard in errors.values() for line in shard] == ["bad"]
        assert not list(state.glob("batch-predictions/*"))
    assert ended(local, name)["state"] == "JOB_STATE_SUCCEEDED"


def test_a_job_whose_instances_were_changed_while_the_emulator_was_down_fails(local: Local) -> None:
    model, _ = uploaded(local)
    request = body(local, model, "jsonl", jsonl(*range(1000)), manualBatchTuningParameters={"batchSize": 1})
    name = local.call("POST", "batchPredictionJobs", request)[1]["name"]
    local.restart()
    local.cloud.batch_predictions.cancel(name)
    assert ended(local, name)["state"] == "JOB_STATE_CANCELLED"
    name = local.call("POST", "batchPredictionJobs", request)[1]["name"]
    (local.cloud.objects.folder / local.bucket / "in" / "jsonl").write_bytes(jsonl(1))
    local.restart()
    done = ended(local, name)
    assert (done["state"], "written anew while the job ran" in done["error"]["message"]) == ("JOB_STATE_FAILED", True)


def test_a_job_that_is_cancelled_has_no_output(local: Local) -> None:
    model, _ = uploaded(local)
    request = body(local, model, "jsonl", jsonl(*range(2000)), manualBatchTuningParameters={"batchSize": 1})
    name = local.call("POST", "batchPredictionJobs", request)[1]["name"]
    assert local.call("DELETE", name)[0] == 400
    assert local.call("POST", f"{name}:cancel")[0] == 200
    done = ended(local, name)
    assert (done["state"], done["error"]["code"]) == ("JOB_STATE_CANCELLED", 1)
    assert lines(local.cloud, done, "") == {}
    assert local.call("POST", f"{name}:cancel")[0] == 200
    assert name in [
        one["name"] for one in local.call("GET", 'batchPredictionJobs?filter=state="JOB_STATE_CANCELLED"')[1]["batchPredictionJobs"]
    ]
    assert local.call("DELETE", name)[0] == 200
    assert local.call("GET", name)[0] == 404


def test_a_container_that_is_in_no_registry_predicts_with_its_own_artifacts(local: Local) -> None:
    local.cloud.objects.put(local.bucket, "exported/model.tflite", b"weights")
    container = {"imageUri": "acme/server", "healthRoute": "/health", "predictRoute": "/predict"}
    request = body(local, "", "jsonl", jsonl(1))
    del request["model"]
    request["unmanagedContainerModel"] = {"artifactUri": f"gs://{local.bucket}/exported", "containerSpec": container}
    done = job(local, request)
    assert done["state"] == "JOB_STATE_SUCCEEDED", done["error"]
    (results,) = lines(local.cloud, done, "prediction.results").values()
    copy = results[0]["prediction"]["AIP_STORAGE_URI"].removeprefix("gs://").partition("/")
    assert not local.cloud.objects.list(copy[0], copy[2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "projects/acme-test/locations/europe-west4/models/none"}, "not found"),
        ({"unmanagedContainerModel": {"containerSpec": {"imageUri": "acme/server"}}}, "Exactly one"),
        ({"dedicatedResources": {}}, "dedicatedResources"),
        ({"manualBatchTuningParameters": {"batchSize": -1}}, "negative"),
        ({"instanceConfig": {"instanceType": "tensor"}}, "neither"),
        ({"instanceConfig": {"includedFields": ["a"], "excludedFields": ["b"]}}, "exclude each other"),
        (
            {"outputConfig": {"predictionsFormat": "csv", "gcsDestination": {"outputUriPrefix": "gs://acme-test-bucket"}}},
            "'csv' is not supported",
        ),
        ({"outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://nowhere-1/x"}}}, "does not exist"),
        ({"outputConfig": {"predictionsFormat": "jsonl"}}, "gcsDestination"),
        ({"outputConfig": {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://a.b.c.d"}}}, "no destination"),
        ({"outputConfig": {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://acme-test.none"}}}, "Not found"),
        ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://acme-test-bucket/none"]}}}, "nothing at"),
    ],
)
def test_a_job_that_cannot_be_run_is_refused_before_it_is_made(local: Local, change: dict[str, Any], said: str) -> None:
    model, _ = uploaded(local)
    before = local.call("GET", "batchPredictionJobs")[1]
    status, answer = local.call("POST", "batchPredictionJobs", {**body(local, model, "jsonl", jsonl(1)), **change})
    assert (status in (400, 404), said in answer["error"]["message"]) == (True, True), answer
    assert local.call("GET", "batchPredictionJobs")[1] == before
