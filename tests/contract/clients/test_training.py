"""Training pipelines and hyperparameter tuning, by Vertex AI's SDK, in Google's prebuilt containers and in our own."""

from __future__ import annotations

import json
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.clients.served_model import SERVER

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
PIPELINES = "aiplatform.projects.locations.trainingPipelines"
TUNING = "aiplatform.projects.locations.hyperparameterTuningJobs"
PREBUILT = "europe-docker.pkg.dev/vertex-ai/training/scikit-learn-cpu.1-6.py310:latest"
TASK = """
    import argparse, json, os, time

    from google.cloud import storage

    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    if folder := os.environ.get("AIP_MODEL_DIR"):
        storage.Blob.from_string(folder + "model.json", client=storage.Client()).upload_from_string(json.dumps(vars(given)))
    if path := os.environ.get("CLOUD_ML_HP_METRIC_FILE"):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            loss = abs(given.units - 6) + given.rate
            file.write(json.dumps({"timestamp": time.time(), "trial": "", "loss": str(loss), "global_step": "1"}) + "\\n")
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "task.py"
    path.write_text(textwrap.dedent(TASK))
    return str(path)


@calls(f"{PIPELINES}.create", f"{PIPELINES}.get", "aiplatform.projects.locations.models.get")
@pytest.mark.timeout(3600)
def test_a_script_is_trained_and_becomes_a_model(vertex: Any, place: Place, script: str) -> None:
    """The model's artifact is what the script wrote to `AIP_MODEL_DIR`.

    https://cloud.google.com/vertex-ai/docs/training/create-training-pipeline
    """
    from google.cloud import storage

    job = vertex.CustomTrainingJob(
        display_name=place.name("trained"),
        script_path=script,
        container_uri=PREBUILT,
        model_serving_container_image_uri=place.image,
        model_serving_container_command=["python", "-c", SERVER],
        model_serving_container_predict_route="/predict",
        model_serving_container_health_route="/health",
        labels=dict(place.labels),
    )
    model = job.run(args=["--units=3", "--rate=0.5"], model_display_name=place.name("trained"), model_labels=dict(place.labels))
    try:
        assert (job.state.name, model.display_name, model.version_id) == ("PIPELINE_STATE_SUCCEEDED", place.name("trained"), "1")
        blob = storage.Blob.from_uri(f"{model.uri}/model.json", storage.Client())
        assert json.loads(blob.download_as_text()) == {"units": 3, "rate": 0.5}
    finally:
        model.delete()
        job.delete()


@calls(f"{PIPELINES}.create", f"{PIPELINES}.get", f"{PIPELINES}.delete")
@pytest.mark.timeout(3600)
def test_a_container_that_fails_fails_its_training_pipeline(vertex: Any, place: Place) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.trainingPipelines"""
    job = vertex.CustomContainerTrainingJob(
        display_name=place.name("broken"), container_uri=place.image, command=["sh", "-c", "exit 3"], labels=dict(place.labels)
    )
    with pytest.raises(RuntimeError):
        job.run()
    try:
        assert job.state.name == "PIPELINE_STATE_FAILED"
    finally:
        job.delete()


@calls(f"{TUNING}.create", f"{TUNING}.get", f"{TUNING}.delete")
@pytest.mark.timeout(7200)
def test_trials_are_measured_where_the_parameters_may_lie(vertex: Any, place: Place, script: str) -> None:
    """A trial's final measurement is the last value that it reported; parameters are within their bounds.

    https://cloud.google.com/vertex-ai/docs/training/using-hyperparameter-tuning
    """
    from google.cloud.aiplatform import hyperparameter_tuning as hpt

    job = vertex.HyperparameterTuningJob(
        display_name=place.name("tuned"),
        custom_job=vertex.CustomJob.from_local_script(display_name=place.name("tried"), script_path=script, container_uri=PREBUILT),
        metric_spec={"loss": "minimize"},
        parameter_spec={
            "units": hpt.IntegerParameterSpec(min=1, max=8, scale="linear"),
            "rate": hpt.DoubleParameterSpec(min=0.01, max=1, scale="log"),
        },
        max_trial_count=3,
        parallel_trial_count=3,
        labels=dict(place.labels),
    )
    job.run()
    try:
        assert [trial.state.name for trial in job.trials] == ["SUCCEEDED"] * 3
        for trial in job.trials:
            values = {parameter.parameter_id: parameter.value for parameter in trial.parameters}
            assert (1 <= values["units"] <= 8, 0.01 <= values["rate"] <= 1) == (True, True)
            assert trial.final_measurement.metrics[0].value == pytest.approx(abs(values["units"] - 6) + values["rate"])
    finally:
        job.delete()


@calls(f"{PIPELINES}.cancel", f"{TUNING}.cancel")
@pytest.mark.timeout(3600)
def test_what_trains_is_cancelled(vertex: Any, place: Place) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.hyperparameterTuningJobs/cancel"""
    from google.cloud import aiplatform_v1
    from google.cloud.aiplatform import hyperparameter_tuning as hpt

    options = {"api_endpoint": f"{place.region}-aiplatform.googleapis.com"}
    sleeping = {
        "machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1,
        "container_spec": {"image_uri": place.image, "command": ["sh", "-c", "sleep 3600"]},
    }  # fmt: skip
    tuning = vertex.HyperparameterTuningJob(
        display_name=place.name("endless"),
        custom_job=vertex.CustomJob(display_name=place.name("endless"), worker_pool_specs=[sleeping]),
        metric_spec={"loss": "minimize"},
        parameter_spec={"rate": hpt.DoubleParameterSpec(min=0.1, max=1, scale="linear")},
        max_trial_count=2,
        parallel_trial_count=1,
        labels=dict(place.labels),
    )
    tuning.run(sync=False)
    tuning.wait_for_resource_creation()
    pipelines = aiplatform_v1.PipelineServiceClient(client_options=options)
    inputs = {"workerPoolSpecs": [{
        "machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1,
        "containerSpec": {"imageUri": place.image, "command": ["sh", "-c", "sleep 3600"]},
    }]}  # fmt: skip
    training = pipelines.create_training_pipeline(
        parent=place.location,
        training_pipeline=aiplatform_v1.TrainingPipeline.from_json(
            json.dumps({
                "displayName": place.name("endless"), "labels": dict(place.labels), "trainingTaskInputs": inputs,
                "trainingTaskDefinition": "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml",
            })
        ),
    )  # fmt: skip
    try:
        tuning.cancel()
        pipelines.cancel_training_pipeline(name=training.name)
        deadline = time.monotonic() + 900
        states = ["", ""]
        while states != ["PIPELINE_STATE_CANCELLED", "JOB_STATE_CANCELLED"] and time.monotonic() < deadline:
            states = [pipelines.get_training_pipeline(name=training.name).state.name, tuning.state.name]
            time.sleep(0.2)
        assert states == ["PIPELINE_STATE_CANCELLED", "JOB_STATE_CANCELLED"]
    finally:
        pipelines.delete_training_pipeline(name=training.name).result(timeout=600)
        with pytest.raises(RuntimeError, match="cancel"):
            tuning.wait()
        vertex.HyperparameterTuningJob.get(tuning.resource_name).delete()
