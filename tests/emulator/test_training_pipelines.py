"""Training pipelines: a job, the data that it is given, and the model that it wrote."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.training import DEFINITIONS, Json, Local, asked, discrete, ended, lines, pool, put, study, tuning


def inputs(local: Local, folder: str, *command: str, **more: Any) -> Json:
    """As the SDK sends them: snake_case in a value without a schema, in which every number is a double and what is not given is null."""
    container = {"image_uri": "acme/shell", "command": ["sh", "-c", *(command or ["true"])]}
    spec = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1.0, "container_spec": container}
    scheduling = {"timeout": None, "restart_job_on_worker_restart": False, "strategy": 1.0}
    base = {"base_output_directory": {"output_uri_prefix": f"gs://{local.bucket}/{folder}"}}
    return {"worker_pool_specs": [spec], "scheduling": scheduling, **base, **more}


def pipeline(task: Json, definition: str = "custom_task", **more: Any) -> Json:
    return {"trainingTaskDefinition": f"{DEFINITIONS}/{definition}_1.0.0.yaml", "trainingTaskInputs": task, **more}


def model(**more: Any) -> Json:
    return {"displayName": "m", "containerSpec": {"imageUri": "acme/server"}, **more}


def test_the_model_that_a_pipeline_trained_is_in_the_registry(local: Local) -> None:
    put(local, "trained/model/weights", b"1")
    body = pipeline(inputs(local, "trained"), modelToUpload=model(versionAliases=["new"]), modelId="trained")
    done = ended(local, asked(local, "trainingPipelines", body))
    assert done["state"] == "PIPELINE_STATE_SUCCEEDED", done
    assert (done["modelToUpload"]["name"], done["modelToUpload"]["versionId"]) == (f"{local.location}/models/trained", "1")
    _, found = local.call("GET", "models/trained@new")
    assert found["artifactUri"] == f"gs://{local.bucket}/trained/model"
    assert found["trainingPipeline"] == done["name"]
    _, custom = local.call("GET", done["trainingTaskMetadata"]["backingCustomJob"])
    assert (custom["displayName"], custom["state"]) == ("job-custom-job", "JOB_STATE_SUCCEEDED")
    parent = f"{local.location}/models/trained"
    again = ended(local, asked(local, "trainingPipelines", pipeline(inputs(local, "trained"), modelToUpload=model(), parentModel=parent)))
    assert (again["modelToUpload"]["name"], again["modelToUpload"]["versionId"]) == (parent, "2")


def test_a_pipeline_uploads_the_model_of_the_best_trial(local: Local) -> None:
    for trial in ("1", "2", "3"):
        put(local, f"best/{trial}/model/weights", trial.encode())
    job = tuning(study(discrete("x", 1, 4, 9), algorithm="GRID_SEARCH"), "report(1, accuracy=given['x'])", 3)
    job["trialJobSpec"]["baseOutputDirectory"] = {"outputUriPrefix": f"gs://{local.bucket}/best"}
    done = ended(local, asked(local, "trainingPipelines", pipeline(job, "hyperparameter_tuning_task", modelToUpload=model())))
    assert done["state"] == "PIPELINE_STATE_SUCCEEDED", done
    _, tuned_job = local.call("GET", done["trainingTaskMetadata"]["backingHyperparameterTuningJob"])
    assert done["trainingTaskMetadata"]["bestTrialBackingCustomJob"] == tuned_job["trials"][2]["customJob"]
    assert done["modelToUpload"]["artifactUri"] == f"gs://{local.bucket}/best/3/model"


def test_a_pipeline_fails_with_its_job_and_uploads_nothing(local: Local) -> None:
    put(local, "failing/model/weights", b"1")
    body = pipeline(inputs(local, "failing", "echo broken; exit 3"), modelToUpload=model(), modelId="failing")
    done = ended(local, asked(local, "trainingPipelines", body))
    assert done["state"] == "PIPELINE_STATE_FAILED"
    assert "exit code 3: broken" in done["error"]["message"]
    assert local.call("GET", "models/failing")[0] == 404


def test_a_pipeline_whose_job_wrote_no_model_fails(local: Local) -> None:
    done = ended(local, asked(local, "trainingPipelines", pipeline(inputs(local, "nothing"), modelToUpload=model())))
    assert done["state"] == "PIPELINE_STATE_FAILED"
    assert "holds no objects" in done["error"]["message"]


def test_a_cancelled_pipeline_ends_its_job_and_can_then_be_deleted(local: Local) -> None:
    made = asked(local, "trainingPipelines", pipeline(inputs(local, "cancelled", "sleep 30")))
    assert local.call("DELETE", made["name"])[0] == 400
    assert local.call("POST", f"{made['name']}:cancel") == (200, {})
    done = ended(local, made)
    assert (done["state"], done["error"]["code"]) == ("PIPELINE_STATE_CANCELLED", 1)
    assert local.call("GET", done["trainingTaskMetadata"]["backingCustomJob"])[1]["state"] == "JOB_STATE_CANCELLED"
    assert local.call("DELETE", made["name"])[0] == 200


def test_jobs_that_a_stop_cut_off_are_said_so(local: Local) -> None:
    made = asked(local, "trainingPipelines", pipeline(inputs(local, "cut", "sleep 30"), modelToUpload=model()))
    local.call("GET", "trainingPipelines")
    local.restart()
    done = ended(local, made)
    assert done["state"] == "PIPELINE_STATE_FAILED"
    assert "stopped while the job ran" in done["error"]["message"]
    assert local.call("GET", done["trainingTaskMetadata"]["backingCustomJob"])[1]["error"]["code"] == 14


TABULAR = "gs://google-cloud-aiplatform/schema/dataset/metadata/tabular_1.0.0.yaml"


def dataset(local: Local, schema: str = TABULAR) -> str:
    """Id of a dataset of a hundred rows in two files, every fifth of which is for tests."""
    for part in (0, 1):
        rows = [f'{number},"x, {number}",{"test" if number % 5 == 0 else "training"}' for number in range(part * 50, part * 50 + 50)]
        put(local, f"table/{part}.csv", "\n".join(["number,text,part", *rows]).encode())
    uris = [f"gs://{local.bucket}/table/{part}.csv" for part in (0, 1)]
    body = {"displayName": "d", "metadataSchemaUri": schema, "metadata": {"inputConfig": {"gcsSource": {"uri": uris}}}}
    status, operation = local.call("POST", "datasets", body)
    assert status == 200, operation
    return str(operation["response"]["name"].rpartition("/")[2])


@pytest.mark.parametrize(
    ("split", "sizes"),
    [
        ({}, [80, 10, 10]),
        ({"fractionSplit": {"trainingFraction": 0.5, "validationFraction": 0.25}}, [75, 25, 0]),
        ({"predefinedSplit": {"key": "part"}}, [80, 0, 20]),
    ],
)
def test_a_pipeline_hands_the_rows_of_a_dataset_to_its_job_in_three_sets(local: Local, split: Json, sizes: list[int]) -> None:
    config = {"datasetId": dataset(local), "gcsDestination": {"outputUriPrefix": f"gs://{local.bucket}/data"}, **split}
    shown = "echo $AIP_DATA_FORMAT $AIP_TRAINING_DATA_URI $AIP_VALIDATION_DATA_URI $AIP_TEST_DATA_URI"
    done = ended(local, asked(local, "trainingPipelines", pipeline(inputs(local, "o", shown), inputDataConfig=config)))
    assert done["state"] == "PIPELINE_STATE_SUCCEEDED", done
    (entry,) = lines(local, {"name": done["trainingTaskMetadata"]["backingCustomJob"]})
    form, *patterns = entry["jsonPayload"]["message"].split()
    sets = []
    for pattern in patterns:
        (found,) = local.cloud.objects.list(local.bucket, pattern.removeprefix(f"gs://{local.bucket}/").partition("*")[0])
        text = local.cloud.objects.read(local.bucket, found["name"]).decode().splitlines()
        assert text[0] == "number,text,part"
        sets.append(text[1:])
    assert (form, [len(rows) for rows in sets]) == ("csv", sizes)
    numbers = sorted(int(row.partition(",")[0]) for rows in sets for row in rows)
    assert numbers == list(range(100))
    assert all('"x, ' in row for rows in sets for row in rows)


@pytest.mark.parametrize(
    "config",
    [
        {"datasetId": "missing"},
        {"fractionSplit": {"trainingFraction": 0.9, "testFraction": 0.2}},
        {"timestampSplit": {"key": "number"}},
        {"gcsDestination": {"outputUriPrefix": "data"}},
    ],
)
def test_data_that_cannot_be_split_are_refused(local: Local, config: Json) -> None:
    config = {"datasetId": dataset(local), "gcsDestination": {"outputUriPrefix": f"gs://{local.bucket}/data"}, **config}
    body = {"displayName": "p", **pipeline(inputs(local, "o"), inputDataConfig=config)}
    assert local.call("POST", "trainingPipelines", body)[0] in (400, 404)


def test_rows_without_the_column_that_splits_them_fail_the_pipeline_before_its_job(local: Local) -> None:
    config = {"datasetId": dataset(local), "gcsDestination": {"outputUriPrefix": f"gs://{local.bucket}/data"}}
    config |= {"predefinedSplit": {"key": "missing"}}
    done = ended(local, asked(local, "trainingPipelines", pipeline(inputs(local, "o"), inputDataConfig=config)))
    assert done["state"] == "PIPELINE_STATE_FAILED"
    assert "'missing'" in done["error"]["message"]
    assert "trainingTaskMetadata" not in done


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"trainingTaskDefinition": f"{DEFINITIONS}/automl_tabular_1.0.0.yaml"}, "not emulated"),
        ({"inputDataConfig": {"datasetId": "1"}}, "datasets/1"),
        ({"trainingTaskInputs": {"worker_pool_specs": [{"colour": 1}]}}, "colour"),
        ({"trainingTaskInputs": [1]}, "trainingTaskInputs"),
        ({"trainingTaskInputs": {}}, "workerPoolSpecs"),
        ({"parentModel": "projects/acme-test/locations/europe-west4/models/missing"}, "missing"),
        ({"modelId": "a/b"}, "modelId"),
        ({"trainingTaskInputs": {"workerPoolSpecs": [pool("true")]}}, "baseOutputDirectory"),
        ({"trainingTaskInputs": {"workerPoolSpecs": [{"containerSpec": {"imageUri": "elsewhere"}}]}, "modelToUpload": None}, "elsewhere"),
        ({"trainingTaskDefinition": f"{DEFINITIONS}/hyperparameter_tuning_task_1.0.0.yaml"}, "worker_pool_specs"),
    ],
)
def test_a_pipeline_that_cannot_be_run_is_refused_and_nothing_is_kept(local: Local, more: Json, said: str) -> None:
    before = [local.call("GET", kind) for kind in ("trainingPipelines", "customJobs", "hyperparameterTuningJobs")]
    body = {"displayName": "p", **pipeline(inputs(local, "refused"), modelToUpload=model()), **more}
    status, answer = local.call("POST", "trainingPipelines", body)
    assert 400 <= status < 500, answer
    assert said in answer["error"]["message"]
    assert [local.call("GET", kind) for kind in ("trainingPipelines", "customJobs", "hyperparameterTuningJobs")] == before
