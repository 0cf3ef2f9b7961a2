"""Custom and hyperparameter tuning jobs; and what else trains or predicts in the background, which is refused rather than pretended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, at_start, on, refuses
from emulator.quotas import check_training

if TYPE_CHECKING:
    from emulator.cloud import Cloud

RUN = ("customJobs", "hyperparameterTuningJobs", "trainingPipelines")
GLANCE_SECONDS = 4.0
NOT_RUN = (
    "modelDeploymentMonitoringJobs",
    "modelMonitors.modelMonitoringJobs",
    "notebookExecutionJobs",
    "dataLabelingJobs",
    "nasJobs",
)
refuses("aiplatform", *(f"projects.locations.{kind}.create" for kind in NOT_RUN))


@on("aiplatform", "projects.locations.customJobs.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Starts the processes of a job."""
    check_training(cloud.store, call.location, call.body["jobSpec"])
    with cloud.store.transaction():
        return cloud.jobs.start(cloud.resources.create(call))


@on("aiplatform", "projects.locations.hyperparameterTuningJobs.create")
async def create_tuning(call: Call, cloud: Cloud) -> Json:
    """Starts the first trials of a job."""
    cloud.tuning.check(call.location, call.body)
    with cloud.store.transaction():
        return cloud.tuning.start(cloud.resources.create(call))


@on("aiplatform", *(f"projects.locations.{kind}.get" for kind in RUN))
async def get(call: Call, cloud: Cloud) -> Json:
    """The job; of a running one, its state after its end or after a few seconds."""
    cloud.resources.load(call)
    await cloud.background.wait(call.name, GLANCE_SECONDS)
    return cloud.resources.load(call)


@on("aiplatform", *(f"projects.locations.{kind}.cancel" for kind in RUN))
async def cancel(call: Call, cloud: Cloud) -> Json:
    """Ends a job's processes. A job that has ended stays as it is."""
    cloud.resources.load(call)
    cloud.background.cancel(call.name)
    return {}


@on("aiplatform", *(f"projects.locations.{kind}.delete" for kind in RUN))
async def delete(call: Call, cloud: Cloud) -> Json | Response:
    """Deletes a job that has ended."""
    cloud.resources.load(call)
    if cloud.background.runs(call.name):
        raise Refusal(400, "FAILED_PRECONDITION", f"{call.name} still runs. It was not deleted. Cancel it and wait for its end first.")
    return await cloud.resources.default(call)


@at_start
async def end_interrupted(cloud: Cloud) -> None:
    """Ends the custom jobs that a stop of the emulator cut off; tuning jobs go on with the trials that are left."""
    for name in cloud.background.unfinished("CustomJob"):
        message = "The local Google Cloud was stopped while the job ran. Submit it again."
        cloud.background.fail(name, "CustomJob", Refusal(503, "UNAVAILABLE", message))
    for name in cloud.background.unfinished("HyperparameterTuningJob"):
        cloud.tuning.resume(name)
