"""Vertex AI Pipelines: PipelineJobs run in the local engine; `PipelineJob.wait()` sees the end when it comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Call, Json, Refusal, Response, at_start, on
from emulator.clock import now
from emulator.engines import entries
from emulator.engines.metadata import Metadata
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.engines.pipelines.run import Run
    from emulator.engines.pipelines.step import Job
    from emulator.engines.pipelines.tasks import Task

JOBS = "projects.locations.pipelineJobs"
KIND = "PipelineJob"
UNFINISHED = ("PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING", "PIPELINE_STATE_CANCELLING")
GLANCE_SECONDS = 3.0
"""How long the first read of a running job waits for its end: a short job is seen to have ended by the first."""
WAIT_SECONDS = 25.0
"""How long the reads of a waiting client do."""
WAITER_SLEEPS = (4.5, 7.0)
"""`PipelineJob.wait()` sleeps five seconds between two reads. A read that comes so long after another waits for the end, which
is then seen when it comes and not up to five seconds later; whoever reads more often wants to see the steps and is answered."""
_last_read: dict[str, float] = {}


@on("aiplatform", f"{JOBS}.create")
async def create(call: Call, cloud: Cloud) -> Json:
    """Accepts a compiled specification and starts it."""
    return submit(call, cloud)


def submit(call: Call, cloud: Cloud) -> Json:
    """Starts the pipeline job that is the body of `call`, a `pipelineJobs.create`.

    Raises:
        Refusal: It could not run.
    """
    from emulator.engines.pipelines import resource
    from emulator.engines.pipelines.journal import Journal

    check(call.body, cloud)
    created = cloud.resources.create(call)
    job = _job(created, cloud)
    resource.open_contexts(job, Metadata(cloud.store))
    created |= {"state": "PIPELINE_STATE_PENDING", "displayName": created.get("displayName", job.id)}
    cloud.store.of("aiplatform").put(job.name, KIND, created)

    # One of an earlier job of this name, whose last line a kill may have kept.
    Journal(cloud.store, job.name).forget()
    _run(job, cloud)
    return _with_contexts(created, cloud)


def _job(created: Json, cloud: Cloud) -> Job:
    """What a PipelineJob's resource asks to be run."""
    from emulator.engines.pipelines.step import Job

    spec, runtime, name = created["pipelineSpec"], created.get("runtimeConfig", {}), created["name"]
    _, project, _, location, _, id_ = name.split("/")
    return Job(
        name=name,
        spec=spec,
        parameters=runtime.get("parameterValues") or {k: next(iter(v.values()), None) for k, v in runtime.get("parameters", {}).items()},
        root=_root(created),
        project_number=project_number(project),
        environment={
            **cloud.environment_of(created.get("serviceAccount", ""), project),
            "GOOGLE_CLOUD_PROJECT": project,
            "CLOUD_ML_PROJECT_ID": project_number(project),
            "CLOUD_ML_REGION": location,
            "CLOUD_ML_JOB_ID": id_,
        },
        fail_fast=runtime.get("failurePolicy") == "PIPELINE_FAILURE_POLICY_FAIL_FAST",
    )


def _root(created: Json) -> str:
    """Where the artifacts go."""
    return str(created.get("runtimeConfig", {}).get("gcsOutputDirectory") or created["pipelineSpec"].get("defaultPipelineRoot", ""))


def _run(job: Job, cloud: Cloud) -> Run:
    """Starts a job, or goes on with it."""
    from emulator.engines.pipelines import resource

    def changed(run: Run, task: Task) -> None:
        if task.ended or task is run.root:
            resource.record(run, task, Metadata(cloud.store))
        if task is run.root:
            _save(run, cloud)
            if task.ended:
                _log_end(run, cloud)

    return cloud.pipelines.start(job, changed)


@on("aiplatform", f"{JOBS}.get")
async def get(call: Call, cloud: Cloud) -> Json:
    """The job; of a running one that `PipelineJob.wait()` reads, its state after its end or after a while."""
    cloud.resources.load(call)
    if cloud.pipelines.get(call.name):
        slept = time.monotonic() - _last_read[call.name] if call.name in _last_read else None
        if slept is None:
            await cloud.pipelines.wait(call.name, GLANCE_SECONDS)
        elif WAITER_SLEEPS[0] <= slept <= WAITER_SLEEPS[1]:
            await cloud.pipelines.wait(call.name, WAIT_SECONDS)
        _last_read[call.name] = time.monotonic()
    if run := cloud.pipelines.get(call.name):
        return _with_contexts(_save(run, cloud), cloud)
    _last_read.pop(call.name, None)
    return _with_contexts(cloud.resources.load(call), cloud)


@on("aiplatform", f"{JOBS}.cancel")
async def cancel(call: Call, cloud: Cloud) -> Json:
    """Stops a job; exit handlers still run. A job that has ended stays as it is."""
    name = call.name
    cloud.resources.load(call, name)
    if run := cloud.pipelines.get(name):
        run.cancel()
        _save(run, cloud)
    return {}


@on("aiplatform", f"{JOBS}.delete")
async def delete(call: Call, cloud: Cloud) -> Json | Response:
    """Deletes a job that has ended."""
    if cloud.pipelines.get(call.name):
        raise Refusal(400, "FAILED_PRECONDITION", f"{call.name} still runs. It was not deleted. Cancel it and wait for its end first.")
    return await cloud.resources.default(call)


@at_start
async def start(cloud: Cloud) -> None:
    """Goes on with the jobs that a stop of the emulator cut off, and starts the process for steps of the first image in the table."""
    # Every run needs it, cached or not; the heavier ones wait until a step is about to run.
    cloud.supervisor.warm([next(filter(None, cloud.supervisor.launchers), ())])
    for name, job in cloud.store.of("aiplatform").items(kind=KIND):
        if job.get("state") in UNFINISHED:
            cloud.log(
                name, "The local Google Cloud was stopped while the pipeline ran. It goes on: what had ended stays, what ran begins anew."
            )
            run = _run(_job(job, cloud), cloud)
            if job["state"] == UNFINISHED[-1]:
                run.cancel()


def _save(run: Run, cloud: Cloud) -> Json:
    """Store what is known of a run now."""
    from emulator.engines.pipelines import resource

    kept = cloud.store.of("aiplatform")
    job = kept.get(run.job.name) or {}
    root = run.root
    state = "CANCELLING" if run.cancelled and not root.ended else root.state
    job |= {"state": f"PIPELINE_STATE_{state}", "updateTime": now(), "jobDetail": {"taskDetails": resource.details(run)}}
    moments: dict[str, Any] = {"startTime": root.started, "endTime": root.ended, "error": resource.error(root)}
    job |= {key: value for key, value in moments.items() if value}
    return kept.put(run.job.name, KIND, job)


def _log_end(run: Run, cloud: Cloud) -> None:
    """Vertex AI logs how a run ended, for alerts and whoever looks for it.

    https://cloud.google.com/vertex-ai/docs/pipelines/logging
    """
    _, project, _, location, _, id_ = run.job.name.split("/")
    labels = {"resource_container": run.job.project_number, "location": location, "pipeline_job_id": id_}
    entry = {
        "logName": f"projects/{project}/logs/aiplatform.googleapis.com%2Fpipeline_job_events",
        "resource": {"type": "aiplatform.googleapis.com/PipelineJob", "labels": labels},
        "severity": "ERROR" if run.root.state == "FAILED" else "INFO",
        "jsonPayload": {"pipelineName": run.job.spec["pipelineInfo"]["name"], "state": f"PIPELINE_STATE_{run.root.state}"},
    }
    entries.write(cloud, [entry])


def _with_contexts(job: Json, cloud: Cloud) -> Json:
    """The job with its contexts as they are now: an experiment may have been added to them."""
    kept = cloud.store.of("aiplatform")
    store = f"{job['name'].partition('/pipelineJobs/')[0]}/metadataStores/default/contexts"
    found = {
        "pipelineContext": kept.get(f"{store}/{job['pipelineSpec']['pipelineInfo']['name']}"),
        "pipelineRunContext": kept.get(f"{store}/{job['name'].rpartition('/')[2]}"),
    }
    return {**job, "jobDetail": {**job.get("jobDetail", {}), **{key: context for key, context in found.items() if context}}}


def check(job: Json, cloud: Cloud) -> None:
    """Refuses a pipeline job that could not run.

    Raises:
        Refusal: The job could not run.
    """
    spec, runtime = job.get("pipelineSpec"), job.get("runtimeConfig", {})
    if not spec:
        raise Refusal(
            400, "", "The pipeline job has no pipelineSpec; a templateUri alone is not emulated. Nothing was run. Send the specification."
        )
    _check_specification(spec)
    if runtime.get("inputArtifacts"):
        raise Refusal(
            400,
            "",
            "runtimeConfig.inputArtifacts is not emulated. Nothing was run. Pass the artifact's address as a parameter and begin with an "
            "importer step.",
        )
    root = _root(job)
    if not root.startswith("gs://"):
        raise Refusal(400, "", f"runtimeConfig.gcsOutputDirectory is {root!r}, not a gs:// address. Nothing was run. Set pipeline_root.")
    cloud.objects.bucket(root.removeprefix("gs://").partition("/")[0])


def _check_specification(spec: Json) -> None:
    """Refuses what is no compiled pipeline, and steps that would install packages into the environment that everything runs in."""
    from emulator.engines.pipelines import containers

    try:
        name, parts = spec["pipelineInfo"]["name"], (spec["root"]["dag"], spec["components"])
        if not isinstance(name, str) or not all(isinstance(part, dict) for part in parts):
            raise TypeError("a part of it has the wrong type")
        steps = {name: executor.get("container", {}) for name, executor in spec["deploymentSpec"]["executors"].items()}
        for container in steps.values():
            "".join([container.get("image", ""), *container.get("command", []), *container.get("args", [])])
    except (KeyError, TypeError, AttributeError) as error:
        message = f"The pipelineSpec is no compiled pipeline: {error}. Nothing was run. Compile it with kfp.compiler."
        raise Refusal(400, "", message) from None
    found = [name for name, container in steps.items() if containers.installs_packages(container)]
    if found:
        raise Refusal(
            400,
            "",
            f"{', '.join(sorted(found))} would install packages at their start; that would change everybody's environment. Nothing was "
            "run. Use @dsl.component(install_kfp_package=False) without packages_to_install, and an image that holds the packages.",
        )
