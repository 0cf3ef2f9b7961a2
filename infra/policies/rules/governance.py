"""What the organisation must be able to see and to limit: audit logs, sinks, budgets, alerts, organisation policies."""

from collections.abc import Iterator

from infra.policies.policy import Breach, of, policy
from infra.policies.subject import Resource, SynthesisedStack

LOG_TYPES = {"ADMIN_READ", "DATA_READ", "DATA_WRITE"}
CONSTRAINTS = {
    "ainotebooks.disableFileDownloads",
    "ainotebooks.disableRootAccess",
    "ainotebooks.restrictPublicIp",
    "ainotebooks.restrictVpcNetworks",
    "gcp.resourceLocations",
    "gcp.restrictTLSVersion",
    "iam.automaticIamGrantsForDefaultServiceAccounts",
    "iam.disableServiceAccountKeyCreation",
    "storage.uniformBucketLevelAccess",
}
"""What a project for machine learning forbids in any case."""
KEY_CONSTRAINTS = {"gcp.restrictCmekCryptoKeyProjects", "gcp.restrictNonCmekServices"}
"""And where it has keys."""


@of(
    "google_project_iam_audit_config",
    "google_folder_iam_audit_config",
    "google_organization_iam_audit_config",
    id="audit-log-kinds",
    reason="nobody could say who read or changed what",
    remedy="Log ADMIN_READ, DATA_READ and DATA_WRITE of allServices, and exempt nobody",
    reference="CIS 2.1, https://cloud.google.com/logging/docs/audit/configure-data-access",
)
def audit_log_kinds(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Every read and write is logged, whoever does it."""
    blocks = resource.blocks("audit_log_config")
    missing = LOG_TYPES - {str(block.get("log_type")) for block in blocks}
    if resource.at("service") == "allServices" and missing:
        yield f"does not log {', '.join(sorted(missing))}"
    if any(block.get("exempted_members") for block in blocks):
        yield "exempts somebody"


@of(
    "google_logging_*_sink",
    id="log-sink",
    reason="what it drops is gone when it is needed",
    remedy="Leave disabled and exclusions away, and keep unique_writer_identity",
    reference="CIS 2.2, https://cloud.google.com/logging/docs/export/configure_export_v2",
)
def log_sink(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A sink sends all that its filter says."""
    if resource.at("disabled") is True:
        yield "is switched off"
    if resource.blocks("exclusions"):
        yield "excludes something"


@of(
    "google_billing_budget",
    id="budget-alert",
    reason="a mistake would be noticed with the invoice",
    remedy="Add threshold_rules below and at 1.0, and a channel in all_updates_rule",
    reference="https://cloud.google.com/billing/docs/how-to/budgets",
)
def budget_alert(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A budget tells somebody before it is spent."""
    thresholds = [float(rule.get("threshold_percent", 0)) for rule in resource.blocks("threshold_rules")]
    if not any(threshold < 1 for threshold in thresholds) or not any(threshold >= 1 for threshold in thresholds):
        yield "warns only when it is too late, or never"
    told = resource.at("all_updates_rule.monitoring_notification_channels") or resource.at("all_updates_rule.pubsub_topic")
    if resource.at("all_updates_rule.disable_default_iam_recipients") is True and not told:
        yield "tells nobody"


@of(
    "google_monitoring_alert_policy",
    id="alert-channel",
    reason="it would fire and nobody would come",
    remedy="Pass the notification channel of the monitoring stack",
    reference="https://cloud.google.com/monitoring/alerts/using-channels-api",
)
def alert_channel(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """An alert reaches somebody, and is on."""
    if not resource.at("notification_channels"):
        yield "tells nobody"
    if resource.at("enabled") is False:
        yield "is switched off"


@of(
    "google_monitoring_alert_policy",
    id="alert-instructions",
    reason="whoever is woken at night would have to find out what to do",
    remedy="Say what to do first in documentation.content",
    reference="https://cloud.google.com/monitoring/alerts/doc-variables",
)
def alert_instructions(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """An alert says what to do."""
    if not resource.at("documentation.content"):
        yield "does not say what to do"


@of(
    "google_org_policy_policy",
    id="organisation-policy",
    reason="what the organisation forbids would be allowed here",
    remedy="Enforce it, or leave it to the folder above (organisation_policies.mode: use)",
    reference="https://cloud.google.com/resource-manager/docs/organization-policy/overview",
)
def organisation_policy(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """An organisation policy that is declared forbids something."""
    rules = resource.blocks("spec.rules")
    if not rules:
        yield "has no rule"
    if any(str(rule.get("enforce")).upper() == "FALSE" or str(rule.get("allow_all")).upper() == "TRUE" for rule in rules):
        yield "allows everything"
    if resource.at("spec.reset") is True:
        yield "takes back what was set above it"


@policy(
    "ml-constraints",
    reason="one console click could make what no plan would",
    remedy="Add it in infra/components/organisation_policies.py, or leave all to the folder above (organisation_policies.mode: use)",
    reference="https://cloud.google.com/vertex-ai/docs/general/custom-constraints",
)
def ml_constraints(stack: SynthesisedStack) -> Iterator[Breach]:
    """A project whose organisation policies are ours has those that machine learning needs."""
    environment = stack.environment
    if stack.id != stack.names.stack("foundation") or environment.organisation_policies.mode != "create":
        return
    declared = {str(resource.at("name")).rpartition("/")[2] for resource in stack.by_type.get("google_org_policy_policy", ())}
    wanted = CONSTRAINTS | (KEY_CONSTRAINTS if environment.keys.mode != "none" else set())
    yield from ((None, f"declares no policy of the constraint {constraint}") for constraint in sorted(wanted - declared))


@policy(
    "watched-project",
    reason="nobody could say afterwards who did what, or be told what it costs",
    remedy="Declare it in infra/stacks/foundation.py, as the environment's file says",
    reference="CIS 2.1 and 2.2, https://cloud.google.com/architecture/security-foundations/logging-monitoring",
)
def watched_project(stack: SynthesisedStack) -> Iterator[Breach]:
    """The foundation declares the audit logs, sink, budget and organisation policies that the environment's file asks for."""
    environment = stack.environment
    if stack.id != stack.names.stack("foundation"):
        return
    wanted = {
        "google_project_iam_audit_config": environment.audit.data_access,
        "google_logging_project_sink": environment.audit.sink.mode == "create",
        "google_billing_budget": environment.budget is not None,
        "google_org_policy_policy": environment.organisation_policies.mode == "create",
    }
    yield from ((None, f"declares no {type_}") for type_, wants in wanted.items() if wants and type_ not in stack.by_type)


@policy(
    "protected-environment",
    reason="what is protected on paper would be open in fact",
    remedy="Change environments/<name>.yaml back, or set protected to false and say why in the review",
    reference="CIS 2.1, https://cloud.google.com/architecture/security-foundations",
)
def protected_environment(stack: SynthesisedStack) -> Iterator[Breach]:
    """A protected environment has keys of its own, logs who reads data, and tells somebody what it costs."""
    environment = stack.environment
    if not environment.protected or stack.id != stack.names.stack("foundation"):
        return
    if environment.keys.mode == "none":
        yield None, "uses no keys of its own (keys.mode)"
    if not environment.audit.data_access:
        yield None, "does not log who reads data (audit.data_access)"
    if environment.budget is None:
        yield None, "has no budget (budget)"


POLICIES = (
    audit_log_kinds,
    log_sink,
    budget_alert,
    alert_channel,
    alert_instructions,
    organisation_policy,
    ml_constraints,
    watched_project,
    protected_environment,
)
