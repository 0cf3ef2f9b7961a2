"""A run is read back from Vertex AI's own messages."""

from types import SimpleNamespace
from typing import Any

import pytest
from google.cloud.aiplatform_v1.types import PipelineJob, PipelineState, PipelineTaskDetail

from environments.clients import Clients
from pipelines import runs

State = PipelineTaskDetail.State
ERROR = {"message": "exit code 1: rows.parquet holds no rows"}


def job(state: PipelineState, **steps: Any) -> Any:
    resource = PipelineJob(
        name="projects/p/locations/l/pipelineJobs/j",
        labels={"task": "vision"},
        state=state,
        start_time="2026-01-01T00:00:00Z",
        end_time="2026-01-01T00:00:42.5Z",
        job_detail={
            "task_details": [
                {"task_name": "condition-1", "state": State.SUCCEEDED},
                *(
                    {
                        "task_name": name,
                        "state": step,
                        "start_time": "2026-01-01T00:00:01Z",
                        "end_time": "2026-01-01T00:00:03Z",
                        **({"error": ERROR} if step == State.FAILED else {}),
                    }
                    for name, step in steps.items()
                ),
            ]
        },
    )
    details = list(resource.job_detail.task_details)
    return SimpleNamespace(
        resource_name=resource.name, gca_resource=resource, task_details=details, labels=resource.labels, state=resource.state
    )


def test_steps_are_told_in_their_order_with_times_and_cache_hits() -> None:
    run = runs.read(Clients.of("local"), job(PipelineState.PIPELINE_STATE_SUCCEEDED, train=State.SUCCEEDED, preprocess=State.SKIPPED))
    assert [(step.name, step.seconds, step.cached) for step in run.steps] == [("preprocess", 2.0, True), ("train", 2.0, False)]
    assert (run.task, run.state, run.seconds) == ("vision", "SUCCEEDED", 42.5)
    assert runs.succeeded(run) is run


def test_a_failed_run_names_the_step_and_its_reason() -> None:
    run = runs.read(Clients.of("local"), job(PipelineState.PIPELINE_STATE_FAILED, preprocess=State.FAILED, train=State.NOT_TRIGGERED))
    with pytest.raises(runs.RunError, match=r"vision failed in preprocess: exit code 1: rows.parquet holds no rows.*submit again"):
        runs.succeeded(run)


def test_a_cancelled_run_is_not_a_success() -> None:
    run = runs.read(Clients.of("local"), job(PipelineState.PIPELINE_STATE_CANCELLED, train=State.CANCELLED))
    with pytest.raises(runs.RunError, match="the run ended as CANCELLED"):
        runs.succeeded(run)
