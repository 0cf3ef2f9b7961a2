"""Schedules of pipelines, by Vertex AI's SDK."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.clients.place import Place

calls = pytest.mark.calls
SCHEDULES = "aiplatform.projects.locations.schedules"


@pytest.fixture
def job(vertex: Any, place: Place, tmp_path: Path) -> Any:
    """A pipeline that is not submitted."""
    from kfp import compiler, dsl

    @dsl.component(base_image=place.image, install_kfp_package=False)
    def add(a: int) -> int:
        return a + 1

    @dsl.pipeline(name=place.name("scheduled"))
    def scheduled(a: int = 1):  # type: ignore[no-untyped-def]
        add(a=a)

    compiler.Compiler().compile(scheduled, str(tmp_path / "scheduled.yaml"))
    return vertex.PipelineJob(
        display_name=place.name("scheduled"), template_path=str(tmp_path / "scheduled.yaml"), pipeline_root=place.uri("pipelines"),
        labels=dict(place.labels),
    )  # fmt: skip


@calls(f"{SCHEDULES}.create", f"{SCHEDULES}.pause", f"{SCHEDULES}.resume", f"{SCHEDULES}.patch", f"{SCHEDULES}.list", f"{SCHEDULES}.delete")
def test_a_schedule_is_paused_resumed_changed_and_deleted(vertex: Any, place: Place, job: Any) -> None:
    """https://cloud.google.com/vertex-ai/docs/pipelines/schedule-pipeline-run"""
    schedule = job.create_schedule(cron="0 5 1 1 *", display_name=place.name("yearly"), max_concurrent_run_count=1)
    try:
        assert (schedule.state.name, schedule.cron) == ("ACTIVE", "0 5 1 1 *")
        schedule.pause()
        assert schedule.state.name == "PAUSED"
        schedule.resume()
        assert schedule.state.name == "ACTIVE"
        schedule.update(cron="0 6 1 1 *", max_run_count=3)
        assert (schedule.cron, schedule.max_run_count) == ("0 6 1 1 *", 3)
        found = vertex.PipelineJobSchedule.list(filter=f'display_name="{place.name("yearly")}"')
        assert [one.name for one in found] == [schedule.name]
    finally:
        schedule.delete()
    assert vertex.PipelineJobSchedule.list(filter=f'display_name="{place.name("yearly")}"') == []


@pytest.mark.long
@calls(f"{SCHEDULES}.create", "aiplatform.projects.locations.pipelineJobs.get")
@pytest.mark.timeout(1200)
def test_a_schedule_of_every_minute_submits_a_run(vertex: Any, place: Place, job: Any) -> None:
    """https://cloud.google.com/vertex-ai/docs/pipelines/schedule-pipeline-run"""
    schedule = job.create_schedule(cron="* * * * *", display_name=place.name("minutely"), max_concurrent_run_count=1, max_run_count=1)
    try:
        deadline = time.monotonic() + 300
        while not (runs := schedule.list_jobs()) and time.monotonic() < deadline:
            time.sleep(2)
        [run] = runs
        run.wait()
        assert run.state.name == "PIPELINE_STATE_SUCCEEDED"
        run.delete()
    finally:
        schedule.delete()
