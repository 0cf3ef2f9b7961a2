"""What runs otherwise, is hidden, or is not known yet: what a reader of the rest should not overlook."""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence

from infra.review.change import Planned, leaves, number
from infra.review.report import HIDDEN, UNKNOWN, Finding
from infra.review.rules.world import said

CAPACITY = {
    "capacity_gb",
    "cpu_count",
    "disk_size",
    "fixed_node_count",
    "max_instance_count",
    "max_instances",
    "max_node_count",
    "max_num_replicas",
    "max_replica_count",
    "max_replicas",
    "max_workers",
    "memory_size_gb",
    "min_instance_count",
    "min_instances",
    "min_node_count",
    "min_replica_count",
    "min_replicas",
    "node_count",
    "num_instances",
    "num_nodes",
    "num_replicas",
    "processing_units",
    "replica_count",
    "replicas",
    "size_gb",
    "slot_capacity",
    "target_size",
}
"""Attributes that say how much there is of something."""
SIZES = {"machine_type", "tier", "node_type", "accelerator_type", "availability_type", "instance_type"}
"""Attributes that say how big one is."""
SCHEDULED = {
    "google_cloud_scheduler_job": ("schedule", "paused", "time_zone"),
    "google_bigquery_data_transfer_config": ("schedule", "disabled"),
    "google_colab_schedule": ("cron", "desired_state"),
    "google_storage_transfer_job": ("status", "schedule"),
    "google_dataplex_datascan": ("execution_spec.trigger.schedule.cron",),
    "google_monitoring_uptime_check_config": ("period",),
    "google_vertex_ai_feature_online_store_featureview": ("sync_config.cron", "sync_config.continuous"),
    "google_compute_resource_policy": ("instance_schedule_policy", "snapshot_schedule_policy.schedule"),
}
"""Resource type → what says when it runs."""
DECISIVE = {
    "*_iam_member": ("member", "role", "condition"),
    "*_iam_binding": ("members", "role", "condition"),
    "*_iam_policy": ("policy_data",),
    "google_bigquery_dataset_access": ("iam_member", "user_by_email", "group_by_email", "special_group", "domain"),
    "google_storage_*_acl": ("role_entity",),
    "google_storage_*access_control": ("entity",),
    "google_compute_firewall": ("source_ranges", "allow", "deny", "source_tags", "disabled"),
    "google_compute_*firewall_policy_rule": ("match", "action"),
    "google_iam_workload_identity_pool_provider": ("attribute_condition", "attribute_mapping", "oidc"),
    "google_org_policy_policy": ("spec",),
    "google_project_iam_custom_role": ("permissions",),
    "google_access_context_manager_service_perimeter": ("status", "spec"),
    "google_compute_forwarding_rule": ("load_balancing_scheme",),
    "google_secret_manager_secret_version": ("secret_data",),
    "google_sql_user": ("password",),
}
"""Resource type → what decides about access or exposure."""
OURS = ("google_service_account", "google_project_service_identity")


def noticed(resources: Sequence[Planned]) -> Iterator[Finding]:
    """The findings."""
    made = {(it.stack, it.address) for it in resources if it.type in OURS and it.before is None}
    for it in resources:
        if not it.change:
            continue
        yield from _addressed(it)
        yield from _hidden(it)
        yield from _undecided(it, bool(made))
        if it.type == "google_project_service" and it.after is None:
            yield from _disabled(it)
        if it.before is not None and it.after is not None:
            yield from _capacity(it)
            for attribute in SCHEDULED.get(it.type, ()):
                if it.turns(attribute):
                    turns = f"{attribute} turns from {said(it.was(attribute))} to {said(it.will(attribute))}"
                    text = f"{it.name} would run at other times: {turns}"
                    yield it.finding("schedule-changed", "sign-off", text, "Take the time back.", attribute)
        elif it.type in SCHEDULED and it.action == "delete":
            yield it.finding("schedule-changed", "sign-off", f"{it.name} would never run again", "Leave it, or say what runs instead.")


def _addressed(it: Planned) -> Iterator[Finding]:
    assert it.change is not None
    if it.change.moved_from:
        text = f"{it.name} would be known as {it.address} instead of {it.change.moved_from}"
        yield it.finding("moved", "note", text, "Nothing happens to the resource; a moved block in the other direction takes it back.")
    if it.change.imported:
        text = f"{it.name} exists already and would be adopted: {it.change.imported}"
        yield it.finding("imported", "note", text, "A removed block gives it back without destroying it.")


def _hidden(it: Planned) -> Iterator[Finding]:
    """Values that change and that nobody may read here; what decides about access has to be looked at all the same."""
    assert it.change is not None
    if it.before is None or it.after is None:
        yield from (_sensitive(it, attribute) for attribute in _decisive(it) if HIDDEN in _texts(it, attribute))
    else:
        yield from (_sensitive(it, attribute.path) for attribute in it.change.attributes if attribute.sensitive)


def _sensitive(it: Planned, path: str) -> Finding:
    decisive = path.partition(".")[0] in _decisive(it)
    text = f"{it.name}: the value of {path} would change, and is not shown because it is sensitive"
    remedy = "Look at it where it comes from, or take it back there."
    return it.finding("sensitive-change", "sign-off" if decisive else "note", text, remedy, path)


def _decisive(it: Planned) -> tuple[str, ...]:
    return next((attributes for type_, attributes in DECISIVE.items() if fnmatch.fnmatchcase(it.type, type_)), ())


def _texts(it: Planned, attribute: str) -> set[str]:
    return {str(value) for _, value in leaves((it.after or {}).get(attribute))} | {
        str(each) for _, value in leaves((it.after or {}).get(attribute)) if isinstance(value, list) for each in value
    }


def _undecided(it: Planned, identities: bool) -> Iterator[Finding]:
    """What decides about access or exposure and will be known after the apply only."""
    for attribute in _decisive(it):
        if it.after is not None and UNKNOWN in _texts(it, attribute):
            text = f"{it.name}: {attribute} will only be known after the apply, so that nobody can agree to it now"
            if identities and attribute in {"member", "members"}:
                text += "; an identity is made in the same plan, and is perhaps whom it means"
            remedy = "Apply what it depends on first, then plan again."
            yield it.finding("unknown-until-apply", "sign-off", text, remedy, attribute)


def _disabled(it: Planned) -> Iterator[Finding]:
    service = said(it.was("service"))
    if it.was("disable_on_destroy") is False:
        text = f"{service} would no longer be declared, and stays enabled"
        yield it.finding("api-disabled", "note", text, "Declare it again.", "service")
    else:
        text = f"{service} would be disabled, and whatever uses it stops; some services delete what they hold after a while"
        yield it.finding("api-disabled", "sign-off", text, "Set disable_on_destroy to false, or leave it declared.", "service")


def _capacity(it: Planned) -> Iterator[Finding]:
    for path, old, new in it.turned:
        name, there = path[-1], ".".join(path)
        if UNKNOWN in (old, new):
            continue
        if name in CAPACITY:
            less = (number(new) or 0) < (number(old) or 0)
            text = f"{it.name} would have {'less' if less else 'more'}: {there} turns from {said(old)} to {said(new)}"
            yield it.finding("capacity-changed", "sign-off" if less else "note", text, "Take the number back.", there)
        elif name in SIZES and old not in (None, "") and new not in (None, ""):
            text = f"{it.name} would have another size: {there} turns from {said(old)} to {said(new)}"
            yield it.finding("capacity-changed", "sign-off", text, "Take the size back.", there)


def unknown_types(resources: Sequence[Planned], understood: Mapping[str, bool]) -> Iterator[Finding]:
    """Changes to types that no rule understands."""
    for it in resources:
        if it.change and it.action != "read" and not understood[it.type]:
            text = f"{it.type} is not understood here: what its change ({it.action}) exposes, grants or loses was not looked at"
            remedy = "Read it attribute by attribute, and add the type to infra/review/types.yaml."
            yield it.finding("unknown-type", "sign-off", text, remedy)


def outside(resources: Sequence[Planned]) -> Iterator[Finding]:
    """What somebody changed beside Terraform since the last apply."""
    for it in resources:
        if it.change and (it.change.attributes or it.after is None):
            what = ", ".join(attribute.path for attribute in it.change.attributes[:5]) if it.after is not None else "it is gone"
            text = f"{it.name} was changed outside Terraform since the last apply: {what}"
            remedy = "Declare it, or let this plan take it back; playbook drift tells more."
            yield it.finding("changed-outside", "note", text, remedy)
