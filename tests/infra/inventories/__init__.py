"""One small file a stack and environment: how many resources of each type, and the values that matter.

A count of 0 says that the type must not exist there although another environment has it. Written by
`python -m tests.infra.inventories`; a test compares.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.policies.subject import Resource, SynthesisedStack

FOLDER = Path(__file__).parent
REGENERATE = "python -m tests.infra.inventories"

MATTERS = {
    "google_artifact_registry_repository": (
        "repository_id",
        "kms_key_name",
        "docker_config.immutable_tags",
        "vulnerability_scanning_config.enablement_config",
        "lifecycle.prevent_destroy",
    ),
    "google_bigquery_dataset": ("dataset_id", "location", "delete_contents_on_destroy", "lifecycle.prevent_destroy"),
    "google_bigquery_table": ("table_id", "deletion_protection", "clustering", "time_partitioning.expiration_ms"),
    "google_billing_budget": ("display_name", "amount.specified_amount.units"),
    "google_cloud_run_v2_service": ("name", "ingress", "template.service_account"),
    "google_cloud_scheduler_job": ("name", "schedule", "pubsub_target.attributes"),
    "google_cloudbuild_trigger": ("name", "filename", "service_account", "approval_config.approval_required"),
    "google_compute_firewall": ("name", "direction", "deny.protocol", "source_ranges", "allow.ports", "destination_ranges"),
    "google_compute_global_forwarding_rule": ("name", "load_balancing_scheme", "port_range"),
    "google_compute_managed_ssl_certificate": ("managed.domains",),
    "google_compute_network": ("name", "auto_create_subnetworks"),
    "google_dns_managed_zone": ("dns_name", "visibility"),
    "google_iam_workload_identity_pool_provider": ("attribute_condition",),
    "google_kms_crypto_key": ("name", "rotation_period", "lifecycle.prevent_destroy"),
    "google_kms_crypto_key_iam_member": ("member",),
    "google_logging_project_bucket_config": ("bucket_id", "retention_days", "locked"),
    "google_compute_subnetwork": ("name", "region", "private_ip_google_access"),
    "google_logging_metric": ("name", "filter"),
    "google_monitoring_alert_policy": ("display_name", "conditions.condition_threshold.threshold_value"),
    "google_monitoring_metric_descriptor": ("type",),
    "google_monitoring_notification_channel": ("labels.email_address",),
    "google_org_policy_policy": ("name",),
    "google_project": ("project_id", "folder_id", "deletion_policy"),
    "google_project_iam_member": ("member", "role"),
    "google_project_service": ("service",),
    "google_pubsub_subscription": ("name", "dead_letter_policy.max_delivery_attempts"),
    "google_pubsub_topic": ("name",),
    "google_secret_manager_secret": ("secret_id", "deletion_protection"),
    "google_service_account": ("account_id",),
    "google_service_account_iam_member": ("service_account_id", "member", "role"),
    "google_storage_bucket": (
        "name",
        "location",
        "public_access_prevention",
        "force_destroy",
        "lifecycle.prevent_destroy",
        "soft_delete_policy.retention_duration_seconds",
        "retention_policy.retention_period",
        "encryption.default_kms_key_name",
        "logging.log_bucket",
    ),
    "google_storage_bucket_iam_member": ("member", "role"),
    "google_compute_network_attachment": ("name", "connection_preference"),
    "google_storage_bucket_object": ("bucket", "name"),
    "google_vertex_ai_dataset": ("display_name", "metadata_schema_uri"),
    "google_vertex_ai_endpoint": ("name", "display_name", "dedicated_endpoint_enabled", "lifecycle.ignore_changes"),
    "google_vertex_ai_feature_group": ("name", "big_query.big_query_source.input_uri"),
    "google_vertex_ai_feature_online_store": ("name", "force_destroy"),
    "google_vertex_ai_feature_online_store_featureview": ("name", "sync_config.cron"),
    "google_vertex_ai_tensorboard": ("display_name", "encryption_spec.kms_key_name"),
    "google_workbench_instance": (
        "name",
        "location",
        "gce_setup.machine_type",
        "gce_setup.accelerator_configs.type",
        "gce_setup.vm_image.name",
        "gce_setup.container_image.tag",
        "gce_setup.boot_disk.disk_encryption",
        "gce_setup.disable_public_ip",
        "gce_setup.metadata.idle-timeout-seconds",
    ),
}
"""Resource type → dotted paths of the values that a reviewer would ask about."""


def value(body: Any, path: str) -> Any:
    """The value at a dotted path, through the one-element lists that blocks may be."""
    for part in path.split("."):
        if isinstance(body, list) and len(body) == 1:
            body = body[0]
        body = body.get(part) if isinstance(body, Mapping) else None
    return body


def matters(resource: Resource) -> dict[str, Any]:
    """The values of a resource that matter, by their path."""
    found = {path: value(resource.body, path) for path in MATTERS.get(resource.type, ())}
    return {path: content for path, content in found.items() if content is not None}


def inventory(stack: SynthesisedStack, types: Iterable[str]) -> dict[str, Any]:
    """Counts of the given types, and the values that matter."""
    counted = Counter(resource.type for resource in stack.resources)
    return {
        "counts": {type_: counted[type_] for type_ in sorted(types)},
        "values": {resource.address: found for resource in stack.resources if (found := matters(resource))},
    }


def render(stacks: Mapping[str, SynthesisedStack]) -> dict[str, str]:
    """File name → content, for every stack; types are those of the same stack in any environment."""
    types: dict[str, set[str]] = {}
    for id_, stack in stacks.items():
        types.setdefault(id_.partition("-")[2], set()).update(resource.type for resource in stack.resources)
    return {
        f"{id_}.yaml": yaml.safe_dump(inventory(stack, types[id_.partition("-")[2]]), sort_keys=False, default_flow_style=None, width=1000)
        for id_, stack in stacks.items()
    }
