"""Vertex AI schedules: pipeline jobs that the clock submits, as many and as often as the schedule allows."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.behaviours import schedules
from emulator.clock import read, written

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

NEVER = "0 0 29 2 *"
HOUR = timedelta(hours=1)


def specification(script: str = "true") -> dict[str, Any]:
    container = {"image": "acme/pipelines", "command": ["sh", "-c"], "args": [script]}
    return {
        "pipelineInfo": {"name": "nightly"},
        "deploymentSpec": {"executors": {"e": {"container": container}}},
        "components": {"c": {"executorLabel": "e"}},
        "root": {"dag": {"tasks": {"step": {"taskInfo": {"name": "step"}, "componentRef": {"name": "c"}}}}},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
    }


def body_of(local: Local, script: str = "true", **fields: Any) -> dict[str, Any]:
    job = {"pipelineSpec": specification(script), "runtimeConfig": {"gcsOutputDirectory": f"gs://{local.bucket}/scheduled"}}
    request = {"parent": local.location, "pipelineJob": job}
    return {"displayName": "s", "cron": NEVER, "maxConcurrentRunCount": "1", "createPipelineJobRequest": request, **fields}


def made(local: Local, script: str = "true", **fields: Any) -> str:
    status, answer = local.call("POST", "schedules", body_of(local, script, **fields))
    assert status == 200, answer
    return str(answer["name"])


def of(local: Local, name: str) -> dict[str, Any]:
    status, schedule = local.call("GET", name)
    assert status == 200, schedule
    return dict(schedule)


def jobs_of(local: Local, name: str) -> list[dict[str, Any]]:
    _, page = local.call("GET", f'pipelineJobs?filter=schedule_name%3D"{name}"')
    return list(page.get("pipelineJobs", []))


def fire(local: Local, name: str) -> datetime:
    """The clock stands at the schedule's next time."""
    moment = read(of(local, name)["nextRunTime"])
    local.run(local.cloud.clockwork.fire(moment))
    return moment


def test_a_schedule_submits_its_pipeline_when_it_is_due_and_the_run_is_a_real_one(local: Local) -> None:
    name = made(local, cron="TZ=Europe/Berlin 30 4 1 7 *")
    due = read(of(local, name)["nextRunTime"])
    assert (due.month, due.day, due.hour, due.minute) == (7, 1, 2, 30)
    local.run(local.cloud.clockwork.fire(due - timedelta(seconds=1)))
    assert jobs_of(local, name) == []
    fire(local, name)
    (job,) = jobs_of(local, name)
    local.run(local.cloud.pipelines.wait(job["name"], 30))
    _, ended = local.call("GET", job["name"])
    assert (ended["state"], ended["scheduleName"]) == ("PIPELINE_STATE_SUCCEEDED", name)
    schedule = of(local, name)
    assert schedule["lastScheduledRunResponse"] == {"scheduledRunTime": written(due), "runResponse": job["name"]}
    assert (schedule["startedRunCount"], schedule["state"]) == ("1", "ACTIVE")
    assert read(schedule["nextRunTime"]).year == due.year + 1


def test_a_schedule_is_completed_by_its_last_run_or_by_its_end(local: Local) -> None:
    counted = made(local, maxRunCount="2")
    first = read(of(local, counted)["nextRunTime"])
    ended = made(local, endTime=written(first + HOUR))
    for _ in range(2):
        fire(local, counted)
    for name, runs in ((counted, 2), (ended, 1)):
        schedule = of(local, name)
        assert (schedule["state"], schedule["startedRunCount"], len(jobs_of(local, name))) == ("COMPLETED", str(runs), runs)
        assert "nextRunTime" not in schedule
        assert local.call("PATCH", f"{name}?updateMask=displayName", {"displayName": "x"})[0] == 400
        assert local.call("POST", f"{name}:resume")[0] == 400


def test_no_run_is_before_the_start(local: Local) -> None:
    start = datetime(2031, 6, 1, tzinfo=UTC)
    assert of(local, made(local, cron="0 * * * *", startTime=written(start)))["nextRunTime"] == written(start + HOUR)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"cron": "* * * *"}, "4 fields"),
        ({"cron": "every 5 minutes"}, "unix-cron"),
        ({"cron": "TZ=Mars/Olympus * * * * *"}, "no time zone"),
        ({"cron": "CRON_TZ=UTC"}, "1 fields"),
        ({"endTime": "2020-01-01T00:00:00Z"}, "no run"),
        ({"startTime": "2020-99-01T00:00:00Z"}, "month"),
        ({"maxConcurrentRunCount": "0"}, "at least 1"),
        ({"maxRunCount": "0"}, "at least 1"),
        ({"createPipelineJobRequest": {"parent": "p", "pipelineJob": {}}}, "no pipelineSpec"),
    ],
)
def test_a_schedule_that_would_run_nothing_is_refused(local: Local, fields: dict[str, Any], problem: str) -> None:
    status, answer = local.call("POST", "schedules", {**body_of(local), **fields})
    assert (status, problem in answer["error"]["message"]) == (400, True), answer


def test_a_patch_plans_the_next_run_anew_and_a_wrong_one_changes_nothing(local: Local) -> None:
    name = made(local)
    assert local.call("PATCH", f"{name}?updateMask=cron", {"cron": "nightly"})[0] == 400
    assert of(local, name)["cron"] == NEVER
    status, schedule = local.call("PATCH", f"{name}?updateMask=cron", {"cron": "0 0 1 1 *"})
    assert (status, read(schedule["nextRunTime"]).month) == (200, 1)


def test_a_paused_schedule_creates_nothing_and_a_resumed_one_catches_up_only_if_it_is_told_to(local: Local) -> None:
    forgetful, thorough = made(local, cron="0 * * * *"), made(local, cron="0 * * * *")
    for name in (forgetful, thorough):
        assert local.call("POST", f"{name}:pause") == (200, {})
        assert local.call("POST", f"{name}:pause")[0] == 400
        # Three hours go by.
        paused = of(local, name)
        missed = read(paused["nextRunTime"]) - 4 * HOUR
        local.cloud.store.of("aiplatform").put(name, "Schedule", {**paused, "nextRunTime": written(missed)})
    local.run(local.cloud.clockwork.fire(datetime.now(UTC)))
    local.call("POST", f"{forgetful}:resume")
    local.call("POST", f"{thorough}:resume", {"catchUp": True})
    for _ in range(6):
        local.run(local.cloud.clockwork.fire(datetime.now(UTC)))
    assert (len(jobs_of(local, forgetful)), len(jobs_of(local, thorough))) == (0, 4)
    assert (of(local, forgetful)["catchUp"], of(local, thorough)["catchUp"]) == (False, True)
    assert read(of(local, thorough)["nextRunTime"]) > datetime.now(UTC)
    for name in (forgetful, thorough):
        local.call("DELETE", name)


def test_more_active_runs_than_the_limit_are_skipped(local: Local, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    name = made(local, f"until [ -e {gate} ]; do sleep 0.02; done", maxConcurrentActiveRunCount="1")
    for _ in range(2):
        fire(local, name)
    assert (len(jobs_of(local, name)), of(local, name)["startedRunCount"]) == (1, "1")
    assert "1 runs are active" in local.cloud.store.last_lines(name, 1)[0][2]
    gate.touch()
    local.run(local.cloud.pipelines.wait(jobs_of(local, name)[0]["name"], 30))


def test_a_run_that_is_queued_starts_when_one_before_it_has_ended(local: Local, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    name = made(local, f"until [ -e {gate} ]; do sleep 0.02; done", maxConcurrentActiveRunCount="1", allowQueueing=True)
    fire(local, name)

    async def queued() -> None:
        moment = read((await local.ask("GET", name))[1]["nextRunTime"])
        waiting = asyncio.ensure_future(local.cloud.clockwork.fire(moment))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (await local.ask("GET", name))[1]["startedRunCount"] == "1"
        gate.touch()
        await asyncio.wait_for(waiting, 30)

    local.run(queued())
    assert of(local, name)["startedRunCount"] == "2"
    for job in jobs_of(local, name):
        local.run(local.cloud.pipelines.wait(job["name"], 30))
        assert local.call("GET", job["name"])[1]["state"] == "PIPELINE_STATE_SUCCEEDED"


def test_what_was_due_while_the_cloud_was_stopped_is_skipped_and_what_had_begun_counts_once(local: Local) -> None:
    idle, killed = made(local, cron="0 * * * *"), made(local, cron="0 * * * *")
    kept = local.cloud.store.of("aiplatform")
    for name in (idle, killed):
        kept.put(name, "Schedule", {**of(local, name), "nextRunTime": written(datetime.now(UTC) - 5 * HOUR)})
    # As a kill leaves it between the run and what the schedule remembers of it.
    job = schedules.job_of(killed, of(local, killed))
    kept.put(job, "PipelineJob", {"name": job, "scheduleName": killed, "state": "PIPELINE_STATE_RUNNING", "pipelineSpec": specification()})
    local.restart()
    assert "was stopped then" in local.cloud.store.last_lines(idle, 1)[0][2]
    assert [of(local, name)["startedRunCount"] for name in (idle, killed)] == ["0", "1"]
    assert all(read(of(local, name)["nextRunTime"]) > datetime.now(UTC) for name in (idle, killed))
    assert [len(jobs_of(local, name)) for name in (idle, killed)] == [0, 1]
    for name in (idle, killed):
        local.call("DELETE", name)


def test_a_run_that_cannot_be_created_is_told_and_the_schedule_goes_on(local: Local) -> None:
    local.call("POST", "/storage/v1/b?project=acme-test", {"name": "acme-gone"}, host="storage.googleapis.com")
    body = body_of(local)
    body["createPipelineJobRequest"]["pipelineJob"]["runtimeConfig"]["gcsOutputDirectory"] = "gs://acme-gone/root"
    name = local.call("POST", "schedules", body)[1]["name"]
    local.call("DELETE", "/storage/v1/b/acme-gone", host="storage.googleapis.com")
    fire(local, name)
    schedule = of(local, name)
    assert (schedule["state"], schedule["startedRunCount"]) == ("ACTIVE", "0")
    assert "acme-gone" in schedule["lastScheduledRunResponse"]["runResponse"]


def test_schedules_are_listed_the_newest_first_and_deleted(local: Local) -> None:
    names = [made(local, displayName=f"listed-{number}") for number in range(2)]
    _, page = local.call("GET", "schedules?filter=display_name:listed")
    assert [row["name"] for row in page["schedules"]] == names[::-1]
    _, page = local.call("GET", "schedules?filter=display_name:listed&orderBy=create_time")
    assert [row["name"] for row in page["schedules"]] == names
    assert local.call("DELETE", names[0])[1]["done"] is True
    assert local.call("GET", names[0])[0] == 404


@pytest.fixture(scope="module")
def pipeline_job(google_cloud: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the SDK schedules, led to an emulator of its own."""
    from google.cloud import aiplatform, storage

    project = "acme-scheduled"
    storage.Client(project=project).create_bucket("acme-scheduled-runs", location="EU")
    aiplatform.init(project=project, location="europe-west4")
    template = tmp_path_factory.mktemp("template") / "nightly.json"
    template.write_text(json.dumps(specification()))
    return aiplatform.PipelineJob(display_name="nightly", template_path=str(template), pipeline_root="gs://acme-scheduled-runs/root")


@pytest.mark.long
def test_the_sdk_creates_changes_switches_lists_and_deletes_schedules(pipeline_job: Any) -> None:
    from google.cloud import aiplatform

    schedule = pipeline_job.create_schedule(cron="TZ=Europe/Berlin 0 4 * * *", display_name="nightly", max_run_count=3)
    assert (schedule.state.name, schedule.cron) == ("ACTIVE", "TZ=Europe/Berlin 0 4 * * *")
    schedule.pause()
    assert schedule.state.name == "PAUSED"
    schedule.update(cron="0 5 * * 1", max_run_count=4)
    schedule.resume(catch_up=False)
    found = aiplatform.PipelineJobSchedule.get(schedule.resource_name)
    assert (found.state.name, found.cron, found.max_run_count) == ("ACTIVE", "0 5 * * 1", 4)
    assert [one.resource_name for one in aiplatform.PipelineJobSchedule.list(filter='display_name="nightly"')] == [found.resource_name]
    assert found.list_jobs() == []
    found.delete()
    assert aiplatform.PipelineJobSchedule.list() == []


@pytest.mark.long
def test_a_schedule_of_every_minute_runs_by_the_real_clock(pipeline_job: Any) -> None:
    from google.cloud import aiplatform

    schedule = aiplatform.PipelineJobSchedule(pipeline_job=pipeline_job, display_name="each minute")
    schedule.create(cron="* * * * *", max_run_count=1)
    deadline = time.monotonic() + 75
    while not (jobs := schedule.list_jobs()):
        assert time.monotonic() < deadline, "no run was created within a minute"
        time.sleep(1)
    jobs[0].wait()
    assert jobs[0].state.name == "PIPELINE_STATE_SUCCEEDED"
    assert aiplatform.PipelineJobSchedule.get(schedule.resource_name).state.name == "COMPLETED"
