"""What a user of Vertex AI's SDK writes, run by `test_vertex_client.py` in a process that is led to the local Google Cloud."""

import sys

from google.cloud import aiplatform, storage
from kfp import compiler, dsl

PROJECT, REGION, BUCKET = "acme-test", "europe-west4", "acme-test-sdk"
IMAGES = "europe-west4-docker.pkg.dev/acme-test/images"


@dsl.component(base_image=f"{IMAGES}/pipelines", install_kfp_package=False)
def train(rows: int, model: dsl.Output[dsl.Model], metrics: dsl.Output[dsl.Metrics]) -> float:
    with open(model.path, "w") as file:
        file.write("weights")
    metrics.log_metric("accuracy", 0.75)
    return rows / 4


@dsl.pipeline(name="training")
def training(rows: int = 3) -> None:
    train(rows=rows)


def main() -> None:
    path = f"{sys.argv[1]}/training.yaml"
    compiler.Compiler().compile(training, path)
    storage.Client(project=PROJECT).create_bucket(BUCKET, location=REGION)
    aiplatform.init(project=PROJECT, location=REGION, staging_bucket=f"gs://{BUCKET}", experiment="experiment")

    aiplatform.start_run("by-hand")
    aiplatform.log_params({"rate": 0.1})
    aiplatform.log_metrics({"accuracy": 0.5})
    aiplatform.end_run()
    job = aiplatform.PipelineJob(display_name="training", template_path=path, job_id="training-1", pipeline_root=f"gs://{BUCKET}/root")
    job.submit(experiment="experiment")
    job.wait()
    found = aiplatform.get_experiment_df("experiment").set_index("run_name")
    assert found.loc["by-hand", "param.rate"] == 0.1, found.to_string()
    assert list(found["metric.accuracy"].sort_values()) == [0.5, 0.75], found.to_string()
    (task,) = [task for task in job.task_details if task.task_name == "train"]
    assert task.execution.metadata["output:Output"] == 0.75

    artifact = task.outputs["model"].artifacts[0].uri
    assert storage.Blob.from_string(artifact, client=storage.Client(project=PROJECT)).download_as_text() == "weights"
    serving = {"serving_container_image_uri": f"{IMAGES}/server", "serving_container_predict_route": "/predict"}
    serving |= {"serving_container_health_route": "/health", "artifact_uri": artifact, "display_name": "m"}
    champion = aiplatform.Model.upload(model_id="m", version_aliases=["champion"], **serving)
    challenger = aiplatform.Model.upload(parent_model="m", is_default_version=False, version_aliases=["challenger"], **serving)
    assert aiplatform.Model("m@challenger").version_id == challenger.version_id == "2"
    endpoint = aiplatform.Endpoint.create(display_name="e", endpoint_id="e", dedicated_endpoint_enabled=True)
    endpoint.deploy(champion, traffic_percentage=100, machine_type="n1-standard-2", deploy_request_timeout=60)
    endpoint.deploy(challenger, traffic_percentage=10, machine_type="n1-standard-2", deploy_request_timeout=60)
    assert sorted(endpoint.traffic_split.values()) == [10, 90]
    answer = endpoint.predict([{"n": 1}], use_dedicated_endpoint=True)
    copy = f"{answer.predictions[0]['AIP_STORAGE_URI']}/model"
    assert storage.Blob.from_string(copy, client=storage.Client(project=PROJECT)).download_as_text() == "weights"
    raw = endpoint.raw_predict(b'{"instances": [2]}', {"Content-Type": "application/json"})
    assert raw.json()["predictions"][0]["instance"] == 2
    endpoint.delete(force=True)

    container = {"image_uri": f"{IMAGES}/shell", "command": ["sh", "-c", "exit 0"]}
    pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
    custom = aiplatform.CustomJob(display_name="c", worker_pool_specs=[pool])
    custom.run()
    print("all done", custom.state.name)


if __name__ == "__main__":
    main()
