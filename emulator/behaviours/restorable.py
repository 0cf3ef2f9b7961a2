"""What is deleted and can be had back: workload identity pools with their providers, and log buckets. Their names stay taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, defaults, on

if TYPE_CHECKING:
    from emulator.cloud import Cloud

POOLS = "projects.locations.workloadIdentityPools"
BUCKETS = "projects.locations.buckets"
ACTIVE = "ACTIVE"

defaults("iam", "WorkloadIdentityPool", state=ACTIVE)
defaults("iam", "WorkloadIdentityPoolProvider", state=ACTIVE)
defaults("logging", "LogBucket", lifecycleState=ACTIVE, retentionDays=30)


@on("iam", f"{POOLS}.delete", f"{POOLS}.undelete", f"{POOLS}.providers.delete", f"{POOLS}.providers.undelete")
async def switch_pool(call: Call, cloud: Cloud) -> Json:
    """A deleted pool or provider trusts nobody, for 30 days; then it is gone."""
    kind = "WorkloadIdentityPoolProvider" if ".providers." in call.method else "WorkloadIdentityPool"
    kept = _switch(call, cloud, "state", kind, "DELETED")
    return cloud.operations.done(call, kept, kind)


@on("logging", f"{BUCKETS}.delete", f"{BUCKETS}.undelete")
async def switch_log_bucket(call: Call, cloud: Cloud) -> Json:
    """A deleted log bucket can be had back for seven days, and a locked one cannot be deleted while it holds logs."""
    _switch(call, cloud, "lifecycleState", "LogBucket", "DELETE_REQUESTED")
    return {}


def _switch(call: Call, cloud: Cloud, field: str, kind: str, deleted: str) -> Json:
    kept = cloud.resources.load(call)
    wanted = deleted if call.verb == "delete" else ACTIVE
    if kept.get(field) == wanted:
        raise Refusal(400, "FAILED_PRECONDITION", f"'{call.name}' is in state {wanted} already.")
    return cloud.resources.save(call, call.name, {**kept, field: wanted}, kind)
