"""Cloud Scheduler: jobs fire by the clock, are switched on and off, and run when that is asked for.

https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from emulator.behaviours import Call, Json, Refusal, Response, at_start, completes, not_emulated, on
from emulator.clock import now
from emulator.engines import clockwork, executions
from emulator.engines.executions import ATTEMPTS, KIND, SERVICE, TARGETS
from emulator.operations import GLANCE_SECONDS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

JOBS = "projects.locations.jobs"
WITH_BODY = {"POST", "PUT", "PATCH"}
DEADLINES = (15.0, 1800.0)
"""Seconds that an attempt may be given, at least and at most."""
RETRIES = 5

clockwork.fires(SERVICE, KIND, executions.due, executions.skip)(executions.execute)


@at_start
async def start(cloud: Cloud) -> None:
    """Mends what a stop cut off, and lets the clock run."""
    moment = datetime.now(UTC)
    executions.mend(cloud, moment)
    cloud.clockwork.start(moment)


@completes(SERVICE, KIND)
def complete(call: Call, cloud: Cloud, name: str, job: Json) -> None:
    """A job has a schedule and one target; a topic that it publishes to must be there."""
    if len([target for target in TARGETS if target in job]) != 1:
        raise _refused("Job.target must be set: a job has exactly one target.")
    if target := job.get("pubsubTarget"):
        if not target.get("data") and not target.get("attributes"):
            raise _refused("PubsubTarget.data and PubsubTarget.attributes are both empty: give one of them.")
        executions.topic_of(cloud, target)
    if target := job.get("httpTarget"):
        _check_http(target, float(job.get("attemptDeadline", "180s").rstrip("s")))
    if not 0 <= job.get("retryConfig", {}).get("retryCount", 0) <= RETRIES:
        raise _refused(f"RetryConfig.retry_count is 0 to {RETRIES}.")
    job.setdefault("state", "ENABLED")
    job["userUpdateTime"] = now()
    try:
        executions.plan(job, datetime.now(UTC))
    except ValueError as error:
        raise _refused(f"Schedule {job.get('schedule', '')[:200]!r} has no next time: {error}.") from None
    cloud.store.of(ATTEMPTS).remove(name)
    cloud.clockwork.wake()


@on(SERVICE, f"{JOBS}.pause")
async def pause(call: Call, cloud: Cloud) -> Json:
    """A paused job is kept and does not fire."""
    return _switched(call, cloud, "PAUSED")


@on(SERVICE, f"{JOBS}.resume")
async def resume(call: Call, cloud: Cloud) -> Json:
    """It fires again at the next time of its schedule; what was due meanwhile is not made up for."""
    return _switched(call, cloud, "ENABLED")


@on(SERVICE, f"{JOBS}.delete")
async def delete(call: Call, cloud: Cloud) -> Json | Response:
    """A job ends with its schedule."""
    result = await cloud.resources.default(call)
    cloud.store.of(ATTEMPTS).remove(call.name)
    return result


@on(SERVICE, f"{JOBS}.run")
async def run(call: Call, cloud: Cloud) -> Json:
    """Runs a job now, whatever its state; the answer waits a moment for what comes of it."""
    job = cloud.resources.load(call)
    if "appEngineHttpTarget" in job:
        raise not_emulated("A job whose target is App Engine")
    if "pubsubTarget" in job:
        executions.topic_of(cloud, job["pubsubTarget"])
    await asyncio.wait([cloud.clockwork.spawn(executions.execute(cloud, call.name, datetime.now(UTC)))], timeout=GLANCE_SECONDS)
    return cloud.resources.load(call)


def _switched(call: Call, cloud: Cloud, state: str) -> Json:
    job = {**cloud.resources.load(call), "state": state}
    executions.plan(job, datetime.now(UTC))
    cloud.store.of(ATTEMPTS).remove(call.name)
    cloud.clockwork.wake()
    return cloud.resources.save(call, call.name, job, KIND)


def _check_http(target: Json, deadline: float) -> None:
    if urlsplit(target.get("uri", "")).scheme not in ("http", "https"):
        raise _refused("HttpTarget.uri must begin with http:// or https://.")
    if target.get("body") and target.get("httpMethod", "POST") not in WITH_BODY:
        raise _refused(f"HttpTarget.body is only for {', '.join(sorted(WITH_BODY))}.")
    if "oauthToken" in target and "oidcToken" in target:
        raise _refused("HttpTarget has an oauthToken and an oidcToken: it calls as one identity.")
    if not all(target[token].get("serviceAccountEmail") for token in ("oauthToken", "oidcToken") if token in target):
        raise _refused("HttpTarget's token names no serviceAccountEmail.")
    if not DEADLINES[0] <= deadline <= DEADLINES[1]:
        raise _refused(f"Job.attemptDeadline is {DEADLINES[0]:.0f} to {DEADLINES[1]:.0f} seconds.")


def _refused(problem: str) -> Refusal:
    return Refusal(400, "INVALID_ARGUMENT", f"{problem} The job was not written.")
