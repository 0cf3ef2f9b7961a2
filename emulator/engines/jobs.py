"""Custom jobs as processes: each replica of each worker pool, with the variables that Vertex AI gives it.

https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.engines.pipelines import containers
from emulator.processes.command import Command, Ended
from emulator.processes.said import Said
from emulator.processes.supervisor import LauncherFailed
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

MOST_REPLICAS = 64
"""Processes that one job may start on one machine."""
LIMIT_SECONDS = 7 * 24 * 3600.0
"""Vertex AI's default for `scheduling.timeout`."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    state: str
    error: str = ""


class Jobs:
    """The custom jobs that run."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.folder = cloud.state / "jobs"
        shutil.rmtree(self.folder, ignore_errors=True)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        cloud.at_end(self.close)

    def start(self, name: str, spec: Json, changed: Callable[[Outcome], None]) -> None:
        """Run a CustomJobSpec; `changed` is told when it runs and when it has ended.

        Raises:
            Refusal: when a replica asks for what cannot be run here.
        """
        commands = self._commands(name, spec)

        async def work() -> None:
            changed(Outcome("JOB_STATE_RUNNING"))
            try:
                changed(await self._run(name, commands))
            except asyncio.CancelledError:
                if name not in self._cancelled:
                    raise
                changed(Outcome("JOB_STATE_CANCELLED", "The job was cancelled."))
            finally:
                self._running.pop(name, None)
                self._cancelled.discard(name)
                shutil.rmtree(self.folder / name.rpartition("/")[2], ignore_errors=True)

        self._running[name] = asyncio.create_task(work())

    def runs(self, name: str) -> bool:
        """Whether the job runs."""
        return name in self._running

    async def wait(self, name: str, seconds: float) -> None:
        """Wait for the end of a job, `seconds` at most."""
        if work := self._running.get(name):
            await asyncio.wait([work], timeout=seconds)

    def cancel(self, name: str) -> None:
        """End a job's processes."""
        if work := self._running.get(name):
            self._cancelled.add(name)
            work.cancel()

    async def close(self) -> None:
        """End every job at once."""
        works = list(self._running.values())
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    async def _run(self, name: str, commands: list[tuple[str, Command]]) -> Outcome:
        """Run the replicas together; the first that fails ends the others."""

        async def replica(pool: str, command: Command) -> tuple[str, Ended, str]:
            said = Said()

            def log(line: str) -> None:
                said.add(line)
                self.cloud.log(name, f"[{pool}] {line}")

            return pool, await self.cloud.supervisor.run(command, log), said.last

        running = [asyncio.create_task(replica(pool, command)) for pool, command in commands]
        try:
            for ended in asyncio.as_completed(running):
                pool, end, last = await ended
                if end.code != 0:
                    return Outcome("JOB_STATE_FAILED", f"The replica {pool} ended with {end.reason or f'exit code {end.code}'}: {last}")
        except LauncherFailed as failure:
            return Outcome("JOB_STATE_FAILED", str(failure))
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return Outcome("JOB_STATE_SUCCEEDED")

    def _commands(self, name: str, spec: Json) -> list[tuple[str, Command]]:
        """A command for each replica, by the name of the replica."""
        pools = [pool for pool in spec["workerPoolSpecs"] if pool]
        counts = [int(pool.get("replicaCount", 1)) for pool in pools]
        if not counts or min(counts) < 1 or sum(counts) > MOST_REPLICAS:
            raise Refusal(400, "", f"The worker pools have {counts} replicas. Nothing was run. Ask for 1 to {MOST_REPLICAS} in all.")
        cluster = {f"workerpool{index}": [f"127.0.0.1:{port}" for port in _free_ports(count)] for index, count in enumerate(counts)}
        limit = float(str(spec.get("scheduling", {}).get("timeout", "")).rstrip("s") or LIMIT_SECONDS)
        job, project, location = name.rpartition("/")[2], name.split("/")[1], name.split("/")[3]
        commands = []
        for index, pool in enumerate(pools):
            container = pool.get("containerSpec")
            if container is None:
                raise Refusal(
                    400, "", "A worker pool has a pythonPackageSpec, which is not emulated. Nothing was run. Use a containerSpec."
                )
            image = self.cloud.images.get(container["imageUri"])
            program = containers.program(container, image.entry_point)
            for replica in range(counts[index]):
                task = {"type": f"workerpool{index}", "index": replica}
                environment = {
                    **self.cloud.environment_of(spec.get("serviceAccount", ""), project),
                    "GOOGLE_CLOUD_PROJECT": project,
                    "CLOUD_ML_PROJECT_ID": project_number(project),
                    "CLOUD_ML_REGION": location,
                    "CLOUD_ML_JOB_ID": job,
                    "CLUSTER_SPEC": json.dumps({"cluster": cluster, "environment": "cloud", "task": task}),
                    "TF_CONFIG": json.dumps(_tf_config(cluster, task)),
                    **_directories(spec),
                    **{variable["name"]: variable.get("value", "") for variable in container.get("env", [])},
                }
                command = Command(
                    form=program.form,
                    arguments=program.words,
                    source=program.source,
                    preload=image.preload,
                    folder=str(self.folder / job / f"{index}-{replica}"),
                    environment=environment,
                    seconds=limit,
                )
                commands.append((f"workerpool{index}-{replica}", command))
        return commands


def _directories(spec: Json) -> dict[str, str]:
    """Where a job writes: below `baseOutputDirectory`, and its TensorBoard."""
    variables = {}
    base = spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "").rstrip("/")
    if base:
        names = {"AIP_MODEL_DIR": "model", "AIP_CHECKPOINT_DIR": "checkpoints", "AIP_TENSORBOARD_LOG_DIR": "logs"}
        variables = {variable: f"{base}/{folder}/" for variable, folder in names.items()}
    if spec.get("tensorboard"):
        variables["AIP_TENSORBOARD_RESOURCE_NAME"] = spec["tensorboard"]
    return variables


def _tf_config(cluster: dict[str, list[str]], task: Json) -> Json:
    """The cluster as TensorFlow names its parts: the first pool is the chief, the second the workers."""
    roles = {"workerpool0": "chief", "workerpool1": "worker", "workerpool2": "ps", "workerpool3": "evaluator"}
    named = {roles[pool]: addresses for pool, addresses in cluster.items()}
    return {"cluster": named, "environment": "cloud", "task": {**task, "type": roles[task["type"]]}}


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
