"""A run as Google's API shows it: PipelineTaskDetail, and its executions, artifacts and events in ML Metadata."""

from __future__ import annotations

from typing import Any

from emulator.engines.metadata import Metadata
from emulator.engines.pipelines.run import Run
from emulator.engines.pipelines.step import Job
from emulator.engines.pipelines.tasks import CONTAINER, Task

Json = dict[str, Any]

EXECUTION_STATES = {
    "PENDING": "NEW",
    "RUNNING": "RUNNING",
    "SUCCEEDED": "COMPLETE",
    "SKIPPED": "CACHED",
    "FAILED": "FAILED",
    "CANCELLED": "CANCELLED",
}
FAILED_PRECONDITION = 9
CANCELLED = 1


def contexts(job: Job) -> tuple[str, str]:
    """Names of the contexts of a job's pipeline and of its run."""
    store = f"{job.location}/metadataStores/default"
    return f"{store}/contexts/{job.spec['pipelineInfo']['name']}", f"{store}/contexts/{job.id}"


def open_contexts(job: Job, metadata: Metadata) -> None:
    """Make the contexts of a job: its pipeline, and this run of it."""
    metadata.open(job.location)
    pipeline, run = contexts(job)
    metadata.put(pipeline, "Context", {"displayName": job.spec["pipelineInfo"]["name"], "schemaTitle": "system.Pipeline", "metadata": {}})
    metadata.put(
        run,
        "Context",
        {"displayName": job.id, "schemaTitle": "system.PipelineRun", "metadata": {}, "parentContexts": [pipeline]},
    )


def details(run: Run) -> list[Json]:
    """`jobDetail.taskDetails`."""
    return [_detail(run.job, task) for task in run.tasks]


def error(task: Task) -> Json | None:
    """Why a task did not succeed, as a Status."""
    if not task.error:
        return None
    return {"code": CANCELLED if task.state == "CANCELLED" else FAILED_PRECONDITION, "message": task.error}


def record(run: Run, task: Task, metadata: Metadata) -> None:
    """Write a task's execution into the run's context; when it has succeeded, its artifacts and events too."""
    execution = _execution(run.job, task)
    metadata.put(execution["name"], "Execution", execution)
    names = [execution["name"]]
    events = []
    if task.ended and task.kind == CONTAINER:
        for way, values in (("INPUT", task.inputs), ("OUTPUT", task.outputs)):
            for artifact in (one for given in values.artifacts.values() for one in given):
                metadata.put(artifact["name"], "Artifact", _artifact(artifact))
                names.append(artifact["name"])
                events.append({"artifact": artifact["name"], "type": way})
        metadata.link(execution["name"], events)
    pipeline, own = contexts(run.job)
    metadata.add(own, names)
    if task is run.root:
        # The SDK lists the runs of a pipeline by it: https://cloud.google.com/vertex-ai/docs/pipelines/compare-runs
        metadata.add(pipeline, [execution["name"]])


def _detail(job: Job, task: Task) -> Json:
    detail = {
        "taskId": task.id,
        "parentTaskId": task.parent.id if task.parent else None,
        "taskName": task.name,
        "taskUniqueName": task.path,
        "state": task.state,
        "createTime": task.created,
        "startTime": task.started,
        "endTime": task.ended,
        "error": error(task),
        "execution": _execution(job, task),
        "inputs": {name: {"artifacts": [_artifact(one) for one in given]} for name, given in task.inputs.artifacts.items()},
        "outputs": {name: {"artifacts": [_artifact(one) for one in given]} for name, given in task.outputs.artifacts.items()},
        "pipelineTaskStatus": [{"updateTime": moment, "state": state} for moment, state in task.history],
    }
    return {key: value for key, value in detail.items() if value}


def _execution(job: Job, task: Task) -> Json:
    metadata = {
        **{f"input:{name}": value for name, value in task.inputs.parameters.items()},
        **{f"output:{name}": value for name, value in task.outputs.parameters.items()},
        **{f"usage:{name}": value for name, value in task.used.items()},
    }
    return {
        "name": f"{job.location}/metadataStores/default/executions/{task.id}",
        "displayName": task.name,
        "schemaTitle": task.kind,
        "schemaVersion": "0.0.1",
        "state": EXECUTION_STATES.get(task.state, "STATE_UNSPECIFIED"),
        "metadata": metadata,
    }


def _artifact(artifact: Json) -> Json:
    kind = artifact.get("type", {})
    return {
        "name": artifact["name"],
        "displayName": artifact.get("displayName", artifact["uri"].rpartition("/")[2]),
        "uri": artifact["uri"],
        "schemaTitle": kind.get("schemaTitle", "system.Artifact"),
        "schemaVersion": kind.get("schemaVersion", "0.0.1"),
        "state": "LIVE",
        "metadata": artifact.get("metadata", {}),
    }
