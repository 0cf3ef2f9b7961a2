"""Executes one container of a pipeline: inputs as files, a process, retries, outputs into Cloud Storage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import number
from emulator.engines.pipelines import artifacts, containers
from emulator.engines.pipelines.cache import Cache
from emulator.engines.pipelines.outputs import outputs_of
from emulator.engines.pipelines.placeholders import Filling
from emulator.engines.pipelines.tasks import Task, TaskFailed, Values
from emulator.processes.command import Command, Ended
from emulator.processes.said import Said
from emulator.processes.supervisor import LauncherFailed

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]
Enter = Callable[[Task, str], None]

LIMIT_SECONDS = 4 * 3600.0
"""A step that hangs is ended; on Vertex AI after a week."""
LONGEST_BACKOFF_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run: a PipelineJob without its resource."""

    name: str
    """`projects/P/locations/L/pipelineJobs/J`."""
    spec: Json
    parameters: Json
    root: str
    """`gs://` address below which the artifacts go."""
    project_number: str
    environment: dict[str, str]
    """Variables of every step."""
    fail_fast: bool = False

    @property
    def id(self) -> str:
        """Last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def location(self) -> str:
        """`projects/P/locations/L`."""
        return self.name.partition("/pipelineJobs/")[0]

    def variables(self, task: Task) -> dict[str, str]:
        """What the placeholders of a pipeline stand for in `task`."""
        return {
            "pipeline_job_name": self.id,
            "pipeline_job_resource_name": self.name,
            "pipeline_job_uuid": self.id,
            "pipeline_job_create_time_utc": task.created,
            "pipeline_job_schedule_time_utc": task.created,
            "pipeline_task_name": task.name,
            "pipeline_task_uuid": task.id,
            "pipeline_root": self.root,
        }


class Steps:
    """Executes the containers of one run."""

    def __init__(self, cloud: Cloud, folder: Path, job: Job) -> None:
        self.cloud = cloud
        self.folder = folder
        self.cache = Cache(cloud.store, cloud.objects)
        containers_ = {label: executor["container"] for label, executor in _executors(job.spec).items() if "container" in executor}
        self.ahead = {label: self._preload(container) for label, container in containers_.items()}
        """What the images of the steps that have not come yet preload, by executor."""

    def _preload(self, container: Json) -> tuple[str, ...]:
        try:
            return self.cloud.images.get(container.get("image", "")).preload
        except Refusal:
            return ()

    async def execute(self, job: Job, spec: Json, component: Json, task: Task, enter: Enter) -> Values:
        """Run the container of `task` and give its outputs.

        Raises:
            TaskFailed: when it cannot be run, or failed as often as its retry policy allows.
        """
        executor = _executors(job.spec)[component["executorLabel"]]
        if "importer" in executor:
            enter(task, "RUNNING")
            return self._imported(executor["importer"], job, task)
        container = executor["container"]
        key = self.cache.key(container, component, task.inputs) if spec.get("cachingOptions", {}).get("enableCache") else ""
        if key and (known := self.cache.get(key)):
            self.ahead.pop(component["executorLabel"], None)
            # What is told of a task that has ended holds its outputs.
            task.outputs = known
            enter(task, "SKIPPED")
            return known
        enter(task, "RUNNING")
        # What follows a step that runs will run too, mostly, and its process takes seconds to import what its image preloads.
        self.cloud.supervisor.warm(self.ahead.values())
        base = f"{job.root.rstrip('/')}/{job.project_number}/{job.id}/{task.name}_{task.id}"
        executor_input = self._executor_input(job, component, task, base)
        await self._attempts(job, spec, container, task, executor_input)
        outputs = outputs_of(executor_input, component)
        self._check(outputs)
        for uri in (base, *(artifact["uri"] for given in outputs.artifacts.values() for artifact in given)):
            await artifacts.adopt(self.cloud.objects, uri)
        if key:
            self.cache.put(key, outputs)
        return outputs

    def _executor_input(self, job: Job, component: Json, task: Task, base: str) -> Json:
        """KFP's ExecutorInput: where the step finds its inputs and leaves its outputs."""
        definitions = component.get("outputDefinitions", {})
        self._check(task.inputs)
        for name in (*definitions.get("artifacts", {}), *definitions.get("parameters", {})):
            artifacts.path(self.cloud.objects, f"{base}/{name}")
        folder = artifacts.path(self.cloud.objects, base)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TaskFailed(f"The folder {base} of the step's outputs cannot be made: {error.strerror}") from None
        outputs = {
            name: {
                "artifacts": [
                    {
                        "name": f"{job.location}/metadataStores/default/artifacts/{number()}",
                        "type": definition["artifactType"],
                        "uri": f"{base}/{name}",
                        "metadata": definition.get("metadata", {}),
                    }
                ]
            }
            for name, definition in definitions.get("artifacts", {}).items()
        }
        return {
            "inputs": {
                "parameterValues": task.inputs.parameters,
                "artifacts": {name: {"artifacts": given} for name, given in task.inputs.artifacts.items()},
            },
            "outputs": {
                "parameters": {name: {"outputFile": f"{folder}/{name}"} for name in definitions.get("parameters", {})},
                "artifacts": outputs,
                "outputFile": str(folder / "executor_output.json"),
            },
        }

    async def _attempts(self, job: Job, spec: Json, container: Json, task: Task, executor_input: Json) -> None:
        """Run the process, again after failures as far as the retry policy goes."""
        policy = spec.get("retryPolicy", {})
        retries = int(policy.get("maxRetryCount", 0))
        delay = _seconds(policy.get("backoffDuration", "0s"))
        longest = _seconds(policy.get("backoffMaxDuration", "0s")) or LONGEST_BACKOFF_SECONDS
        for attempt in range(1, retries + 2):
            ended, said = await self._process(job, container, task, executor_input, attempt)
            task.used = {"seconds": ended.seconds, "cpuSeconds": ended.cpu_seconds, "peakMb": ended.peak_mb, "attempts": attempt}
            if ended.code == 0:
                return
            if attempt <= retries:
                self.cloud.log(job.name, f"[{task.path}] attempt {attempt} of {retries + 1} failed: {said}")
                await asyncio.sleep(min(delay * float(policy.get("backoffFactor") or 2) ** (attempt - 1), longest))
        raise TaskFailed(f"{ended.reason or f'exit code {ended.code}'}: {said}")

    async def _process(self, job: Job, container: Json, task: Task, executor_input: Json, attempt: int) -> tuple[Ended, str]:
        """Run the process once; gives its end and what it said last."""
        try:
            image = self.cloud.images.get(container.get("image", ""))
        except Refusal as refusal:
            raise TaskFailed(refusal.message) from None
        program = containers.program(container, image.entry_point)
        filling = Filling(executor_input, str(self.cloud.objects.folder), job.variables(task))
        said = Said()

        def log(line: str) -> None:
            if not line.startswith("[KFP Executor"):
                said.add(line)
            self.cloud.log(job.name, f"[{task.path}] {line}")

        command = Command(
            form=program.form,
            arguments=filling.command(program.words),
            source=program.source,
            preload=image.preload,
            folder=str(self.folder / f"{task.id}-{attempt}"),
            environment={**job.environment, **{variable["name"]: variable.get("value", "") for variable in container.get("env", [])}},
            mount=str(self.cloud.objects.folder),
            seconds=LIMIT_SECONDS,
            memory=containers.memory_limit(container),
        )
        try:
            return await self.cloud.supervisor.run(command, log), said.last
        except LauncherFailed as failure:
            raise TaskFailed(str(failure)) from None

    def _check(self, values: Values) -> None:
        for given in values.artifacts.values():
            for artifact in given:
                artifacts.check(self.cloud.objects, artifact)

    def _imported(self, importer: Json, job: Job, task: Task) -> Values:
        """The artifact that an importer names."""
        uri = importer["artifactUri"].get("constant") or task.inputs.parameters.get("uri", "")
        name = f"{job.location}/metadataStores/default/artifacts/{number()}"
        artifact = {"name": name, "type": importer["typeSchema"], "uri": uri, "metadata": importer.get("metadata", {})}
        artifacts.check(self.cloud.objects, artifact)
        return Values({}, {"artifact": [artifact]})


def _executors(spec: Json) -> dict[str, Json]:
    executors: dict[str, Json] = spec["deploymentSpec"]["executors"]
    return executors


def _seconds(duration: str | float) -> float:
    """`1.5s` as a number."""
    return float(str(duration).rstrip("s") or 0)
