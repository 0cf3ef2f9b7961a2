"""Vertex AI schedules: pipeline jobs that the clock submits, as `PipelineJob.create_schedule` asks for.

https://cloud.google.com/vertex-ai/docs/pipelines/schedule-pipeline-run
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from emulator import discovery
from emulator.behaviours import Call, Json, Refusal, completes, not_emulated, on, pipelines
from emulator.clock import now, read, written
from emulator.engines import cron
from emulator.engines.clockwork import fires

if TYPE_CHECKING:
    from emulator.cloud import Cloud

SCHEDULES = "projects.locations.schedules"
SERVICE, KIND = "aiplatform", "Schedule"
ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+")
NAME_LENGTH = 80
"""Of a pipeline's name in the ids of its scheduled runs, which have 128 characters at most."""
ROOM_SECONDS = 5.0
"""How often a queued run looks whether its schedule still wants it."""


@completes(SERVICE, KIND)
def complete(call: Call, cloud: Cloud, name: str, schedule: Json) -> None:
    """A schedule says when, and holds a pipeline job that could run; a change counts from now on."""
    if "createPipelineJobRequest" not in schedule:
        raise not_emulated("A schedule of anything but pipeline jobs")
    if schedule.get("state") == "COMPLETED":
        raise Refusal(400, "FAILED_PRECONDITION", f"{name} is completed, and only active and paused schedules change. Create a new one.")
    for count in ("maxRunCount", "maxConcurrentActiveRunCount"):
        if int(schedule.get(count, 1)) < 1:
            raise Refusal(400, "INVALID_ARGUMENT", f"Schedule.{count} is {schedule[count]}, and at least 1. The schedule was not written.")
    if int(schedule.get("maxConcurrentRunCount", 0)) < 1:
        raise Refusal(400, "INVALID_ARGUMENT", "Schedule.maxConcurrentRunCount is required, and at least 1. The schedule was not written.")
    pipelines.check(schedule["createPipelineJobRequest"].get("pipelineJob", {}), cloud)
    schedule.setdefault("startedRunCount", "0")
    schedule.setdefault("startTime", schedule["createTime"])
    try:
        _plan(schedule, max(datetime.now(UTC), read(schedule["startTime"])))
    except ValueError as error:
        message = f"The schedule was not written: cron {schedule.get('cron', '')[:200]!r}, start and end time have no next run: {error}."
        raise Refusal(400, "INVALID_ARGUMENT", message) from None
    if schedule["state"] == "COMPLETED":
        message = (
            "The schedule was not written: it would have no run. Set an endTime after the first run, and a maxRunCount above those started."
        )
        raise Refusal(400, "INVALID_ARGUMENT", message)
    cloud.clockwork.wake()


@on(SERVICE, f"{SCHEDULES}.list")
async def list_schedules(call: Call, cloud: Cloud) -> Json:
    """The newest first, unless another order is asked for."""
    rows = sorted(cloud.store.of(SERVICE).list(call.name), key=lambda row: str(row["createTime"]), reverse=True)
    return cloud.resources.list(call, rows)


@on(SERVICE, f"{SCHEDULES}.pause")
async def pause(call: Call, cloud: Cloud) -> Json:
    """No runs are created any more; those that were created go on."""
    schedule = _in_state(call, cloud, "ACTIVE")
    cloud.resources.save(call, call.name, {**schedule, "state": "PAUSED", "lastPauseTime": now(), "updateTime": now()}, KIND)
    return {}


@on(SERVICE, f"{SCHEDULES}.resume")
async def resume(call: Call, cloud: Cloud) -> Json:
    """Runs are created again: with `catchUp`, those that were missed first."""
    schedule = _in_state(call, cloud, "PAUSED")
    schedule |= {"state": "ACTIVE", "lastResumeTime": now(), "updateTime": now(), "catchUp": bool(call.body.get("catchUp"))}
    if not schedule["catchUp"]:
        _plan(schedule, max(datetime.now(UTC), read(schedule["startTime"])))
    cloud.resources.save(call, call.name, schedule, KIND)
    cloud.clockwork.wake()
    return {}


def due(schedule: Json) -> str:
    """When a schedule creates its next run; empty where it creates none."""
    return str(schedule.get("nextRunTime", "")) if schedule.get("state") == "ACTIVE" else ""


def skip(cloud: Cloud, name: str, moment: datetime) -> None:
    """Runs that were due while the emulator was stopped are left out, unless the schedule catches up; one that had begun counts."""
    schedule = cloud.store.of(SERVICE).get(name)
    if schedule is None or schedule.get("catchUp"):
        return
    if cloud.store.of(SERVICE).get(job_of(name, schedule)) is not None:
        _started(schedule, job_of(name, schedule))
    else:
        cloud.log(name, f"The run of {schedule['nextRunTime']} was skipped: the local Google Cloud was stopped then.")
    _plan(schedule, moment)
    cloud.store.of(SERVICE).put(name, KIND, schedule)


@fires(SERVICE, KIND, due, skip)
async def run(cloud: Cloud, name: str, moment: datetime) -> None:
    """Creates the run of a schedule that is due; its id follows from its time, so a time has one run, whatever is killed in between."""
    kept = cloud.store.of(SERVICE)
    schedule = await _with_room(cloud, name)
    if schedule is None:
        return
    tick, job = read(schedule["nextRunTime"]), job_of(name, schedule)
    if _is_full(cloud, name, schedule):
        cloud.log(name, f"The run of {schedule['nextRunTime']} was skipped: {schedule['maxConcurrentActiveRunCount']} runs are active.")
    else:
        try:
            if kept.get(job) is None:
                _submit(cloud, name, schedule, job)
            _started(schedule, job)
        except Refusal as refusal:
            cloud.log(name, f"The run of {schedule['nextRunTime']} was not created: {refusal.message}")
            schedule["lastScheduledRunResponse"] = {"scheduledRunTime": schedule["nextRunTime"], "runResponse": refusal.message}
    _plan(schedule, tick if schedule.get("catchUp") or schedule.get("allowQueueing") else max(tick, moment))
    kept.put(name, KIND, schedule)


def job_of(name: str, schedule: Json) -> str:
    """The pipeline job that the next run of a schedule is."""
    request = schedule["createPipelineJobRequest"]
    prefix = request.get("pipelineJobId") or request["pipelineJob"]["pipelineSpec"]["pipelineInfo"]["name"]
    location, _, id_ = name.partition("/schedules/")
    stamp = read(schedule["nextRunTime"]).strftime("%Y%m%d%H%M%S")
    return f"{location}/pipelineJobs/{prefix[:NAME_LENGTH]}-{id_}-{stamp}"


def _submit(cloud: Cloud, name: str, schedule: Json, job: str) -> None:
    """As `pipelineJobs.create` does, in the name of Vertex AI itself."""
    document = discovery.document(SERVICE, "v1")
    assert document is not None
    collection, _, id_ = job.rpartition("/")
    body = {**schedule["createPipelineJobRequest"]["pipelineJob"], "scheduleName": name}
    call = Call(
        SERVICE, "v1", f"{pipelines.JOBS}.create", "POST", document.host, f"/v1/{collection}", collection, {}, {"pipelineJobId": [id_]},
        body, b"", {}, "", document.by_id[f"{pipelines.JOBS}.create"],
    )  # fmt: skip
    pipelines.submit(call, cloud)


def _started(schedule: Json, job: str) -> None:
    schedule["startedRunCount"] = str(int(schedule["startedRunCount"]) + 1)
    schedule["lastScheduledRunResponse"] = {"scheduledRunTime": schedule["nextRunTime"], "runResponse": job}


def _plan(schedule: Json, moment: datetime) -> None:
    """Writes when the next run after `moment` is due, or that there is none any more.

    Raises:
        ValueError: Its cron expression is none.
    """
    text = schedule.get("cron", "")
    zone = ZONE.match(text)
    fields = text[zone.end() :] if zone else text
    if fields.startswith("every"):
        raise ValueError("schedules of Vertex AI are written in unix-cron")
    following = cron.parse(fields, zone[1] if zone else "").after(moment)
    started = int(schedule["startedRunCount"])
    over = "endTime" in schedule and following > read(schedule["endTime"])
    schedule["nextRunTime"] = written(following)
    if over or started >= int(schedule.get("maxRunCount", started + 1)):
        schedule["state"] = "COMPLETED"
        del schedule["nextRunTime"]


async def _with_room(cloud: Cloud, name: str) -> Json | None:
    """The schedule, once it may create a run: where it queues, not before one of its active runs has ended. None if it does no longer."""
    first = (cloud.store.of(SERVICE).get(name) or {}).get("nextRunTime")
    while (schedule := cloud.store.of(SERVICE).get(name)) is not None and due(schedule) and due(schedule) == first:
        if not schedule.get("allowQueueing") or not _is_full(cloud, name, schedule):
            return schedule
        await cloud.pipelines.wait(_active(cloud, name)[0], ROOM_SECONDS)
    return None


def _is_full(cloud: Cloud, name: str, schedule: Json) -> bool:
    active = _active(cloud, name)
    return len(active) >= int(schedule.get("maxConcurrentActiveRunCount", len(active) + 1))


def _active(cloud: Cloud, name: str) -> list[str]:
    location = name.partition("/schedules/")[0]
    rows = cloud.store.of(SERVICE).items(f"{location}/pipelineJobs")
    return [job for job, row in rows if row.get("scheduleName") == name and row.get("state") in pipelines.UNFINISHED]


def _in_state(call: Call, cloud: Cloud, state: str) -> Json:
    schedule = cloud.resources.load(call)
    if schedule["state"] != state:
        message = f"{call.name} is {schedule['state']}, and {call.verb} needs one that is {state}. Nothing was changed."
        raise Refusal(400, "FAILED_PRECONDITION", message)
    return schedule
