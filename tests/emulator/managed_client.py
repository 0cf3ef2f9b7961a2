"""What a user of datasets, batch predictions and explanations writes, run by `test_managed_client.py` led to the local Google Cloud."""

import base64
import json
import sys
from typing import Any

from google.cloud import aiplatform, bigquery, storage
from google.cloud.aiplatform import schema
from google.cloud.aiplatform.explain import ExplanationMetadata, ExplanationParameters

PROJECT, REGION, BUCKET = "acme-test", "europe-west4", "acme-test-managed"
IMAGES = f"{REGION}-docker.pkg.dev/{PROJECT}/images"
ROWS = 12_000
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def datasets(bucket: storage.Bucket) -> None:
    """Pictures, texts and a table."""
    lines = []
    for label in ("daisy", "rose"):
        bucket.blob(f"{label}.png").upload_from_string(PNG + label.encode())
        lines.append({"imageGcsUri": f"gs://{BUCKET}/{label}.png", "classificationAnnotation": {"displayName": label}})
    bucket.blob("pictures.jsonl").upload_from_string("\n".join(map(json.dumps, lines)))
    single = schema.dataset.ioformat.image.single_label_classification
    pictures = aiplatform.ImageDataset.create(
        display_name="pictures", gcs_source=f"gs://{BUCKET}/pictures.jsonl", import_schema_uri=single, data_item_labels={"by": "me"}
    )
    files = pictures.export_data(output_dir=f"gs://{BUCKET}/exported")
    exported = [json.loads(line) for file in files if file.endswith(".jsonl") for line in read(file).splitlines()]
    assert sorted(line["classificationAnnotation"]["displayName"] for line in exported) == ["daisy", "rose"], exported
    assert exported[0]["dataItemResourceLabels"] == {"by": "me"}
    found = pictures.api_client.search_data_items(request={"dataset": pictures.resource_name})
    assert sum(len(view.annotations) for view in found) == 2

    bucket.blob("texts.csv").upload_from_string('test,"good, very",positive\ntraining,bad,negative\n')
    texts = aiplatform.TextDataset.create(display_name="texts")
    texts.import_data(f"gs://{BUCKET}/texts.csv", import_schema_uri=schema.dataset.ioformat.text.single_label_classification)
    split = {"training_fraction": 0.5, "validation_fraction": 0.0, "test_fraction": 0.5}
    told = texts.export_data_for_custom_training(output_dir=f"gs://{BUCKET}/exported", split=split)
    assert told["dataStats"]["trainingDataItemsCount"] == "1", told
    assert aiplatform.TextDataset(texts.resource_name).gca_resource.data_item_count == 2

    bucket.blob("rows.csv").upload_from_string("a,b\n1,2\n")
    rows = aiplatform.TabularDataset.create(display_name="rows", gcs_source=f"gs://{BUCKET}/rows.csv")
    assert sorted(rows.column_names) == ["a", "b"]
    for dataset in (pictures, texts, rows):
        dataset.delete()


def predictions(bucket: storage.Bucket) -> None:
    """A model that is asked in batches and explained."""
    model = uploaded(
        serving_container_environment_variables={"FORMULA": "{'score': a * b}"},
        explanation_metadata=ExplanationMetadata(inputs={"a": {}, "b": {}}, outputs={"score": {}}),
        explanation_parameters=ExplanationParameters(sampled_shapley_attribution={"path_count": 2}),
    )
    bucket.blob("instances.jsonl").upload_from_string('{"a": 2, "b": 3}\n{"a": 1, "b": 1}\n')
    job = model.batch_predict(
        job_display_name="files",
        gcs_source=f"gs://{BUCKET}/instances.jsonl",
        gcs_destination_prefix=f"gs://{BUCKET}/predicted",
        machine_type="n1-standard-2",
        generate_explanation=True,
    )
    (results,) = (blob for blob in job.iter_outputs() if "prediction.results" in blob.name)
    lines = [json.loads(line) for line in results.download_as_text().splitlines()]
    assert [line["prediction"]["score"] for line in lines] == [6, 1]
    assert lines[0]["explanation"]["attributions"][0]["featureAttributions"] == {"a": 3.0, "b": 3.0}
    assert job.completion_stats.successful_count == 2

    tables = bigquery.Client(project=PROJECT)
    tables.create_dataset("managed")
    tables.query_and_wait("CREATE TABLE managed.rows AS SELECT 2 AS a, 5 AS b")
    job = aiplatform.BatchPredictionJob.submit(
        job_display_name="tables",
        model_name=uploaded().resource_name,
        bigquery_source=f"bq://{PROJECT}.managed.rows",
        bigquery_destination_prefix=f"bq://{PROJECT}.managed",
        instances_format="bigquery",
        predictions_format="bigquery",
        machine_type="n1-standard-2",
    )
    job.wait()
    (row,) = job.iter_outputs()
    # Columns arrive as an array, in their order.
    assert (row["a"], row["b"], json.loads(row["prediction"])["instance"]) == (2, 5, [2, 5])

    endpoint = model.deploy(machine_type="n1-standard-2", deploy_request_timeout=60)
    explained = endpoint.explain([{"a": 2, "b": 3}])
    stream = json.dumps({"parts": ["data: one\n", "data: two\n"], "between": "/dev/null"}).encode()
    assert list(endpoint.stream_raw_predict(stream, {"Content-Type": "application/json"})) == [b"data: one", b"data: two"]
    assert dict(explained.explanations[0].attributions[0].feature_attributions) == {"a": 3.0, "b": 3.0}, explained


def submitted(bucket: storage.Bucket) -> None:
    """A long job, of which a part is done."""
    bucket.blob("many.jsonl").upload_from_string("".join(f"{number}\n" for number in range(ROWS)))
    job = aiplatform.BatchPredictionJob.submit(
        job_display_name="many",
        model_name=uploaded().resource_name,
        gcs_source=f"gs://{BUCKET}/many.jsonl",
        gcs_destination_prefix=f"gs://{BUCKET}/many",
        machine_type="n1-standard-2",
        batch_size=1,
    )
    # Each look at the state waits a while.
    while job.state.name == "JOB_STATE_RUNNING" and not job.completion_stats.successful_count:
        pass
    assert job.gca_resource.state.name == "JOB_STATE_RUNNING", job.gca_resource


def finished(bucket: storage.Bucket) -> None:
    """The same job after the emulator was killed and started again."""
    (job,) = aiplatform.BatchPredictionJob.list()
    while job.state.name == "JOB_STATE_RUNNING":
        pass
    shards = [blob.download_as_text() for blob in job.iter_outputs() if "prediction.results" in blob.name]
    assert [json.loads(line)["instance"] for shard in shards for line in shard.splitlines()] == list(range(ROWS))


def uploaded(**fields: Any) -> aiplatform.Model:
    """A model whose server is the tests' own."""
    return aiplatform.Model.upload(
        display_name="m",
        serving_container_image_uri=f"{IMAGES}/server",
        serving_container_predict_route="/predict",
        serving_container_health_route="/health",
        **fields,
    )


def read(uri: str) -> str:
    """The text of an object."""
    return str(storage.Blob.from_string(uri, client=storage.Client(project=PROJECT)).download_as_text())


def main() -> None:
    client = storage.Client(project=PROJECT)
    bucket = client.lookup_bucket(BUCKET) or client.create_bucket(BUCKET, location=REGION)
    aiplatform.init(project=PROJECT, location=REGION, staging_bucket=f"gs://{BUCKET}")
    parts = {"datasets": datasets, "predictions": predictions, "submitted": submitted, "finished": finished}
    for part in sys.argv[1:]:
        parts[part](bucket)
    print("all done")


if __name__ == "__main__":
    main()
