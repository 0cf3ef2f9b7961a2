"""Whether the region has the accelerators and cores that training, serving and the workbench ask for.

Training, serving and Compute Engine have a quota each, and a new project has none of most accelerators.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.preflight.asked import Asked
from infra.preflight.findings import Finding, unread
from infra.price.machines import machine
from infra.terraform.rest import Google, Refused

CHECK = "quota"
METRICS = "https://serviceusage.googleapis.com/v1beta1"
COMPUTE = "https://compute.googleapis.com/compute/v1"
VERTEX = "aiplatform.googleapis.com"
ACCELERATORS: Mapping[str, str] = {
    "NVIDIA_A100_80GB": "a100_80gb",
    "NVIDIA_H100_80GB": "h100",
    "NVIDIA_L4": "l4",
    "NVIDIA_TESLA_A100": "a100",
    "NVIDIA_TESLA_T4": "t4",
    "NVIDIA_TESLA_V100": "v100",
}
"""Accelerator → its word in the names of quotas."""
UNLIMITED = -1.0


@dataclass(frozen=True, kw_only=True)
class Need:
    """How much of one quota the environment asks for."""

    metric: str
    amount: float
    what: str


def findings(asked: Asked, google: Google) -> list[Finding]:
    """One finding a quota that is asked for."""
    project, region = asked.project, asked.environment.region
    found = []
    if needs := [*training(asked), *serving(asked)]:
        subject = f"quotas of {VERTEX} in {region}"
        try:
            limits = _vertex_limits(project, region, google)
        except Refused as error:
            found.append(unread(CHECK, subject, error, f"ask for roles/servicemanagement.quotaViewer on {project}"))
        else:
            found += judged(needs, limits, region)
    if needs := list(workbench(asked)):
        try:
            machines = google.call("GET", f"{COMPUTE}/projects/{project}/regions/{region}").get("quotas", [])
            everywhere = google.call("GET", f"{COMPUTE}/projects/{project}").get("quotas", [])
        except Refused as error:
            mend = f"enable compute.googleapis.com, and ask for roles/compute.viewer on {project}"
            found.append(unread(CHECK, f"quotas of compute.googleapis.com in {region}", error, mend))
        else:
            limits = {quota["metric"]: float(quota["limit"]) for quota in [*machines, *everywhere]}
            found += judged(needs, limits, region)
    return found


def judged(needs: Iterable[Need], limits: Mapping[str, float], region: str) -> list[Finding]:
    """One finding a need.

    Args:
        needs: what is asked for.
        limits: metric → limit in the region; -1 is none.
        region: for the message.
    """
    found = []
    for need in needs:
        limit = limits.get(need.metric)
        subject = f"{need.metric} in {region}"
        if limit is None:
            says = f"Google lists no such quota, and {need.what} asks for {need.amount:g}"
            found.append(
                Finding(check=CHECK, subject=subject, status="cannot be read", says=says, mend="look for it in the console: IAM, Quotas")
            )
        elif limit in (UNLIMITED,) or limit >= need.amount:
            says = "no limit" if limit == UNLIMITED else f"{limit:g}, and {need.what} asks for {need.amount:g}"
            found.append(Finding(check=CHECK, subject=subject, status="ok", says=says))
        else:
            says = f"the limit is {limit:g}, and {need.what} asks for {need.amount:g}: it would wait or be refused"
            mend = f"ask for {need.amount:g} (console: IAM, Quotas; days for accelerators), or ask for less in the environment's file"
            found.append(Finding(check=CHECK, subject=subject, status="blocks", says=says, mend=mend))
    return found


def training(asked: Asked) -> Iterable[Need]:
    """One training job at a time."""
    wanted = asked.environment.training
    yield from _vertex("training", wanted.machine_type, 1, "a training job")
    if wanted.accelerator:
        metric = f"{VERTEX}/custom_model_training_nvidia_{ACCELERATORS[wanted.accelerator.type]}_gpus"
        yield Need(metric=metric, amount=wanted.accelerator.count, what="a training job")


def serving(asked: Asked) -> Iterable[Need]:
    """Every endpoint at its most, and a canary beside one champion."""
    endpoints = len(asked.of("google_vertex_ai_endpoint"))
    wanted = asked.environment.serving
    yield from _vertex("serving", wanted.machine_type, (endpoints + 1) * wanted.max_replicas, f"{endpoints} endpoints with a canary")


def workbench(asked: Asked) -> Iterable[Need]:
    """All instances at work at a time."""
    counts: dict[str, float] = {}
    for instance in asked.of("google_workbench_instance"):
        for gpu in instance.blocks("gce_setup.accelerator_configs"):
            word = ACCELERATORS.get(str(gpu.get("type")), "")
            counts[word] = counts.get(word, 0) + float(gpu.get("core_count", 1))
    for word, amount in sorted(counts.items()):
        yield Need(metric=f"NVIDIA_{word.upper()}_GPUS", amount=amount, what="the workbench")
    if counts:
        yield Need(metric="GPUS_ALL_REGIONS", amount=sum(counts.values()), what="the workbench")


def _vertex(use: str, machine_type: str, machines: int, what: str) -> Iterable[Need]:
    if parts := machine(machine_type):
        yield Need(metric=f"{VERTEX}/custom_model_{use}_cpus", amount=parts.vcpus * machines, what=what)


def _vertex_limits(project: str, region: str, google: Google) -> dict[str, float]:
    """Metric → effective limit in the region.

    Raises:
        Refused: when they may not be seen.
    """
    limits: dict[str, float] = {}
    query: dict[str, Any] = {"pageSize": 500}
    while True:
        page = google.call("GET", f"{METRICS}/projects/{project}/services/{VERTEX}/consumerQuotaMetrics", query)
        for metric in page.get("metrics", []):
            if (limit := _limit(metric, region)) is not None:
                limits[metric["metric"]] = limit
        if not (token := page.get("nextPageToken")):
            return limits
        query = {**query, "pageToken": token}


def _limit(metric: dict[str, Any], region: str) -> float | None:
    """The region's own bucket of a quota per region, else the one that holds where no region says otherwise."""
    found: dict[str, float] = {}
    for limit in metric.get("consumerQuotaLimits", []):
        if "{region}" not in limit.get("unit", ""):
            continue
        for bucket in limit.get("quotaBuckets", []):
            found[bucket.get("dimensions", {}).get("region", "")] = float(bucket.get("effectiveLimit", 0))
    return found.get(region, found.get(""))
