"""Cloud Scheduler: jobs are kept, switched on and off, and run when that is asked for; the clock itself starts none.

https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, completes, not_emulated, on
from emulator.clock import now

if TYPE_CHECKING:
    from emulator.cloud import Cloud

JOBS = "projects.locations.jobs"
TARGETS = ("pubsubTarget", "httpTarget", "appEngineHttpTarget")
CRON = re.compile(r"\S+( \S+){4}|every .+")
STATES = {"pause": "PAUSED", "resume": "ENABLED"}


@completes("cloudscheduler", "Job")
def complete(call: Call, cloud: Cloud, name: str, job: Json) -> None:
    """A job has a schedule and one target; a topic that it publishes to must be there."""
    if len([target for target in TARGETS if target in job]) != 1:
        raise Refusal(400, "INVALID_ARGUMENT", "Job.target must be set: a job has exactly one target. The job was not written.")
    if not CRON.fullmatch(job.get("schedule", "")):
        raise Refusal(400, "INVALID_ARGUMENT", f"Schedule {job.get('schedule', '')!r} is no cron expression. The job was not written.")
    if target := job.get("pubsubTarget"):
        if not target.get("data") and not target.get("attributes"):
            message = "PubsubTarget.data and PubsubTarget.attributes are both empty. The job was not written. Give one of them."
            raise Refusal(400, "INVALID_ARGUMENT", message)
        _topic(cloud, target)
    job.setdefault("state", "ENABLED")
    job["userUpdateTime"] = now()


@on("cloudscheduler", *(f"{JOBS}.{verb}" for verb in STATES))
async def switch(call: Call, cloud: Cloud) -> Json:
    """A paused job is kept and never starts."""
    return cloud.resources.save(call, call.name, {**cloud.resources.load(call), "state": STATES[call.verb]}, "Job")


@on("cloudscheduler", f"{JOBS}.run")
async def run(call: Call, cloud: Cloud) -> Json:
    """Runs a job now, whatever its state."""
    job = cloud.resources.load(call)
    if "pubsubTarget" not in job:
        raise not_emulated("A job with another target than a topic of Pub/Sub")
    target = job["pubsubTarget"]
    cloud.messages.publish(_topic(cloud, target), [{key: target[key] for key in ("data", "attributes") if key in target}])
    return cloud.resources.save(call, call.name, {**job, "lastAttemptTime": now(), "status": {}}, "Job")


def _topic(cloud: Cloud, target: Json) -> str:
    name = cloud.projects.by_id(target.get("topicName", ""))
    if cloud.store.of("pubsub").get(name) is None:
        raise Refusal(404, "NOT_FOUND", f"Topic {name} does not exist, so the job could publish nothing. Create the topic first.")
    return name
