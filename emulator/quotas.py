"""Quotas: how many of the scarce things a project may have, as a new project is granted them, and the refusal of one more.

The numbers differ by account and grow on request; what matters here is that there is a limit and how its refusal looks.
https://cloud.google.com/compute/resource-usage, https://cloud.google.com/iam/quotas, https://cloud.google.com/vertex-ai/docs/quotas
"""

from __future__ import annotations

import re
from typing import Any

from emulator.behaviours import Refusal
from emulator.store import Store

Json = dict[str, Any]

COMPUTE = {
    "Network": ("NETWORKS", 5),
    "Subnetwork": ("SUBNETWORKS", 100),
    "Firewall": ("FIREWALLS", 100),
    "Router": ("ROUTERS", 10),
    "BackendBucket": ("BACKEND_BUCKETS", 3),
    "SslCertificate": ("SSL_CERTIFICATES", 10),
}
"""Kind → its metric and limit, in a project."""
SERVICE_ACCOUNTS = 100
CPUS = 42
ACCELERATORS = {"nvidia_t4": 2, "nvidia_l4": 2, "nvidia_v100": 0, "nvidia_a100": 0, "nvidia_a100_80gb": 0, "nvidia_h100": 0}
"""Accelerators for training, as many for serving, and as many for machines of Compute Engine, in a region."""
RUNNING = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING")


def check(store: Store, service: str, kind: str, project: str) -> None:
    """Refuses one more resource of `kind` than the project may have.

    Raises:
        Refusal: 403 quotaExceeded of Compute Engine, 429 of IAM.
    """
    if service == "compute" and kind in COMPUTE:
        metric, limit = COMPUTE[kind]
        if len(store.of(service).under(f"projects/{project}", kind)) >= limit:
            raise Refusal(403, "", f"Quota '{metric}' exceeded.  Limit: {limit:.1f} globally.", reason="quotaExceeded")
    if (service, kind) == ("iam", "ServiceAccount") and len(store.of(service).under(f"projects/{project}", kind)) >= SERVICE_ACCOUNTS:
        raise Refusal(429, "", "Maximum number of service accounts on project reached.", reason="rateLimitExceeded")


def of_project(store: Store, project: str) -> list[Json]:
    """The limits of a project and what it uses of them, as Compute Engine shows them."""
    used = [
        {"metric": metric, "limit": float(limit), "usage": float(len(store.of("compute").under(f"projects/{project}", kind)))}
        for kind, (metric, limit) in COMPUTE.items()
    ]
    return [*used, {"metric": "GPUS_ALL_REGIONS", "limit": float(max(ACCELERATORS.values())), "usage": 0.0}]


def of_region() -> list[Json]:
    """The limits of a region, as Compute Engine shows them; no machine of its runs here."""
    limits = {"CPUS": CPUS, **{f"{accelerator.upper()}_GPUS": limit for accelerator, limit in ACCELERATORS.items()}}
    return [{"metric": metric, "limit": float(limit), "usage": 0.0} for metric, limit in limits.items()]


def of_vertex(service: str) -> list[Json]:
    """The limits of Vertex AI in each region, as Service Usage shows them; `service` is the name of the API in its project."""
    words = {"cpus": CPUS, **{f"{accelerator}_gpus": limit for accelerator, limit in ACCELERATORS.items()}}
    return [
        {
            "name": f"{service}/consumerQuotaMetrics/aiplatform.googleapis.com%2Fcustom_model_{use}_{word}",
            "metric": f"aiplatform.googleapis.com/custom_model_{use}_{word}",
            "consumerQuotaLimits": [{"unit": "1/{project}/{region}", "quotaBuckets": [{"effectiveLimit": str(limit)}]}],
        }
        for use in ("training", "serving")
        for word, limit in words.items()
    ]


def check_training(store: Store, location: str, spec: Json) -> None:
    """Refuses a custom job that would use more accelerators than the region has for this project.

    Raises:
        Refusal: 429 with the name of the metric.
    """
    jobs = [job["jobSpec"] for _, job in store.of("aiplatform").under(location, "CustomJob") if job.get("state") in RUNNING]
    _check("training", [pool for one in (*jobs, spec) for pool in one.get("workerPoolSpecs", [])], spec.get("workerPoolSpecs", []))


def check_serving(store: Store, location: str, deployed: Json) -> None:
    """Refuses a deployed model, as `check_training` refuses a job."""
    endpoints = [endpoint for _, endpoint in store.of("aiplatform").under(location, "Endpoint")]
    given = [one.get("dedicatedResources", {}) for endpoint in endpoints for one in endpoint.get("deployedModels", [])]
    wanted = deployed.get("dedicatedResources", {})
    _check("serving", [*given, wanted], [wanted])


def _check(use: str, all_: list[Json], wanted: list[Json]) -> None:
    for accelerator in {_accelerator(one) for one in wanted} - {""}:
        used = sum(_count(one) for one in all_ if _accelerator(one) == accelerator)
        if used > ACCELERATORS.get(accelerator, 0):
            metric = f"aiplatform.googleapis.com/custom_model_{use}_{accelerator}_gpus"
            raise Refusal(429, "", f"The following quota metrics exceed quota limits: {metric}")


def _accelerator(one: Json) -> str:
    """`nvidia_t4` for NVIDIA_TESLA_T4; empty where a machine has none."""
    named = one.get("machineSpec", {}).get("acceleratorType", "")
    # Only of the A100 are there two sizes, with a quota each.
    return "" if named.endswith("_UNSPECIFIED") else re.sub(r"_tesla|(?<=h100)_80gb", "", named.lower())


def _count(one: Json) -> int:
    each = int(one.get("machineSpec", {}).get("acceleratorCount", 0))
    return each * int(one.get("replicaCount") or one.get("minReplicaCount") or 1)
