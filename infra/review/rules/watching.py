"""Who would notice: audit logs, sinks, flow logs, alerts and budgets that are taken away or see less."""

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.review.change import Planned, blocks, items, number
from infra.review.report import HIDDEN, UNKNOWN, Finding, FindingId
from infra.review.rules.world import said

SINKS = ("google_logging_*_sink", "google_scc_*notification_config", "google_cloud_asset_*_feed")
ALERTS = (
    "google_monitoring_alert_policy",
    "google_monitoring_notification_channel",
    "google_monitoring_uptime_check_config",
    "google_monitoring_slo",
    "google_billing_budget",
)
LOGGED = {"log_config", "logging", "logging_config", "access_log_config", "log_configs"}
"""Blocks without which a resource writes no log."""
SWITCHES = {"enable_logging", "enable", "enable_flow_logs", "query_insights_enabled", "log_requests"}
REMEDY = "Leave it as it was: an attack or a fault would leave no trace."


def unseen(resources: Sequence[Planned]) -> Iterator[Finding]:
    """A finding for each log, sink or alert that sees less than before."""
    for it in resources:
        if not it.change:
            continue
        if it.type.endswith("_iam_audit_config"):
            yield from _audit(it, *(_levels(blocks(values, "audit_log_config")) for values in (it.before, it.after)))
        elif it.type.endswith("_iam_policy"):
            yield from _audit(it, _of_policy(it.was("policy_data")), _of_policy(it.will("policy_data")))
        elif any(fnmatch.fnmatchcase(it.type, sink) for sink in SINKS):
            yield from _sink(it)
        elif it.type in ALERTS:
            yield from _alert(it)
        elif fnmatch.fnmatchcase(it.type, "google_logging_*_exclusion"):
            if it.after is not None and it.will("disabled") is not True and it.action != "move":
                yield it.finding(
                    "audit-weakened", "sign-off", f"log entries would be thrown away: {said(it.will('filter'))}", REMEDY, "filter"
                )
        elif it.before is not None and it.after is not None:
            yield from _logged(it)


Levels = Mapping[str, frozenset[str]]
"""What is logged → who is exempted."""


def _levels(configured: Sequence[Mapping[str, Any]]) -> Levels:
    return {str(block.get("log_type")): frozenset(items(block.get("exempted_members"))) for block in configured}


def _of_policy(data: Any) -> Levels:
    """The audit configuration in a whole policy."""
    try:
        policy = json.loads(data or "{}")
    except (TypeError, ValueError):
        return {}
    return {
        f"{config.get('service')} {level.get('logType')}": frozenset(items(level.get("exemptedMembers")))
        for config in policy.get("auditConfigs") or []
        for level in config.get("auditLogConfigs") or []
    }


def _audit(it: Planned, before: Levels, after: Levels) -> Iterator[Finding]:
    for level in sorted(before.keys() - after.keys()):
        yield it.finding("audit-weakened", "sign-off", f"{level} of {_service(it)} would no longer be logged", REMEDY, "audit_log_config")
    for level in sorted(after.keys() & before.keys()):
        if more := sorted(after[level] - before[level]):
            text = f"{level} of {_service(it)} would no longer be logged of {', '.join(more)}"
            yield it.finding("audit-weakened", "sign-off", text, REMEDY, "audit_log_config")
    if it.before is not None and it.was("service") != it.will("service") and it.after is not None:
        yield it.finding("audit-weakened", "sign-off", f"{_service(it)} would no longer be logged", REMEDY, "service")


def _service(it: Planned) -> str:
    return said(it.was("service") or it.was("project") or it.name)


def _sink(it: Planned) -> Iterator[Finding]:
    def less(text: str, attribute: str) -> Finding:
        return it.finding("audit-weakened", "sign-off", text, REMEDY, attribute)

    if it.action in {"delete", "forget"}:
        yield less(f"{it.name} would no longer carry log entries to {said(it.was('destination') or it.was('pubsub_topic'))}", "")
        return
    if it.before is None or it.after is None:
        return
    if it.was("disabled") is not True and it.will("disabled") is True:
        yield less(f"{it.name} would be switched off", "disabled")
    if it.was("filter") != it.will("filter") and it.will("filter") not in (None, ""):
        yield less(f"{it.name} would take {said(it.will('filter'))} instead of {said(it.was('filter'))}", "filter")
    for attribute in ("destination", "pubsub_topic", "include_children", "intercept_children"):
        if it.turns(attribute) and it.was(attribute):
            yield less(f"{it.name}: {attribute} turns from {said(it.was(attribute))} to {said(it.will(attribute))}", attribute)
    known = [_exclusion(block) for block in blocks(it.before, "exclusions")]
    for block in blocks(it.after, "exclusions"):
        if _exclusion(block) not in known and block.get("disabled") is not True:
            yield less(f"{it.name} would leave out {said(block.get('filter'))}", "exclusions")


def _exclusion(block: Mapping[str, Any]) -> tuple[Any, Any]:
    return block.get("filter"), bool(block.get("disabled"))


def _alert(it: Planned) -> Iterator[Finding]:
    id_: FindingId = "alert-removed"
    remedy = "Leave it, or say who would notice instead."
    if it.action in {"delete", "forget"}:
        yield it.finding(id_, "sign-off", f"{it.name} would tell nobody any more", remedy)
        return
    if it.before is None or it.after is None:
        return
    if it.was("enabled") is True and it.will("enabled") is not True:
        yield it.finding(id_, "sign-off", f"{it.name} would be switched off", remedy, "enabled")
    for attribute in ("notification_channels", "all_updates_rule.monitoring_notification_channels", "all_updates_rule.pubsub_topic"):
        new = it.will(attribute)
        gone = sorted(set(items(it.was(attribute))) - set(items(new)))
        if gone and new != UNKNOWN and UNKNOWN not in items(new):
            yield it.finding(id_, "sign-off", f"{it.name} would no longer tell {', '.join(gone)}", remedy, attribute)
    if it.type == "google_monitoring_notification_channel" and it.turns("labels"):
        text = f"{it.name} would tell {said(it.will('labels'))} instead of {said(it.was('labels'))}"
        yield it.finding(id_, "sign-off", text, remedy, "labels")
    before, after = (_watched(values) for values in (it.before, it.after))
    if len(after) < len(before):
        yield it.finding(id_, "sign-off", f"{it.name} would watch {len(after)} things instead of {len(before)}", remedy, "conditions")
    for path, old, new in _later(it):
        text = f"{it.name} would tell somebody later: {path} turns from {said(old)} to {said(new)}"
        yield it.finding(id_, "sign-off", text, remedy, path)


def _watched(values: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [*blocks(values, "conditions"), *blocks(values, "threshold_rules")]


def _later(it: Planned) -> Iterator[tuple[str, Any, Any]]:
    """Limits that are further away than before; conditions are the same where their names are."""
    path = "amount.specified_amount.units"
    if (number(it.will(path)) or 0) > (number(it.was(path)) or float("inf")):
        yield path, it.was(path), it.will(path)
    after = {block.get("display_name"): block for block in blocks(it.after, "conditions")}
    for block in blocks(it.before, "conditions"):
        for kind in ("condition_threshold", "condition_absent"):
            for old, new in zip(blocks(block, kind), blocks(after.get(block.get("display_name")), kind), strict=False):
                falls = old.get("comparison") == "COMPARISON_LT"
                limits = number(old.get("threshold_value")) or 0, number(new.get("threshold_value")) or 0
                if limits[1] < limits[0] if falls else limits[1] > limits[0]:
                    yield f"conditions.{kind}.threshold_value", old.get("threshold_value"), new.get("threshold_value")
                if (number(new.get("duration")) or 0) > (number(old.get("duration")) or 0):
                    yield f"conditions.{kind}.duration", old.get("duration"), new.get("duration")


def _logged(it: Planned) -> Iterator[Finding]:
    """A block of logging that goes, or a switch of it that is turned off."""
    for name in sorted(LOGGED):
        if blocks(it.before, name) and not blocks(it.after, name) and it.will(name) not in (HIDDEN, UNKNOWN):
            yield it.finding("audit-weakened", "sign-off", f"{it.name} would no longer write logs", REMEDY, name)
    for path, old, new in it.turned:
        if path[-1] in SWITCHES and (path[-1] != "enable" or set(path) & LOGGED) and old is True and new is False:
            text = f"{it.name} would no longer write logs: {'.'.join(path)} turns to false"
            yield it.finding("audit-weakened", "sign-off", text, REMEDY, ".".join(path))
        if path[-1:] == ("flow_sampling",) and isinstance(old, int | float) and old > (number(new) or 0) and blocks(it.after, "log_config"):
            text = f"{it.name} would log {said(new)} of its flows instead of {said(old)}"
            yield it.finding("audit-weakened", "sign-off", text, REMEDY, ".".join(path))
    if it.type == "google_container_cluster":
        gone = sorted(set(items(it.was("logging_config.enable_components"))) - set(items(it.will("logging_config.enable_components"))))
        if gone or (it.turns("logging_service") and it.will("logging_service") == "none"):
            yield it.finding(
                "audit-weakened", "sign-off", f"{it.name} would no longer log {', '.join(gone) or 'anything'}", REMEDY, "logging_config"
            )
