"""Models, endpoints and the processes behind them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator import dispatch

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

ids = itertools.count()


def uploaded(local: Local, parent: str = "", aliases: tuple[str, ...] = (), **variables: str) -> tuple[str, str]:
    """A new model, or a version of `parent`: its name and version."""
    local.cloud.objects.put(local.bucket, "exported/model.tflite", b"weights")
    container = {
        "imageUri": "europe-west4-docker.pkg.dev/acme-test/images/server@sha256:00",
        "healthRoute": "/health",
        "predictRoute": "/predict",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    model = {
        "displayName": "m",
        "artifactUri": f"gs://{local.bucket}/exported",
        "containerSpec": container,
        "versionAliases": list(aliases),
    }
    status, operation = local.call("POST", "models:upload", {"model": model, "parentModel": parent} if parent else {"model": model})
    assert status == 200, operation
    return operation["response"]["model"], operation["response"]["modelVersionId"]


def endpoint(local: Local) -> str:
    status, operation = local.call("POST", f"endpoints?endpointId=e{next(ids)}", {"displayName": "e"})
    assert status == 200, operation
    return str(operation["response"]["name"])


def deploy(local: Local, name: str, model: str, split: dict[str, int]) -> dict[str, Any]:
    body = {
        "deployedModel": {"model": model, "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}}},
        "trafficSplit": split,
    }
    status, operation = local.call("POST", f"{name}:deployModel", body)
    assert status == 200, operation
    assert operation["done"], operation
    return dict(operation)


def test_versions_and_aliases_move_as_in_the_registry(local: Local) -> None:
    model, first = uploaded(local, aliases=("challenger",))
    _, second = uploaded(local, parent=model, aliases=("challenger",))

    def aliases() -> dict[str, list[str]]:
        _, answer = local.call("GET", f"{model}:listVersions")
        return {one["versionId"]: one["versionAliases"] for one in answer["models"]}

    assert (first, second) == ("1", "2")
    assert aliases() == {"1": ["default"], "2": ["challenger"]}
    local.call("POST", f"{model}@2:mergeVersionAliases", {"versionAliases": ["champion", "-challenger", "default"]})
    assert aliases() == {"1": [], "2": ["champion", "default"]}
    assert local.call("GET", f"{model}@champion")[1]["versionId"] == "2"
    assert local.call("GET", model)[1]["versionId"] == "2"
    assert local.call("GET", f"{model}@challenger")[0] == 404
    assert local.call("POST", f"{model}@2:mergeVersionAliases", {"versionAliases": ["3"]})[0] == 400
    assert local.call("DELETE", f"{model}@2:deleteVersion")[0] == 400
    assert local.call("DELETE", f"{model}@1:deleteVersion")[0] == 200
    assert list(aliases()) == ["2"]


def test_an_evaluation_belongs_to_the_version_that_it_measured(local: Local) -> None:
    model, _ = uploaded(local)
    uploaded(local, parent=model)
    evaluation = {"displayName": "test rows", "metrics": {"accuracy": 0.9}, "metricsSchemaUri": "gs://schema"}
    status, made = local.call("POST", f"{model}@2/evaluations:import", {"modelEvaluation": evaluation})
    assert status == 200, made
    assert local.call("GET", f"{model}@2/evaluations")[1]["modelEvaluations"][0]["metrics"] == {"accuracy": 0.9}
    assert local.call("GET", f"{model}@1/evaluations")[1] == {}
    assert local.call("GET", made["name"])[0] == 200


def test_a_model_without_artifacts_is_refused(local: Local) -> None:
    model = {"displayName": "m", "artifactUri": f"gs://{local.bucket}/nothing", "containerSpec": {"imageUri": "x/server"}}
    status, answer = local.call("POST", "models:upload", {"model": model})
    assert status == 400
    assert "holds no objects" in answer["error"]["message"]


def test_a_version_keeps_the_artifacts_that_it_was_uploaded_with(local: Local) -> None:
    model, _ = uploaded(local)
    copies = local.cloud.objects.list("caip-tenant-local", model.replace("/", "."))
    local.cloud.objects.put(local.bucket, "exported/model.tflite", b"changed")
    local.cloud.objects.put(local.bucket, "exported-2/model.tflite", b"another folder")
    assert [local.cloud.objects.read(one["bucket"], one["name"]) for one in copies] == [b"weights"]
    assert [one["name"].rpartition("/artifacts/")[2] for one in copies] == ["model.tflite"]
    assert local.call("GET", model)[1]["artifactUri"] == f"gs://{local.bucket}/exported"
    buckets = local.call("GET", "/storage/v1/b?project=acme-test", host="storage.googleapis.com")[1]["items"]
    assert local.bucket in [one["name"] for one in buckets]
    assert "caip-tenant-local" not in [one["name"] for one in buckets]
    assert local.call("DELETE", model)[0] == 200
    assert not local.cloud.objects.list("caip-tenant-local", model.replace("/", "."))


def test_a_deployed_model_is_a_process_with_the_variables_of_vertex_ai(local: Local) -> None:
    model, _ = uploaded(local, WHO="me")
    name = endpoint(local)
    assert local.call("POST", f"{name}:predict", {"instances": ["a"]})[0] == 400
    deployed = deploy(local, name, model, {"0": 100})["response"]["deployedModel"]
    assert local.call("GET", name)[1]["trafficSplit"] == {deployed["id"]: 100}
    assert local.call("GET", model)[1]["deployedModels"] == [{"endpoint": name, "deployedModelId": deployed["id"]}]
    status, answer = local.call("POST", f"{name}:predict", {"instances": ["a"]})
    assert status == 200, answer
    assert (answer["deployedModelId"], answer["model"], answer["modelVersionId"]) == (deployed["id"], model, "1")
    prediction = answer["predictions"][0]
    assert prediction["AIP_STORAGE_URI"].startswith("gs://caip-tenant-local/")
    assert (prediction["instance"], prediction["WHO"], prediction["AIP_HEALTH_ROUTE"]) == ("a", "me", "/health")
    status, answer = local.call("POST", f"{name}:predict", {"instances": ["a", "bad"]})
    assert (status, answer["error"]["message"]) == (400, '{"error": "instance 1 is bad"}')
    assert local.call("POST", f"{name}:rawPredict", {"instances": ["raw"]})[1]["predictions"][0]["instance"] == "raw"
    assert local.call("DELETE", name)[0] == 400
    assert local.call("DELETE", model)[0] == 400
    assert local.call("POST", f"{name}:undeployModel", {"deployedModelId": deployed["id"]})[0] == 200
    assert local.call("DELETE", model)[0] == 200
    assert local.call("DELETE", name)[0] == 200


def test_a_prediction_request_above_vertex_ais_limit_is_refused(local: Local) -> None:
    name = local.call("POST", "endpoints", {"displayName": "large"})[1]["response"]["name"]
    hosts = {"europe-west4-aiplatform.googleapis.com": 1_572_864, "e.europe-west4-1.prediction.vertexai.goog": 10_485_760}
    for host, limit in hosts.items():
        status, answer = local.call("POST", f"/v1/{name}:predict", {"instances": ["x" * limit]}, host=host)
        assert (status, answer["error"]["status"], f"{limit} bytes" in answer["error"]["message"]) == (400, "INVALID_ARGUMENT", True)
        _, answer = local.call("POST", f"/v1/{name}:predict", {"instances": ["x" * (limit - 100)]}, host=host)
        assert "traffic" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ({"dedicatedEndpointEnabled": True}, "is dedicated"),
        ({"privateServiceConnectConfig": {"enablePrivateServiceConnect": True, "projectAllowlist": ["acme-shop"]}}, "is private"),
    ],
)
def test_an_endpoint_that_has_a_host_of_its_own_is_not_answered_for_by_the_common_one(
    local: Local, endpoint: dict[str, Any], said: str
) -> None:
    name = local.call("POST", "endpoints", {"displayName": "own", **endpoint})[1]["response"]["name"]
    for verb in ("predict", "rawPredict"):
        status, answer = local.call("POST", f"{name}:{verb}", {"instances": ["a"]})
        assert (status, answer["error"]["status"], said in answer["error"]["message"]) == (400, "FAILED_PRECONDITION", True)


@pytest.mark.parametrize("id_", ["..", "../../outside", "/tmp", "a/b", "\0"])
def test_the_id_of_a_deployed_model_is_no_path(local: Local, id_: str) -> None:
    _, made = local.call("POST", "models:upload", {"model": {"displayName": "m", "containerSpec": {"imageUri": "acme/server"}}})
    name = local.call("POST", "endpoints", {"displayName": "ids"})[1]["response"]["name"]
    status, answer = local.call("POST", f"{name}:deployModel", {"deployedModel": {"model": made["response"]["model"], "id": id_}})
    assert (status, "no id of a deployed model" in answer["error"]["message"]) == (400, True)


def test_traffic_follows_the_split_and_a_wrong_split_is_refused(local: Local) -> None:
    model, _ = uploaded(local, WHO="champion")
    uploaded(local, parent=model, WHO="challenger")
    name = endpoint(local)
    champion = deploy(local, name, f"{model}@1", {"0": 100})["response"]["deployedModel"]["id"]
    challenger = deploy(local, name, f"{model}@2", {"0": 50, champion: 50})["response"]["deployedModel"]["id"]

    def served() -> Counter[str]:
        async def work() -> list[tuple[int, Any]]:
            return await asyncio.gather(*(local.ask("POST", f"{name}:predict", {"instances": [1]}) for _ in range(60)))

        answers = local.run(work())
        assert {status for status, _ in answers} == {200}, answers
        return Counter(answer["predictions"][0]["WHO"] for _, answer in answers)

    # The chance that one of two halves is not drawn in 60 is 2^-59.
    assert served().keys() == {"champion", "challenger"}
    for split in ({champion: 60, challenger: 60}, {champion: 50, "7": 50}):
        assert local.call("PATCH", f"{name}?updateMask=trafficSplit", {"trafficSplit": split})[0] == 400
    refused, answer = local.call("POST", f"{name}:undeployModel", {"deployedModelId": champion})
    assert refused == 400
    assert "still has 50 %" in answer["error"]["message"]
    assert local.call("PATCH", f"{name}?updateMask=trafficSplit", {"trafficSplit": {challenger: 100}})[0] == 200
    assert served() == {"challenger": 60}
    assert local.call("POST", f"{name}:undeployModel", {"deployedModelId": champion})[0] == 200


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe on which the model's server waits until somebody writes into it, who waits for the server."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("own_host", [False, True])
def test_a_stream_arrives_as_the_server_writes_it(local: Local, pipe: Path, own_host: bool) -> None:
    model, _ = uploaded(local)
    name = local.call("POST", "endpoints", {"displayName": "e", "dedicatedEndpointEnabled": own_host})[1]["response"]["name"]
    deployed = deploy(local, name, model, {"0": 100})["response"]["deployedModel"]
    host = local.call("GET", name)[1].get("dedicatedEndpointDns", "europe-west4-aiplatform.googleapis.com")
    body = json.dumps({"parts": ["one", "two", "three"], "between": str(pipe)}).encode()

    async def read() -> list[bytes]:
        answer = await dispatch.answer(dispatch.Request("POST", host, f"/v1/{name}:streamRawPredict", "", {}, body), local.cloud)
        assert (answer.status, answer.content_type, answer.headers["X-Vertex-AI-Deployed-Model-Id"]) == (
            200,
            "text/event-stream",
            deployed["id"],
        )
        assert not isinstance(answer.body, bytes)
        parts = []
        async for part in answer.body:
            parts.append(part)
            # The server writes no more before this: a body that is gathered first would never come.
            await asyncio.to_thread(pipe.write_text, "on")
        return parts

    assert local.run(asyncio.wait_for(read(), 20)) == [b"one", b"two", b"three"]


def test_a_model_that_is_undeployed_answers_what_it_is_at_work_on(local: Local, pipe: Path) -> None:
    model, _ = uploaded(local)
    name = endpoint(local)
    deployed = deploy(local, name, model, {"0": 100})["response"]["deployedModel"]["id"]

    async def work() -> tuple[tuple[int, Any], bool, tuple[int, Any], tuple[int, Any]]:
        asked = asyncio.create_task(local.ask("POST", f"{name}:rawPredict", {"instances": ["a"], "between": str(pipe)}))
        while not any(server.requests for key, server in local.cloud.servers._running.items() if key[0] == name):
            await asyncio.sleep(0)
        undeployed = asyncio.create_task(local.ask("POST", f"{name}:undeployModel", {"deployedModelId": deployed}))
        while local.cloud.servers._running.keys() & {(name, deployed)}:
            await asyncio.sleep(0)
        refused = await local.ask("POST", f"{name}:predict", {"instances": ["b"]})
        early = undeployed.done()
        await asyncio.to_thread(pipe.write_text, "on")
        return await asked, early, await undeployed, refused

    answered, early, undeployed, refused = local.run(work())
    assert (answered[0], answered[1]["predictions"][0]["instance"]) == (200, "a")
    assert (early, undeployed[0], refused[0]) == (False, 200, 400)


def test_a_server_that_crashed_is_started_again(local: Local) -> None:
    model, _ = uploaded(local)
    name = endpoint(local)
    deploy(local, name, model, {"0": 100})
    status, answer = local.call("POST", f"{name}:predict", {"instances": ["crash"]})
    assert (status, answer["error"]["status"]) == (503, "UNAVAILABLE")
    assert local.call("POST", f"{name}:predict", {"instances": ["a"]})[0] == 200


def test_a_container_that_does_not_start_is_not_deployed(local: Local) -> None:
    model, _ = uploaded(local, CRASH="yes")
    name = endpoint(local)
    operation = deploy(local, name, model, {"0": 100})
    assert "there is no model file" in operation["error"]["message"]
    assert "deployedModels" not in local.call("GET", name)[1]


@pytest.mark.parametrize("image", ["gcr.io/elsewhere/server-2", "no-such-image:latest"])
def test_an_unknown_image_is_named(local: Local, image: str) -> None:
    body = {"model": {"displayName": "m", "containerSpec": {"imageUri": image}}}
    _, operation = local.call("POST", "models:upload", body)
    name = endpoint(local)
    failed = deploy(local, name, operation["response"]["model"], {"0": 100})
    assert image in failed["error"]["message"]
    assert "images.yaml" in failed["error"]["message"]


def test_a_deployed_model_is_started_again_by_the_first_request_after_a_restart(local: Local) -> None:
    model, _ = uploaded(local, WHO="me")
    name = endpoint(local)
    deploy(local, name, model, {"0": 100})
    local.restart()
    assert local.call("POST", f"{name}:predict", {"instances": ["a"]})[1]["predictions"][0]["WHO"] == "me"


def test_custom_jobs_run_with_the_variables_of_vertex_ai(local: Local, tmp_path: Path) -> None:
    program = 'printf "%s\\n%s\\n%s" "$AIP_MODEL_DIR" "$CLUSTER_SPEC" "$CLOUD_ML_PROJECT_ID" > "$0"; exit $1'

    def ran(code: int, out: Path) -> dict[str, Any]:
        container = {"imageUri": "acme/shell", "command": ["sh", "-c", program, str(out), str(code)]}
        spec = {
            "workerPoolSpecs": [{"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1", "containerSpec": container}],
            "baseOutputDirectory": {"outputUriPrefix": f"gs://{local.bucket}/out"},
        }
        status, job = local.call("POST", "customJobs", {"displayName": "j", "jobSpec": spec})
        assert status == 200, job
        return dict(local.call("GET", job["name"])[1])

    job = ran(0, tmp_path / "good")
    assert (job["state"], "error" in job) == ("JOB_STATE_SUCCEEDED", False)
    directory, cluster, project = (tmp_path / "good").read_text().splitlines()
    assert directory == f"gs://{local.bucket}/out/model/"
    assert '"type": "workerpool0"' in cluster
    assert project.isdigit()
    job = ran(3, tmp_path / "bad")
    assert job["state"] == "JOB_STATE_FAILED"
    assert "exit code 3" in job["error"]["message"]


def test_a_job_that_nothing_would_run_is_not_said_to_have_succeeded(local: Local) -> None:
    status, answer = local.call("POST", "nasJobs", {"displayName": "n", "nasJobSpec": {}})
    assert status == 400
    assert "not emulated" in answer["error"]["message"]
