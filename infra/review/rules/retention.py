"""How long something is kept after a mistake: versions, soft delete, retention, backups, logs, messages."""

import datetime
import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.review.change import Planned, at, blocks, number
from infra.review.report import HIDDEN, UNKNOWN, Finding
from infra.review.rules.world import said

KEPT: Mapping[str, tuple[str, ...]] = {
    "google_storage_bucket": (
        "versioning.enabled",
        "soft_delete_policy.retention_duration_seconds",
        "retention_policy.retention_period",
        "retention_policy.is_locked",
    ),
    "google_logging_*_bucket_config": ("retention_days", "locked"),
    "google_sql_database_instance": (
        "settings.backup_configuration.enabled",
        "settings.backup_configuration.point_in_time_recovery_enabled",
        "settings.backup_configuration.binary_log_enabled",
        "settings.backup_configuration.transaction_log_retention_days",
        "settings.backup_configuration.backup_retention_settings.retained_backups",
    ),
    "google_pubsub_topic": ("message_retention_duration",),
    "google_pubsub_subscription": ("message_retention_duration", "retain_acked_messages"),
    "google_bigquery_dataset": ("max_time_travel_hours",),
    "google_kms_crypto_key": ("destroy_scheduled_duration",),
    "google_secret_manager_*secret": ("version_destroy_ttl",),
    "google_spanner_database": ("version_retention_period",),
    "google_firestore_database": ("point_in_time_recovery_enablement",),
    "google_firestore_backup_schedule": ("retention",),
    "google_spanner_backup_schedule": ("retention_duration",),
    "google_compute_resource_policy": ("snapshot_schedule_policy.retention_policy.max_retention_days",),
    "google_alloydb_cluster": (
        "continuous_backup_config.enabled",
        "continuous_backup_config.recovery_window_days",
        "automated_backup_policy.enabled",
    ),
    "google_bigtable_table": ("change_stream_retention", "automated_backup_policy.retention_period"),
    "google_bigtable_gc_policy": ("max_age.duration", "max_version.number"),
    "google_backup_dr_backup_vault": ("backup_minimum_enforced_retention_duration",),
}
"""Resource type → what is shorter when it is less; nothing is the least."""
EXPIRES: Mapping[str, tuple[str, ...]] = {
    "google_bigquery_dataset": ("default_table_expiration_ms", "default_partition_expiration_ms"),
    "google_bigquery_table": ("expiration_time", "time_partitioning.expiration_ms"),
    "google_secret_manager_*secret": ("ttl", "expire_time"),
    "google_pubsub_subscription": ("expiration_policy.ttl",),
}
"""Resource type → after what it ends by itself; nothing is never."""
SCHEDULES = (
    "google_firestore_backup_schedule",
    "google_spanner_backup_schedule",
    "google_gke_backup_backup_plan",
    "google_backup_dr_backup_plan*",
    "google_compute_*disk_resource_policy_attachment",
)
"""Types without which no further backup is made."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "d": 86_400.0}
REMEDY = "Leave it as it was: what is deleted by mistake would be gone before somebody misses it."


def shortened(resources: Sequence[Planned]) -> Iterator[Finding]:
    """A finding for each time that becomes shorter."""
    for it in resources:
        if it.action == "delete" and any(fnmatch.fnmatchcase(it.type, type_) for type_ in SCHEDULES):
            yield it.finding("retention-shortened", "sign-off", f"{it.name} would make no more backups", REMEDY)
        if it.before is None or it.after is None or not it.change:
            continue
        for path in _of(KEPT, it.type):
            if length(it.was(path)) > length(it.will(path)) and it.will(path) != UNKNOWN:
                yield _finding(it, path)
        for path in _of(EXPIRES, it.type):
            if _end(it.was(path)) > _end(it.will(path)) and it.will(path) != UNKNOWN:
                yield _finding(it, path)
        yield from _lifecycle(it)
        yield from _cleanup(it)


def _of(table: Mapping[str, tuple[str, ...]], type_: str) -> Iterator[str]:
    for wanted, paths in table.items():
        if fnmatch.fnmatchcase(type_, wanted):
            yield from paths


def length(value: Any) -> float:
    """A time in seconds, a count or a switch as a number; nothing is 0."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.endswith(("_ENABLED", "_DISABLED")):
        return float(value.endswith("_ENABLED"))
    if isinstance(value, str) and (parts := re.findall(r"(\d+(?:\.\d+)?)([hmsd])", value)):
        return sum(float(count) * UNITS[unit] for count, unit in parts)
    return number(value) or 0.0


def _end(value: Any) -> float:
    """After how long, or when, something ends; nothing is never."""
    if isinstance(value, str) and TIME.match(value):
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    return length(value) or float("inf")


def _finding(it: Planned, path: str) -> Finding:
    text = f"{it.name} would keep less: {path} turns from {said(it.was(path))} to {said(it.will(path))}"
    return it.finding("retention-shortened", "sign-off", text, REMEDY, path)


def _lifecycle(it: Planned) -> Iterator[Finding]:
    """Rules of a bucket that delete what none deleted before, or delete it sooner."""
    if it.type != "google_storage_bucket":
        return
    before = [_condition(rule) for rule in blocks(it.before, "lifecycle_rule") if _deletes(rule)]
    for index, rule in enumerate(blocks(it.after, "lifecycle_rule")):
        condition = _condition(rule)
        if _deletes(rule) and not any(_sooner_or_same(old, condition) for old in before):
            when = ", ".join(f"{name} {value}" for name, value in sorted(condition.items())) or "always"
            text = f"{it.name} would delete objects that it kept: {when}"
            yield it.finding("retention-shortened", "sign-off", text, REMEDY, f"lifecycle_rule.{index}")


def _deletes(rule: Mapping[str, Any]) -> bool:
    return bool(at(rule, "action.type") == "Delete")


def _condition(rule: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule asks for: numbers that are not 0, states that are not any, lists that are not empty."""
    found = at(rule, "condition")
    condition = found if isinstance(found, Mapping) else (found or [{}])[0]
    return {
        name: value
        for name, value in condition.items()
        if value not in (None, "", 0, "0", [], "ANY", False) and not name.startswith("send_")
    }


def _sooner_or_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a rule of before already deleted, as soon, whatever the new one deletes: it asks for nothing that the new one does not."""
    for name, value in old.items():
        if name not in new:
            return False
        before, after = number(value), number(new[name])
        if before is not None and after is not None:
            if before > after:
                return False
        elif value != new[name]:
            return False
    return True


def _cleanup(it: Planned) -> Iterator[Finding]:
    """Policies of a registry that delete what was kept."""
    if it.type != "google_artifact_registry_repository":
        return
    before, after = ([_policy(block) for block in blocks(values, "cleanup_policies")] for values in (it.before, it.after))
    dry = it.was("cleanup_policy_dry_run") is True and it.will("cleanup_policy_dry_run") is not True
    fewer = [policy for policy in before if policy[0] == "KEEP" and policy not in after and any(one[0] == "DELETE" for one in after)]
    more = [policy for policy in after if policy[0] == "DELETE" and policy not in before and length(policy[1]) < _shortest(before)]
    if fewer or more or (dry and any(policy[0] == "DELETE" for policy in after)):
        text = f"{it.name} would delete images and packages that it kept"
        yield it.finding("retention-shortened", "sign-off", text, REMEDY, "cleanup_policies")


def _policy(block: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return block.get("action"), at(block, "condition.older_than") or HIDDEN, at(block, "most_recent_versions.keep_count")


def _shortest(policies: Sequence[tuple[Any, Any, Any]]) -> float:
    return min((length(older) for action, older, _ in policies if action == "DELETE"), default=float("inf"))
