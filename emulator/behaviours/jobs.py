"""Custom jobs; and what else trains or predicts in the background, which is refused rather than pretended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, at_start, not_emulated, on
from emulator.clock import now
from emulator.quotas import check_training

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.jobs import Outcome

JOBS = "projects.locations.customJobs"
KIND = "CustomJob"
GLANCE_SECONDS = 4.0
NOT_RUN = (
    "hyperparameterTuningJobs",
    "batchPredictionJobs",
    "trainingPipelines",
    "tuningJobs",
    "modelDeploymentMonitoringJobs",
    "modelMonitors.modelMonitoringJobs",
    "notebookExecutionJobs",
    "dataLabelingJobs",
    "nasJobs",
)


@on("aiplatform", f"{JOBS}.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Starts the processes of a job."""
    check_training(cloud.store, call.location, call.body["jobSpec"])
    created = cloud.resources.create(call)
    name = created["name"]
    kept = cloud.store.of("aiplatform")

    def changed(outcome: Outcome) -> None:
        moment = "startTime" if outcome.state == "JOB_STATE_RUNNING" else "endTime"
        job = {**(kept.get(name) or created), "state": outcome.state, "updateTime": now(), moment: now()}
        if outcome.error:
            job["error"] = {"code": 1 if outcome.state == "JOB_STATE_CANCELLED" else 9, "message": outcome.error}
        kept.put(name, KIND, job)

    created |= {"state": "JOB_STATE_PENDING"}
    kept.put(name, KIND, created)
    try:
        cloud.jobs.start(name, created["jobSpec"], changed)
    except Refusal:
        kept.delete(name)
        raise
    return created


@on("aiplatform", f"{JOBS}.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """The job; of a running one, its state after its end or after a few seconds."""
    cloud.resources.load(call)
    await cloud.jobs.wait(call.name, GLANCE_SECONDS)
    return cloud.resources.load(call)


@on("aiplatform", f"{JOBS}.cancel")
async def cancel(call: Call, cloud: Cloud) -> Json:
    """Ends a job's processes. A job that has ended stays as it is."""
    name = call.name
    cloud.resources.load(call, name)
    cloud.jobs.cancel(name)
    return {}


@on("aiplatform", f"{JOBS}.delete")
async def delete(call: Call, cloud: Cloud) -> Json | Response:
    """Deletes a job that has ended."""
    cloud.resources.load(call)
    if cloud.jobs.runs(call.name):
        raise Refusal(400, "FAILED_PRECONDITION", f"{call.name} still runs. It was not deleted. Cancel it and wait for its end first.")
    return await cloud.resources.default(call)


@on("aiplatform", *(f"projects.locations.{kind}.create" for kind in NOT_RUN))
async def refuse(call: Call, cloud: Cloud) -> Json:
    """A job that nothing would run must not say that it succeeded."""
    raise not_emulated(f"{call.service}.{call.method}")


@at_start
async def end_interrupted(cloud: Cloud) -> None:
    """Ends the jobs that a stop of the emulator cut off."""
    kept = cloud.store.of("aiplatform")
    for name, job in kept.items(kind=KIND):
        if job.get("state") in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING"):
            message = "The local Google Cloud was stopped while the job ran. Submit it again."
            kept.put(name, KIND, {**job, "state": "JOB_STATE_FAILED", "endTime": now(), "error": {"code": 14, "message": message}})
