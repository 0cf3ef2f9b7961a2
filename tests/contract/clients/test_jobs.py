"""Custom jobs, by Vertex AI's SDK. What else trains is in files of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
JOBS = "aiplatform.projects.locations.customJobs"


def pool(place: Place, *command: str, replicas: int = 1) -> dict[str, Any]:
    return {
        "machine_spec": {"machine_type": "n1-standard-4"},
        "replica_count": replicas,
        "container_spec": {"image_uri": place.image, "command": list(command[:1]), "args": list(command[1:])},
    }


@calls(f"{JOBS}.create", f"{JOBS}.get", f"{JOBS}.list", f"{JOBS}.delete")
@pytest.mark.timeout(3600)
def test_replicas_know_their_cluster_and_write_where_they_are_told(vertex: Any, place: Place, bucket: Any) -> None:
    """A job's variables: `CLUSTER_SPEC`, `TF_CONFIG`, `AIP_MODEL_DIR` below the base output directory.

    https://cloud.google.com/vertex-ai/docs/training/distributed-training, https://cloud.google.com/vertex-ai/docs/training/code-requirements
    """
    code = (
        "import json, os; from google.cloud import storage; "
        "task = json.loads(os.environ['CLUSTER_SPEC'])['task']; model = os.environ['AIP_MODEL_DIR']; "
        "seen = {'task': task, 'tf': json.loads(os.environ['TF_CONFIG'])['task']['type'], 'flag': os.environ['FLAG']}; "
        "blob = storage.Blob.from_uri(f\"{model}{task['type']}-{task['index']}\", storage.Client()); "
        "blob.upload_from_string(json.dumps(seen))"
    )
    pools = [pool(place, "python", "-c", code), pool(place, "python", "-c", code, replicas=2)]
    for one in pools:
        one["container_spec"]["env"] = [{"name": "FLAG", "value": "on"}]
    job = vertex.CustomJob(
        display_name=place.name("replicas"), worker_pool_specs=pools, base_output_dir=place.uri("jobs/out"), labels=dict(place.labels)
    )
    job.run()
    try:
        assert job.state.name == "JOB_STATE_SUCCEEDED"
        wrote = {blob.name.rpartition("/")[2]: json.loads(blob.download_as_text()) for blob in bucket.list_blobs(prefix="jobs/out/model/")}
        assert {name: (seen["tf"], seen["flag"]) for name, seen in wrote.items()} == {
            "workerpool0-0": ("chief", "on"), "workerpool1-0": ("worker", "on"), "workerpool1-1": ("worker", "on"),
        }  # fmt: skip
        found = vertex.CustomJob.list(filter=f'display_name="{place.name("replicas")}"')
        assert [one.resource_name for one in found] == [job.resource_name]
        assert job.start_time <= job.end_time
    finally:
        job.delete()


@calls(f"{JOBS}.create", f"{JOBS}.get")
@pytest.mark.timeout(3600)
def test_a_job_whose_replica_fails_has_failed_and_says_why(vertex: Any, place: Place) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/JobState"""
    job = vertex.CustomJob(
        display_name=place.name("fails"), worker_pool_specs=[pool(place, "sh", "-c", "exit 3")], labels=dict(place.labels)
    )
    with pytest.raises(RuntimeError):
        job.run()
    try:
        assert (job.state.name, "3" in job.error.message) == ("JOB_STATE_FAILED", True)
    finally:
        job.delete()


@calls(f"{JOBS}.create", f"{JOBS}.cancel", f"{JOBS}.get")
@pytest.mark.timeout(3600)
def test_a_job_is_cancelled(vertex: Any, place: Place) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs/cancel"""
    job = vertex.CustomJob(display_name=place.name("stops"), worker_pool_specs=[pool(place, "sleep", "3600")], labels=dict(place.labels))
    job.submit()
    try:
        job.cancel()
        with pytest.raises(RuntimeError):
            job._block_until_complete()
        assert job.state.name == "JOB_STATE_CANCELLED"
    finally:
        job.delete()
