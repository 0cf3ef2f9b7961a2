"""Cloud Scheduler's executions: the attempts of a job, what follows one that fails, and what a stop of the emulator cut off.

That an attempt is out is written down before it is made: after a kill it is told, and counts as failed, but is not made again unnoticed.
https://cloud.google.com/scheduler/docs/configuring/retry-jobs
"""

from __future__ import annotations

import base64
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from emulator import identity
from emulator.behaviours import STATUS_NAMES, Refusal
from emulator.clock import read, written
from emulator.engines import cron, entries, targets
from emulator.operations import CODES

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

SERVICE, KIND = "cloudscheduler", "Job"
ATTEMPTS = "scheduler-attempts"
"""Job → of its execution under way: how many attempts there were, when the first was, and whether one is out."""
TARGETS = {"pubsubTarget": "PUB_SUB", "httpTarget": "HTTP", "appEngineHttpTarget": "APP_ENGINE_HTTP"}
"""Field of a job → what the log of executions calls it."""
DEADLINE_SECONDS = 180.0
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS, DOUBLINGS = 5.0, 3600.0, 5
"""Of a retry configuration that leaves them out."""
CUT_OFF = "The local Google Cloud was stopped while the attempt was out."


def due(job: Json) -> str:
    """When a job fires next; empty for one that does not."""
    return str(job.get("scheduleTime", "")) if job.get("state") == "ENABLED" else ""


def plan(job: Json, moment: datetime) -> None:
    """Writes into a job when its next execution after `moment` is due.

    Raises:
        ValueError: Its schedule or its time zone is none.
    """
    schedule = cron.parse(job.get("schedule", ""), job.get("timeZone", ""))
    job.pop("scheduleTime", None)
    if job["state"] == "ENABLED":
        job["scheduleTime"] = written(schedule.after(moment))


def skip(cloud: Cloud, name: str, moment: datetime) -> None:
    """An execution that was due while the emulator was stopped is told and left out; a retry is made late."""
    job = cloud.store.of(SERVICE).get(name)
    if job is None or cloud.store.of(ATTEMPTS).get(name):
        return
    cloud.log(name, f"The execution of {job['scheduleTime']} was skipped: the local Google Cloud was stopped then.")
    plan(job, moment)
    cloud.store.of(SERVICE).put(name, KIND, job)


def mend(cloud: Cloud, moment: datetime) -> None:
    """Attempts that were out when the emulator was stopped have failed; a job of an older state file is given its next time."""
    for name, job in cloud.store.of(SERVICE).items(kind=KIND):
        if job["state"] == "ENABLED" and "scheduleTime" not in job:
            plan(job, moment)
            cloud.store.of(SERVICE).put(name, KIND, job)
    for name, begun in cloud.store.of(ATTEMPTS).items():
        if begun["out"]:
            _end(cloud, name, "UNAVAILABLE", CUT_OFF, moment)


async def execute(cloud: Cloud, name: str, moment: datetime) -> None:
    """Makes one attempt of a job, and says what follows: a retry of this execution, or the next execution."""
    kept, attempts = cloud.store.of(SERVICE), cloud.store.of(ATTEMPTS)
    job = kept.get(name)
    if job is None:
        return
    begun = attempts.get(name) or {"tries": 0, "first": written(moment)}
    plan(job, moment)
    with cloud.store.transaction():
        attempts.put(name, "Attempt", {**begun, "tries": begun["tries"] + 1, "out": True})
        kept.put(name, KIND, {**job, "lastAttemptTime": written(moment)})
    started = time.monotonic()
    code, problem = await _attempt(cloud, name, job)
    _end(cloud, name, code, problem, moment + timedelta(seconds=time.monotonic() - started))


def backoff(config: Json, retry: int) -> float:
    """Seconds before a retry: doubled so often, then longer by the same amount each time, up to a limit.

    Args:
        config: `RetryConfig`.
        retry: From 1.
    """
    first = _seconds(config, "minBackoffDuration", FIRST_BACKOFF_SECONDS)
    doublings = int(config.get("maxDoublings", DOUBLINGS))
    pause = first * float(2 ** min(retry - 1, doublings)) * max(retry - doublings, 1)
    return min(pause, _seconds(config, "maxBackoffDuration", LONGEST_BACKOFF_SECONDS))


def tries_again(config: Json, tries: int, elapsed: float) -> bool:
    """Whether an execution that failed is tried once more.

    Args:
        config: `RetryConfig`: where both limits are set, both must be reached.
        tries: Attempts so far.
        elapsed: Seconds since the first.
    """
    longest = _seconds(config, "maxRetryDuration", 0.0)
    return tries <= int(config.get("retryCount", 0)) or elapsed < longest


async def _attempt(cloud: Cloud, name: str, job: Json) -> tuple[str, str]:
    """Name of the canonical code, empty for success, and what went wrong."""
    try:
        if target := job.get("pubsubTarget"):
            cloud.messages.publish(topic_of(cloud, target), [{key: target[key] for key in ("data", "attributes") if key in target}])
            return "", ""
        if target := job.get("httpTarget"):
            return await _request(cloud, name, target, _seconds(job, "attemptDeadline", DEADLINE_SECONDS))
    except Refusal as refusal:
        return refusal.status_name, refusal.message
    return "UNIMPLEMENTED", "App Engine is not emulated by the local Google Cloud."


async def _request(cloud: Cloud, name: str, target: Json, seconds: float) -> tuple[str, str]:
    uri, headers = target["uri"], {"User-Agent": "Google-Cloud-Scheduler", **target.get("headers", {})}
    headers |= {"X-CloudScheduler": "true", "X-CloudScheduler-JobName": name.rpartition("/")[2]}
    body = base64.b64decode(target.get("body", ""))
    if body:
        headers.setdefault("Content-Type", "application/octet-stream")
    if oauth := target.get("oauthToken"):
        headers["Authorization"] = f"Bearer {identity.access_token(oauth['serviceAccountEmail'])}"
    if oidc := target.get("oidcToken"):
        token = identity.identity_token(oidc["serviceAccountEmail"], oidc.get("audience") or uri, int(time.time()))
        headers["Authorization"] = f"Bearer {token}"
    http = target.get("httpMethod", "POST").replace("HTTP_METHOD_UNSPECIFIED", "POST")
    try:
        status = await targets.request(cloud, http, uri, headers, body, seconds)
    except TimeoutError:
        return "DEADLINE_EXCEEDED", f"{uri} did not answer within {seconds:.0f} seconds."
    except OSError as error:
        return "UNAVAILABLE", f"{uri} was not reached: {error}."
    return ("", "") if 200 <= status < 300 else (STATUS_NAMES.get(status, "UNKNOWN"), f"{uri} answered {status}.")


def topic_of(cloud: Cloud, target: Json) -> str:
    """The topic that a job publishes to.

    Raises:
        Refusal: It does not exist.
    """
    name = cloud.projects.by_id(target.get("topicName", ""))
    if cloud.store.of("pubsub").get(name) is None:
        raise Refusal(404, "NOT_FOUND", f"Topic {name} does not exist, so the job could publish nothing. Create the topic first.")
    return name


def _end(cloud: Cloud, name: str, code: str, problem: str, moment: datetime) -> None:
    """Writes down what came of an attempt, and when the next is due."""
    kept, attempts = cloud.store.of(SERVICE), cloud.store.of(ATTEMPTS)
    job, begun = kept.get(name), attempts.get(name)
    if job is None:
        return
    config = job.get("retryConfig", {})
    job["status"] = {"code": CODES.get(code, 2), "message": problem} if code else {}
    with cloud.store.transaction():
        if code and begun and tries_again(config, begun["tries"], (moment - read(begun["first"])).total_seconds()):
            attempts.put(name, "Attempt", {**begun, "out": False})
            if job["state"] == "ENABLED":
                job["scheduleTime"] = written(moment + timedelta(seconds=backoff(config, begun["tries"])))
                problem += f" It is tried again at {job['scheduleTime']}."
        else:
            attempts.remove(name)
        kept.put(name, KIND, job)
    if problem:
        cloud.log(name, problem)
    _log(cloud, name, job, code)
    cloud.clockwork.wake()


def _log(cloud: Cloud, name: str, job: Json, code: str) -> None:
    """https://cloud.google.com/scheduler/docs/logs"""
    _, project, _, location, _, id_ = name.split("/")
    kind = next(target for target in TARGETS if target in job)
    payload = {"@type": "type.googleapis.com/google.cloud.scheduler.logging.AttemptFinished", "jobName": name, "targetType": TARGETS[kind]}
    payload |= {"url": job[kind]["uri"]} if kind == "httpTarget" else {"pubsubTopic": job[kind].get("topicName", "")}
    entry = {
        "logName": f"projects/{project}/logs/cloudscheduler.googleapis.com%2Fexecutions",
        "resource": {"type": "cloud_scheduler_job", "labels": {"project_id": project, "location": location, "job_id": id_}},
        "severity": "ERROR" if code else "INFO",
        "jsonPayload": {**payload, **({"status": code} if code else {})},
    }
    entries.write(cloud, [entry])


def _seconds(fields: Json, key: str, default: float) -> float:
    return float(fields[key].rstrip("s")) if key in fields else default
