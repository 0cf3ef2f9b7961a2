"""What a user of Vertex AI's SDK writes to train and tune; `test_vertex_client.py` runs it in a process led to the local Google Cloud."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from google.cloud import aiplatform, logging, storage
from google.cloud.aiplatform import hyperparameter_tuning as hpt

PROJECT, REGION, BUCKET = "acme-test", "europe-west4", "acme-test-training"
IMAGES = "europe-west4-docker.pkg.dev/acme-test/images"
PREBUILT = "europe-docker.pkg.dev/vertex-ai/training/scikit-learn-cpu.1-6.py310:latest"
SERVING = {
    "model_serving_container_image_uri": f"{IMAGES}/server",
    "model_serving_container_predict_route": "/predict",
    "model_serving_container_health_route": "/health",
}
TASK = """
    import argparse, json, os, time
    from google.cloud import storage

    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    model = os.environ["AIP_MODEL_DIR"] + "model.json"
    storage.Blob.from_string(model, client=storage.Client()).upload_from_string(json.dumps(vars(given)))
    print("trained", given.units, "units")
    if path := os.environ.get("CLOUD_ML_HP_METRIC_FILE"):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            loss = abs(given.units - 6) + given.rate
            file.write(json.dumps({"timestamp": time.time(), "trial": "", "loss": str(loss), "global_step": "1"}) + "\\n")
"""


def text(uri: str) -> str:
    return str(storage.Blob.from_string(uri, client=storage.Client(project=PROJECT)).download_as_text())


def main() -> None:
    folder = Path(sys.argv[1])
    storage.Client(project=PROJECT).create_bucket(BUCKET, location=REGION)
    aiplatform.init(project=PROJECT, location=REGION, staging_bucket=f"gs://{BUCKET}")
    script = folder / "task.py"
    script.write_text(textwrap.dedent(TASK))

    scripted = aiplatform.CustomTrainingJob("scripted", script_path=str(script), container_uri=PREBUILT, **SERVING)
    model = scripted.run(args=["--units=3", "--rate=0.5"], model_id="scripted", model_version_aliases=["new"], timeout=60)
    assert text(f"{model.uri}/model.json") == '{"units": 3, "rate": 0.5}'
    assert (model.version_id, aiplatform.Model("scripted@new").uri) == ("1", model.uri)

    package = folder / "package" / "trainer"
    package.mkdir(parents=True)
    package.joinpath("task.py").write_text(script.read_text())
    package.parent.joinpath("setup.py").write_text("from setuptools import setup; setup(name='trainer', version='1', packages=['trainer'])")
    package.joinpath("__init__.py").touch()
    subprocess.run([sys.executable, "setup.py", "--quiet", "sdist"], cwd=package.parent, check=True)
    storage.Client(project=PROJECT).bucket(BUCKET).blob("t.tar.gz").upload_from_filename(next(package.parent.glob("dist/*")))
    where = {"python_package_gcs_uri": f"gs://{BUCKET}/t.tar.gz", "python_module_name": "trainer.task", "container_uri": PREBUILT}
    packaged = aiplatform.CustomPythonPackageTrainingJob("packaged", **where, **SERVING)
    model = packaged.run(args=["--units=4", "--rate=1"], parent_model="scripted")
    assert (model.version_id, text(f"{model.uri}/model.json")) == ("2", '{"units": 4, "rate": 1.0}')

    contained = aiplatform.CustomContainerTrainingJob("contained", container_uri=f"{IMAGES}/shell", command=["sh", "-c", "exit 0"])
    assert contained.run() is None
    broken = aiplatform.CustomContainerTrainingJob("broken", container_uri=f"{IMAGES}/shell", command=["sh", "-c", "echo why; exit 3"])
    with pytest.raises(RuntimeError, match="why"):
        broken.run()

    custom = aiplatform.CustomJob.from_local_script("tried", script_path=str(script), container_uri=PREBUILT)
    spaces = {
        "units": hpt.IntegerParameterSpec(min=1, max=8, scale="linear"),
        "rate": hpt.DoubleParameterSpec(min=0.01, max=1, scale="log"),
    }
    tuning = aiplatform.HyperparameterTuningJob(
        "tuned", custom_job=custom, metric_spec={"loss": "minimize"}, parameter_spec=spaces, max_trial_count=5, parallel_trial_count=2
    )
    tuning.run()
    assert [trial.state.name for trial in tuning.trials] == ["SUCCEEDED"] * 5
    for trial in tuning.trials:
        values = {parameter.parameter_id: parameter.value for parameter in trial.parameters}
        assert abs(trial.final_measurement.metrics[0].value - abs(values["units"] - 6) - values["rate"]) < 1e-9
    job = tuning.resource_name.rpartition("/")[2]
    entries = logging.Client(project=PROJECT).list_entries(
        filter_=f'resource.labels.job_id="{job}" AND labels."ml.googleapis.com/trial_id"="5"'
    )
    units = next(parameter.value for parameter in tuning.trials[4].parameters if parameter.parameter_id == "units")
    assert f"trained {units:g} units" in [entry.payload["message"] for entry in entries]
    tuning.delete()
    print("all done", job)


if __name__ == "__main__":
    main()
