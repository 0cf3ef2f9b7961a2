"""The replicas of a custom job: which process stands for each, with the variables that Vertex AI gives it.

https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
https://cloud.google.com/vertex-ai/docs/training/distributed-training#cluster-variables
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.engines import packages
from emulator.engines.pipelines import containers
from emulator.engines.pipelines.containers import Program
from emulator.processes.command import Command
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.images import Image

Json = dict[str, Any]

MOST_REPLICAS = 64
"""Processes that one job may start on one machine."""
LONGEST_SPEC = 100_000
"""Characters of a specification that a process is told: Linux has no longer variables than 128 KiB."""
INSTALLING = re.compile(r"pip install --upgrade pip && pip3 install -q --user /gcs/(\S+) && python3 (-m .+)", re.S)
"""What `CustomJob.from_local_script` of the SDK writes for an image that is none of Google's; here it would change this machine."""
METRICS = "output.metrics"
"""Name of the file that `cloudml-hypertune` writes, `/var/hypertune/output.metrics` in Vertex AI's containers."""


@dataclass(frozen=True)
class Trial:
    """What a job is told of the trial that it runs."""

    study: str
    """Name of the tuning job."""
    id: str
    folder: Path
    """Each replica reports its metrics in a folder of its own below this one."""


@dataclass(frozen=True)
class Replica:
    """One process of a job."""

    name: str
    """`workerpool0-0`."""
    command: Command
    packages: tuple[tuple[str, Path], ...]
    """Python packages, and where they must lie unpacked before it starts."""


def replicas(cloud: Cloud, name: str, spec: Json, folder: Path, trial: Trial | None = None) -> list[Replica]:
    """The replicas of the custom job `name`.

    Args:
        cloud: The local Google Cloud.
        name: The job's.
        spec: Its CustomJobSpec.
        folder: Holds the working folders of its processes.
        trial: Which trial it runs, if any.

    Raises:
        Refusal: A replica asks for what cannot be run here.
    """
    if spec.get("scheduling", {}).get("timeout", "").startswith("-"):
        raise Refusal(400, "", "scheduling.timeout is negative. Nothing was run. Give it the seconds that the job may run, or none.")
    pools = [(index, pool) for index, pool in enumerate(spec["workerPoolSpecs"]) if pool]
    counts = {index: int(pool.get("replicaCount", 1)) for index, pool in pools}
    if not counts or min(counts.values()) < 1 or sum(counts.values()) > MOST_REPLICAS or max(counts) >= len(ROLES):
        asked = list(counts.values())
        raise Refusal(400, "", f"The worker pools have {asked} replicas. Nothing was run. Ask for 1 to {MOST_REPLICAS} in up to 4 pools.")
    ports = iter(_free_ports(sum(counts.values())))
    cluster = {f"workerpool{index}": [f"127.0.0.1:{next(ports)}" for _ in range(count)] for index, count in counts.items()}
    found = []
    for index, pool in pools:
        workload = _workload(cloud, pool, folder / f"packages-{index}")
        for number in range(counts[index]):
            task = {"type": f"workerpool{index}", "index": number, **({"trial": trial.id} if trial else {})}
            replica = f"workerpool{index}-{number}"
            command = Command(
                form=workload.program.form,
                arguments=workload.program.words,
                source=workload.program.source,
                preload=workload.image.preload,
                folder=str(folder / f"{index}-{number}"),
                environment=_variables(cloud, name, spec, cluster, task) | _trial_variables(trial, replica) | workload.environment,
            )
            found.append(Replica(replica, command, workload.packages))
    return found


@dataclass(frozen=True)
class Workload:
    """What every replica of a pool runs."""

    program: Program
    image: Image
    environment: dict[str, str]
    """The variables that the pool's specification sets."""
    packages: tuple[tuple[str, Path], ...] = ()


def _workload(cloud: Cloud, pool: Json, folder: Path) -> Workload:
    """What the processes of a pool run; its Python packages will lie below `folder`."""
    if "containerSpec" in pool:
        container = pool["containerSpec"]
        image, command = cloud.images.get(container["imageUri"]), container.get("command", [])
        if command[:-1] == ["sh", "-c"] and (script := INSTALLING.fullmatch(command[-1])):
            words = ["sh", "-c", f"{shlex.quote(sys.executable)} {script[2]}", *container.get("args", [])]
            return _with_packages(Workload(Program("program", words), image, _given(container)), [f"gs://{script[1]}"], folder)
        return Workload(containers.program(container, image.entry_point), image, _given(container))
    if "pythonPackageSpec" not in pool:
        raise Refusal(400, "", "A worker pool has neither a containerSpec nor a pythonPackageSpec. Nothing was run. Give it one.")
    package = pool["pythonPackageSpec"]
    image = cloud.images.get(package["executorImageUri"])
    if image.entry_point[0] not in containers.PYTHON:
        raise Refusal(400, "", f"Image {package['executorImageUri']!r} runs no Python packages. Nothing was run. Use one with Python.")
    # A process of its own and no fork of a warm one: its modules may have the names of ours.
    words = [sys.executable, "-m", package["pythonModule"], *package.get("args", [])]
    return _with_packages(Workload(Program("program", words), image, _given(package)), package["packageUris"], folder)


def _with_packages(workload: Workload, uris: list[str], folder: Path) -> Workload:
    """The workload, whose Python finds the modules of these packages before those of its image."""
    for uri in uris:
        packages.check(uri)
    packed = tuple((uri, folder / str(index)) for index, uri in enumerate(uris))
    places = [place for _, target in packed for place in packages.search_path(target)]
    path = os.pathsep.join([*places, *filter(None, [workload.image.folder])])
    return replace(workload, environment={**workload.environment, "PYTHONPATH": path}, packages=packed)


def _given(spec: Json) -> dict[str, str]:
    """The variables that a specification sets."""
    return {variable["name"]: variable.get("value", "") for variable in spec.get("env", [])}


def _variables(cloud: Cloud, name: str, spec: Json, cluster: dict[str, list[str]], task: Json) -> dict[str, str]:
    """What every replica of a job is told."""
    _, project, _, location, _, job = name.split("/")
    return {
        **cloud.environment_of(spec.get("serviceAccount", ""), project),
        "GOOGLE_CLOUD_PROJECT": project,
        "CLOUD_ML_PROJECT_ID": project_number(project),
        "CLOUD_ML_REGION": location,
        "CLOUD_ML_JOB_ID": job,
        **_cluster(spec, cluster, task),
        **_places(spec),
    }


def _trial_variables(trial: Trial | None, replica: str) -> dict[str, str]:
    """What a replica of a trial is told besides; it reports where `cloudml-hypertune` looks."""
    if trial is None:
        return {}
    return {"CLOUD_ML_TRIAL_ID": trial.id, "CLOUD_ML_HP_METRIC_FILE": str(trial.folder / replica / METRICS)}


def _places(spec: Json) -> dict[str, str]:
    """Where a job writes: below `baseOutputDirectory`, to its TensorBoard, into its experiment's run, which the SDK reads as its own."""
    variables = {}
    base = spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "").rstrip("/")
    if base:
        folders = {"AIP_MODEL_DIR": "model", "AIP_CHECKPOINT_DIR": "checkpoints", "AIP_TENSORBOARD_LOG_DIR": "logs"}
        variables = {variable: f"{base}/{folder}/" for variable, folder in folders.items()}
    names = {
        "AIP_TENSORBOARD_RESOURCE_NAME": "tensorboard",
        "AIP_EXPERIMENT_NAME": "experiment",
        "AIP_EXPERIMENT_RUN_NAME": "experimentRun",
    }
    return variables | {variable: spec[field] for variable, field in names.items() if spec.get(field)}


ROLES = {"workerpool0": "chief", "workerpool1": "worker", "workerpool2": "ps", "workerpool3": "evaluator"}


def _cluster(spec: Json, cluster: dict[str, list[str]], task: Json) -> dict[str, str]:
    """The cluster by its pools; and as TensorFlow names its parts, for whom an evaluator is none, where there is more than one replica."""
    common = {"environment": "cloud", "job": spec if len(json.dumps(spec)) < LONGEST_SPEC else {}}
    variables = {"CLUSTER_SPEC": json.dumps({"cluster": cluster, "task": task, **common})}
    if sum(map(len, cluster.values())) > 1:
        named = {ROLES[pool]: addresses for pool, addresses in cluster.items() if ROLES[pool] != "evaluator"}
        variables["TF_CONFIG"] = json.dumps({"cluster": named, "task": {**task, "type": ROLES[task["type"]]}, **common})
    return variables


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
