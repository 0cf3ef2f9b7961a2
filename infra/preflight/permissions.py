"""Whether the caller may create what the stacks declare: asked of Google itself, which knows every role, condition and inheritance."""

import re
from collections.abc import Mapping

from infra.policies.subject import Resource
from infra.preflight.asked import Asked
from infra.preflight.findings import Finding, unread
from infra.terraform.rest import Google, Refused

CHECK = "permission"
PROJECTS = "https://cloudresourcemanager.googleapis.com/v3"
BILLING = "https://cloudbilling.googleapis.com/v1"
AT_ONCE = 100
"""What one request may ask about."""

CREATES: Mapping[str, str] = {
    "google_artifact_registry_repository": "artifactregistry.repositories.create",
    "google_artifact_registry_repository_iam_member": "artifactregistry.repositories.setIamPolicy",
    "google_bigquery_dataset": "bigquery.datasets.create",
    "google_bigquery_dataset_iam_member": "bigquery.datasets.update",
    "google_bigquery_table": "bigquery.tables.create",
    "google_bigquery_table_iam_member": "bigquery.tables.setIamPolicy",
    "google_cloud_run_v2_service": "run.services.create",
    "google_cloud_run_v2_service_iam_member": "run.services.setIamPolicy",
    "google_cloud_scheduler_job": "cloudscheduler.jobs.create",
    "google_cloudbuild_trigger": "cloudbuild.builds.create",
    "google_cloudbuildv2_connection": "cloudbuild.connections.create",
    "google_cloudbuildv2_repository": "cloudbuild.repositories.create",
    "google_compute_address": "compute.addresses.create",
    "google_compute_backend_bucket": "compute.backendBuckets.create",
    "google_compute_backend_service": "compute.backendServices.create",
    "google_compute_firewall": "compute.firewalls.create",
    "google_compute_forwarding_rule": "compute.forwardingRules.create",
    "google_compute_global_address": "compute.globalAddresses.create",
    "google_compute_global_forwarding_rule": "compute.globalForwardingRules.create",
    "google_compute_managed_ssl_certificate": "compute.sslCertificates.create",
    "google_compute_network": "compute.networks.create",
    "google_compute_network_attachment": "compute.networkAttachments.create",
    "google_compute_region_network_endpoint_group": "compute.regionNetworkEndpointGroups.create",
    "google_compute_route": "compute.routes.create",
    "google_compute_router": "compute.routers.create",
    "google_compute_router_nat": "compute.routers.update",
    "google_compute_security_policy": "compute.securityPolicies.create",
    "google_compute_ssl_policy": "compute.sslPolicies.create",
    "google_compute_subnetwork": "compute.subnetworks.create",
    "google_compute_subnetwork_iam_member": "compute.subnetworks.setIamPolicy",
    "google_compute_target_http_proxy": "compute.targetHttpProxies.create",
    "google_compute_target_https_proxy": "compute.targetHttpsProxies.create",
    "google_compute_url_map": "compute.urlMaps.create",
    "google_dns_managed_zone": "dns.managedZones.create",
    "google_dns_policy": "dns.policies.create",
    "google_dns_record_set": "dns.changes.create",
    "google_iam_workload_identity_pool": "iam.workloadIdentityPools.create",
    "google_iam_workload_identity_pool_provider": "iam.workloadIdentityPoolProviders.create",
    "google_kms_crypto_key": "cloudkms.cryptoKeys.create",
    "google_kms_crypto_key_iam_member": "cloudkms.cryptoKeys.setIamPolicy",
    "google_kms_key_ring": "cloudkms.keyRings.create",
    "google_logging_metric": "logging.logMetrics.create",
    "google_logging_project_bucket_config": "logging.buckets.create",
    "google_logging_project_sink": "logging.sinks.create",
    "google_monitoring_alert_policy": "monitoring.alertPolicies.create",
    "google_monitoring_dashboard": "monitoring.dashboards.create",
    "google_monitoring_metric_descriptor": "monitoring.metricDescriptors.create",
    "google_monitoring_notification_channel": "monitoring.notificationChannels.create",
    "google_org_policy_policy": "orgpolicy.policies.create",
    "google_project": "resourcemanager.projects.update",
    "google_project_iam_audit_config": "resourcemanager.projects.setIamPolicy",
    "google_project_iam_custom_role": "iam.roles.create",
    "google_project_iam_member": "resourcemanager.projects.setIamPolicy",
    "google_project_service": "serviceusage.services.enable",
    "google_project_service_identity": "serviceusage.services.enable",
    "google_pubsub_schema": "pubsub.schemas.create",
    "google_pubsub_subscription": "pubsub.subscriptions.create",
    "google_pubsub_subscription_iam_member": "pubsub.subscriptions.setIamPolicy",
    "google_pubsub_topic": "pubsub.topics.create",
    "google_pubsub_topic_iam_member": "pubsub.topics.setIamPolicy",
    "google_secret_manager_secret": "secretmanager.secrets.create",
    "google_secret_manager_secret_iam_member": "secretmanager.secrets.setIamPolicy",
    "google_service_account": "iam.serviceAccounts.create",
    "google_service_account_iam_member": "iam.serviceAccounts.setIamPolicy",
    "google_storage_bucket": "storage.buckets.create",
    "google_storage_bucket_iam_member": "storage.buckets.setIamPolicy",
    "google_storage_bucket_object": "storage.objects.create",
    "google_vertex_ai_dataset": "aiplatform.datasets.create",
    "google_vertex_ai_deployment_resource_pool": "aiplatform.deploymentResourcePools.create",
    "google_vertex_ai_endpoint": "aiplatform.endpoints.create",
    "google_vertex_ai_feature_group": "aiplatform.featureGroups.create",
    "google_vertex_ai_feature_group_feature": "aiplatform.features.create",
    "google_vertex_ai_feature_online_store": "aiplatform.featureOnlineStores.create",
    "google_vertex_ai_feature_online_store_featureview": "aiplatform.featureViews.create",
    "google_vertex_ai_tensorboard": "aiplatform.tensorboards.create",
    "google_workbench_instance": "notebooks.instances.create",
    "google_workbench_instance_iam_member": "notebooks.instances.setIamPolicy",
}
"""Resource type → the permission without which an apply creates none."""
ON_BILLING_ACCOUNT: Mapping[str, str] = {"google_billing_budget": "billing.budgets.create"}


def findings(asked: Asked, google: Google) -> list[Finding]:
    """One finding a permission, on each project that something is declared in and, for the budget, on the billing account."""
    found = []
    for project, wanted in sorted(wanted_in(asked).items()):
        found += _on(f"{PROJECTS}/projects/{project}", f"project {project}", wanted, google)
    account = asked.environment.project.billing_account
    paid = {ON_BILLING_ACCOUNT[type_]: [type_] for type_ in asked.types if type_ in ON_BILLING_ACCOUNT}
    if account and paid:
        found += _on(f"{BILLING}/billingAccounts/{account}", f"billing account {account}", paid, google)
    unknown = [type_ for type_ in asked.types if type_ not in CREATES and type_ not in ON_BILLING_ACCOUNT]
    return found + [
        Finding(
            check=CHECK,
            subject=type_,
            status="cannot be read",
            says="nobody has written down which permission creates it",
            mend="add it to infra/preflight/permissions.py",
        )
        for type_ in unknown
    ]


def judged(place: str, wanted: Mapping[str, list[str]], granted: set[str]) -> list[Finding]:
    """One finding a permission.

    Args:
        place: what it is needed on.
        wanted: permission → types that need it.
        granted: what Google says that the caller holds.
    """
    found = []
    for permission, types in sorted(wanted.items()):
        subject = f"{permission} on {place}"
        if permission in granted:
            found.append(Finding(check=CHECK, subject=subject, status="ok", says="held"))
            continue
        says = f"the caller does not hold it, so {', '.join(types)} would be refused in the middle of the apply"
        mend = f"apply as the apply identity, or ask for a role with {permission} on {place}"
        found.append(Finding(check=CHECK, subject=subject, status="blocks", says=says, mend=mend))
    return found


def wanted_in(asked: Asked) -> dict[str, dict[str, list[str]]]:
    """Project → permission → types that need it. What others own, such as a Shared VPC or keys, lies in projects of theirs."""
    wanted: dict[str, dict[str, list[str]]] = {}
    for resource in asked.resources:
        if permission := CREATES.get(resource.type):
            types = wanted.setdefault(_project(resource, asked.project), {}).setdefault(permission, [])
            if resource.type not in types:
                types.append(resource.type)
    return wanted


def _project(resource: Resource, own: str) -> str:
    said = str(resource.body.get("project", ""))
    key = re.match(r"projects/([^/$]+)/", str(resource.body.get("crypto_key_id", "")))
    return said if said and "${" not in said else key[1] if key else own


def _on(url: str, place: str, wanted: Mapping[str, list[str]], google: Google) -> list[Finding]:
    granted: set[str] = set()
    names = sorted(wanted)
    try:
        for start in range(0, len(names), AT_ONCE):
            answer = google.call("POST", f"{url}:testIamPermissions", None, {"permissions": names[start : start + AT_ONCE]})
            granted |= set(answer.get("permissions", []))
    except Refused as error:
        return [
            unread(CHECK, f"permissions on {place}", error, f"ask for roles/browser on {place}; one to be created: make bootstrap first")
        ]
    return judged(place, wanted, granted)
