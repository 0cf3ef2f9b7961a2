"""Formats that Google demands and the bindings accept any string for; the source is each API's reference."""

import re

FORMATS: dict[str, dict[str, str]] = {
    "google_artifact_registry_repository": {"repository_id": r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"},
    "google_bigquery_dataset": {"dataset_id": r"[A-Za-z0-9_]{1,1024}"},
    "google_bigquery_table": {"table_id": r"[A-Za-z0-9_]{1,1024}"},
    "google_cloud_run_v2_service": {"name": r"[a-z]([-a-z0-9]{0,47}[a-z0-9])?"},
    "google_cloud_scheduler_job": {"name": r"[A-Za-z0-9_-]{1,500}", "schedule": r"\S+( \S+){4}"},
    "google_cloudbuild_trigger": {"name": r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?"},
    "google_cloudbuildv2_connection": {"name": r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"},
    "google_cloudbuildv2_repository": {"name": r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"},
    "google_compute_backend_bucket": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_global_address": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_global_forwarding_rule": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_managed_ssl_certificate": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_ssl_policy": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_target_http_proxy": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_target_https_proxy": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_url_map": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_firewall": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_network": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_network_attachment": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_router": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_router_nat": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_compute_subnetwork": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", "ip_cidr_range": r"(\d{1,3}\.){3}\d{1,3}/\d{1,2}"},
    "google_dns_managed_zone": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", "dns_name": r"([a-z0-9-]+\.)+"},
    "google_dns_record_set": {"name": r"(\*\.)?([a-z0-9-]+\.)+"},
    "google_iam_workload_identity_pool": {"workload_identity_pool_id": r"(?!gcp-)[a-z0-9-]{4,32}", "display_name": r".{1,32}"},
    "google_iam_workload_identity_pool_provider": {
        "workload_identity_pool_provider_id": r"(?!gcp-)[a-z0-9-]{4,32}",
        "display_name": r".{1,32}",
    },
    "google_kms_crypto_key": {"name": r"[A-Za-z0-9_-]{1,63}", "rotation_period": r"\d+s"},
    "google_kms_key_ring": {"name": r"[A-Za-z0-9_-]{1,63}"},
    "google_logging_project_bucket_config": {"bucket_id": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"},
    "google_logging_project_sink": {"name": r"[A-Za-z0-9_.-]{1,100}"},
    "google_logging_metric": {"name": r"[A-Za-z0-9_.,+!*',()%/-]{1,100}"},
    "google_monitoring_metric_descriptor": {"type": r"(custom|external)\.googleapis\.com/[A-Za-z0-9_/]{1,100}"},
    "google_org_policy_policy": {"name": r"(projects|folders|organizations)/[a-z0-9-]+/policies/[a-z]+\.[A-Za-z]+"},
    "google_project": {"project_id": r"[a-z][a-z0-9-]{4,28}[a-z0-9]"},
    "google_project_service": {"service": r"[a-z0-9-]+\.googleapis\.com"},
    "google_pubsub_subscription": {"name": r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}", "message_retention_duration": r"\d+s"},
    "google_pubsub_topic": {"name": r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}", "message_retention_duration": r"\d+s"},
    "google_secret_manager_secret": {"secret_id": r"[A-Za-z0-9_-]{1,255}"},
    "google_service_account": {"account_id": r"[a-z][a-z0-9-]{4,28}[a-z0-9]"},
    "google_storage_bucket": {"name": r"(?!goog)[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]"},
    "google_storage_bucket_object": {"name": r"[^\r\n]{1,1024}"},
    "google_vertex_ai_deployment_resource_pool": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"},
    "google_vertex_ai_endpoint": {"name": r"[1-9][0-9]{0,9}"},
    "google_vertex_ai_feature_group": {"name": r"[a-z_][a-z0-9_]{0,127}"},
    "google_vertex_ai_feature_group_feature": {"name": r"[a-z_][a-z0-9_]{0,127}"},
    "google_vertex_ai_feature_online_store": {"name": r"[a-z_][a-z0-9_]{0,59}"},
    "google_vertex_ai_feature_online_store_featureview": {"name": r"[a-z_][a-z0-9_]{0,59}"},
    "google_workbench_instance": {"name": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", "location": r"[a-z]+-[a-z]+[0-9]-[a-f]"},
}
"""Resource type → attribute → what its whole value must match."""

ROLE = r"roles/[a-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)*"
POOL = r"principalSet://iam\.googleapis\.com/projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]{4,32}"
EVERYBODY = "allUsers|allAuthenticatedUsers"
MEMBER = rf"{EVERYBODY}|(serviceAccount|user|group):[^@\s:]+@[^@\s:]+\.[a-z]{{2,}}|{POOL}/attribute\.[a-z_]+/\S+"
REFERENCE = "${"
"""A value that holds it is known only when Terraform runs; the resource that it refers to is checked itself."""


def expected(type_: str, attribute: str) -> str | None:
    """The pattern for an attribute of a type, or None when any value is allowed."""
    if type_.endswith("_iam_member"):
        return {"role": ROLE, "member": MEMBER}.get(attribute)
    return FORMATS.get(type_, {}).get(attribute)


def fits(pattern: str, value: object) -> bool:
    """Whether a value matches a pattern as a whole, or is a reference."""
    return isinstance(value, str) and (REFERENCE in value or re.fullmatch(pattern, value) is not None)
