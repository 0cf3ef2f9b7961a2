"""Batch prediction and explanations of a model of our own, by Vertex AI's SDK."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.clients.served_model import MACHINE, upload

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
BATCHES = "aiplatform.projects.locations.batchPredictionJobs"
ENDPOINTS = "aiplatform.projects.locations.endpoints"


@calls(f"{BATCHES}.create", f"{BATCHES}.get", f"{BATCHES}.list", f"{BATCHES}.delete")
@pytest.mark.timeout(7200)
def test_each_line_of_a_file_is_answered_beside_its_instance(vertex: Any, place: Place, bucket: Any) -> None:
    """Results are lines of `{instance, prediction}` in `prediction.results-*` below the output's folder.

    https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions
    """
    bucket.blob("endpoints/artifact/weights").upload_from_string("weights")
    bucket.blob("batch/in.jsonl").upload_from_string("".join(json.dumps({"x": number}) + "\n" for number in range(20)))
    model = upload(vertex, place, 2.0)
    try:
        job = model.batch_predict(
            job_display_name=place.name("batch"), gcs_source=place.uri("batch/in.jsonl"), gcs_destination_prefix=place.uri("batch/out"),
            machine_type=MACHINE, labels=dict(place.labels),
        )  # fmt: skip
        assert job.state.name == "JOB_STATE_SUCCEEDED"
        files = [blob for blob in job.iter_outputs() if "prediction.results" in blob.name]
        lines = [json.loads(line) for blob in files for line in blob.download_as_text().splitlines()]
        assert sorted((line["instance"]["x"], line["prediction"]["y"]) for line in lines) == [(x, 2.0 * x) for x in range(20)]
        assert job.completion_stats.successful_count == 20
        assert [one.name for one in vertex.BatchPredictionJob.list(filter=f'display_name="{place.name("batch")}"')] == [job.name]
        job.delete()
    finally:
        model.delete()


@calls(f"{ENDPOINTS}.deployModel", f"{ENDPOINTS}.explain")
@pytest.mark.timeout(7200)
def test_a_prediction_is_explained_by_its_features(vertex: Any, place: Place, bucket: Any) -> None:
    """Attributions add up to the difference between the answers to the instance and to the baseline.

    https://cloud.google.com/vertex-ai/docs/explainable-ai/overview
    """
    bucket.blob("endpoints/artifact/weights").upload_from_string("weights")
    model = upload(
        vertex,
        place,
        2.0,
        explanation_metadata={"inputs": {"x": {}}, "outputs": {"y": {}}},
        explanation_parameters={"sampled_shapley_attribution": {"path_count": 5}},
    )
    endpoint = vertex.Endpoint.create(display_name=place.name("explained"), labels=dict(place.labels))
    try:
        endpoint.deploy(model, machine_type=MACHINE, traffic_percentage=100)
        answer = endpoint.explain(instances=[{"x": 3}])
        [attribution] = answer.explanations[0].attributions
        assert (attribution.baseline_output_value, attribution.instance_output_value) == (0.0, 6.0)
        assert dict(attribution.feature_attributions) == {"x": 6.0}
        assert answer.predictions[0]["y"] == 6.0
    finally:
        endpoint.delete(force=True)
        model.delete()
