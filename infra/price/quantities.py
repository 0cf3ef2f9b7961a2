"""What a declared resource uses in a month of an idle environment: least, expected, most; in the units of the price book."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from infra.policies.subject import Resource
from infra.price.book import Amount, Assumptions
from infra.price.machines import machine

HOURS = 730.0
WORKING_DAYS = 22
DAYS = 365


@dataclass(frozen=True, kw_only=True)
class Use:
    """How much of one thing that is paid for."""

    sku: str
    region: str
    low: float
    expected: float
    high: float


class Unpriced(Exception):
    """A resource whose price cannot be told from its declaration; the message says why."""


def used(resource: Resource, region: str, assumptions: Assumptions) -> list[Use] | None:
    """What a resource uses, or None for a type without a formula.

    Args:
        resource: declared.
        region: of the provider; a resource's own location wins.
        assumptions: what is in the environment beside its shells.

    Raises:
        Unpriced: when the declaration holds something that no formula knows.
    """
    formula = FORMULAS.get(resource.type)
    return None if formula is None else list(formula(resource.body, _place(resource.body, region), assumptions))


def replicas(machine_type: str, accelerator: tuple[str, int] | None, least: float, most: float, region: str) -> list[Use]:
    """Replicas of a deployed model: compute with Vertex AI's surcharge, every hour.

    Raises:
        Unpriced: for a machine type whose parts are not known.
    """
    return list(_machine(machine_type, accelerator, region, (HOURS * least, HOURS * least, HOURS * most), "vertex-"))


def _place(body: dict[str, Any], region: str) -> str:
    """Region of a resource; a zone's is the part before its last dash."""
    place = str(body.get("location") or body.get("region") or region).lower()
    return re.sub(r"-[a-z]$", "", place)


def _block(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A block that is there once or not at all."""
    found = body.get(name) or {}
    return dict(found[0] if isinstance(found, list) else found)


def _of(sku: str, amount: Amount, region: str) -> Use:
    return Use(sku=sku, region=region, low=amount.low, expected=amount.expected, high=amount.high)


def _always(sku: str, quantity: float, region: str) -> Use:
    return Use(sku=sku, region=region, low=quantity, expected=quantity, high=quantity)


def _machine(
    machine_type: str, accelerator: tuple[str, int] | None, region: str, hours: tuple[float, float, float], prefix: str = ""
) -> Iterable[Use]:
    found = machine(machine_type)
    if found is None:
        raise Unpriced(f"the parts of machine type {machine_type} are not known")
    gpus = dict(found.gpus) | (dict([accelerator]) if accelerator else {})
    parts = [(f"{found.family}-vcpu-hour", found.vcpus), (f"{found.family}-gib-hour", found.gib)]
    parts += [(f"{type_.lower().replace('_', '-')}-hour", count) for type_, count in gpus.items()]
    for sku, count in parts:
        yield Use(sku=prefix + sku, region=region, low=count * hours[0], expected=count * hours[1], high=count * hours[2])


def _bucket(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    yield _of("storage-standard-gib", assumed.bucket_gib, region)


def _table(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    yield _of("bigquery-active-gib", assumed.table_gib, region)


def _repository(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    yield _of("artifact-registry-gib", assumed.images_gib, region)


def _key(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    """Old versions stay active after a rotation, since old data needs them: a year's worth at most, half of that on average."""
    rotation = float(str(body.get("rotation_period", "0s")).rstrip("s")) / 86_400
    most = 1 + (math.floor(DAYS / rotation) if rotation else 0)
    yield Use(sku="kms-software-version", region=region, low=1, expected=(1 + most) / 2, high=most)


def _secret(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    places = len(_block(_block(body, "replication"), "user_managed").get("replicas", [])) or 1
    amount = assumed.secret_versions
    yield Use(sku="secret-version", region=region, low=places * amount.low, expected=places * amount.expected, high=places * amount.high)


def _alert(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    """Least: an account that is not billed for alerting yet."""
    conditions = len(body.get("conditions", []))
    yield Use(sku="alert-condition", region=region, low=0, expected=conditions, high=conditions)


def _scheduler(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    """Least: within the three free jobs of a billing account."""
    yield Use(sku="scheduler-job", region=region, low=0, expected=1, high=1)


def _nat(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    """Paid for while a machine uses it, and nobody works; most: one machine that never stops."""
    yield Use(sku="nat-vm-hour", region=region, low=0, expected=0, high=HOURS)
    yield Use(sku="external-ip-hour", region=region, low=0, expected=0, high=HOURS)


def _forwarding(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    target = str(body.get("target", ""))
    connect = "serviceAttachments" in target or target in ("all-apis", "vpc-sc")
    yield _always("psc-endpoint-hour" if connect else "forwarding-rule-hour", HOURS, region)


def _address(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    """An internal one is free, an external one while a load balancer uses it; most: it was forgotten."""
    if body.get("address_type", "EXTERNAL") == "EXTERNAL":
        yield Use(sku="unused-ip-hour", region=region, low=0, expected=0, high=HOURS)


def _armor(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    yield _always("armor-policy", 1, region)
    yield _always("armor-rule", len(body.get("rule", [])), region)


def _zone(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    yield _always("dns-zone", 1, region)


def _log_bucket(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    if int(body.get("retention_days", 30)) > 30:
        yield _of("log-retention-gib", assumed.logs_gib, region)


def _online_store(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    if "bigtable" in body:
        scaling = _block(_block(body, "bigtable"), "auto_scaling")
        least, most = float(scaling["min_node_count"]), float(scaling["max_node_count"])
        yield Use(sku="bigtable-online-node-hour", region=region, low=least * HOURS, expected=least * HOURS, high=most * HOURS)
    else:
        yield Use(sku="optimized-online-node-hour", region=region, low=HOURS, expected=2 * HOURS, high=2 * HOURS)


def _pool(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    resources = _block(body, "dedicated_resources")
    spec = _block(resources, "machine_spec")
    accelerator = (str(spec["accelerator_type"]), int(spec.get("accelerator_count", 1))) if spec.get("accelerator_type") else None
    least = float(resources.get("min_replica_count", 1))
    yield from replicas(str(spec.get("machine_type", "")), accelerator, least, float(resources.get("max_replica_count", least)), region)


def _tensorboard(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    yield _of("tensorboard-gib", assumed.tensorboard_gib, region)


def _workbench(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    """Disks are paid for all month, the machine while it runs; most: started every working day and left to its idle shutdown."""
    setup = _block(body, "gce_setup")
    for disk in (_block(setup, "boot_disk"), _block(setup, "data_disks")):
        if disk:
            type_ = str(disk.get("disk_type", "PD_BALANCED")).lower().replace("_", "-")
            yield _always(f"{type_}-gib", float(disk.get("disk_size_gb", 0)), region)
    timeout = float(_block(setup, "metadata").get("idle-timeout-seconds", 0)) / 3600
    hours = (0.0, 0.0, WORKING_DAYS * timeout) if timeout else (0.0, HOURS, HOURS)
    gpu = _block(setup, "accelerator_configs")
    accelerator = (str(gpu["type"]), int(gpu.get("core_count", 1))) if gpu else None
    yield from _machine(str(setup.get("machine_type", "")), accelerator, region, hours)


def _cloud_run(body: dict[str, Any], region: str, assumed: Assumptions) -> Iterable[Use]:
    template = _block(body, "template")
    least = float(_block(template, "scaling").get("min_instance_count", 0) or 0)
    limits = _block(_block(_block(template, "containers"), "resources"), "limits")
    yield _always("cloud-run-idle-vcpu-hour", least * float(limits.get("cpu", 1)) * HOURS, region)


FORMULAS: dict[str, Callable[[dict[str, Any], str, Assumptions], Iterable[Use]]] = {
    "google_artifact_registry_repository": _repository,
    "google_bigquery_table": _table,
    "google_cloud_run_v2_service": _cloud_run,
    "google_cloud_scheduler_job": _scheduler,
    "google_compute_address": _address,
    "google_compute_forwarding_rule": _forwarding,
    "google_compute_global_address": _address,
    "google_compute_global_forwarding_rule": _forwarding,
    "google_compute_router_nat": _nat,
    "google_compute_security_policy": _armor,
    "google_dns_managed_zone": _zone,
    "google_kms_crypto_key": _key,
    "google_logging_project_bucket_config": _log_bucket,
    "google_monitoring_alert_policy": _alert,
    "google_secret_manager_secret": _secret,
    "google_storage_bucket": _bucket,
    "google_vertex_ai_deployment_resource_pool": _pool,
    "google_vertex_ai_feature_online_store": _online_store,
    "google_vertex_ai_tensorboard": _tensorboard,
    "google_workbench_instance": _workbench,
}
"""Resource type → its formula. Types that cost nothing by being there stand in the price book, with the reason."""
