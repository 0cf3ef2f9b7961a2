"""Which of our names a resource carries: what connects a change in a plan with the code that asks `Names` for it."""

import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from environments import ConfigurationError, Names
from environments.tasks import Tasks
from infra.price.idle import GRANT
from infra.review.change import Planned
from infra.review.uses import Name

DECLARED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "google_artifact_registry_repository": ("repository_id", ("repository",)),
    "google_bigquery_dataset": ("dataset_id", ("dataset",)),
    "google_bigquery_table": ("table_id", ("table", "feature_group", "annotation_group")),
    "google_billing_budget": ("display_name", ("budget",)),
    "google_cloud_run_v2_service": ("name", ("web_server",)),
    "google_cloud_scheduler_job": ("name", ("schedule",)),
    "google_cloudbuildv2_connection": ("name", ("connection",)),
    "google_compute_global_forwarding_rule": ("name", ("google_apis_endpoint",)),
    "google_compute_network": ("name", ("network",)),
    "google_compute_network_attachment": ("name", ("network_attachment",)),
    "google_compute_subnetwork": ("name", ("subnetwork", "dataflow_subnetwork")),
    "google_iam_workload_identity_pool": ("workload_identity_pool_id", ("workload_identity_pool_id",)),
    "google_kms_crypto_key": ("name", ("key",)),
    "google_kms_key_ring": ("name", ("approval_ring", "key_ring")),
    "google_logging_project_bucket_config": ("bucket_id", ("audit_logs",)),
    "google_logging_project_sink": ("name", ("audit_logs",)),
    "google_monitoring_alert_policy": ("display_name", ("alert_policy", "drift_alert_policy")),
    "google_monitoring_metric_descriptor": ("type", ("drift_metric", "accuracy_metric", "retirement_metric")),
    "google_pubsub_subscription": ("name", ("subscription",)),
    "google_pubsub_topic": ("name", ("topic",)),
    "google_secret_manager_secret": ("secret_id", ("secret",)),
    "google_service_account": ("account_id", ("service_account_id",)),
    "google_storage_bucket": ("name", ("bucket", "plan_bucket", "release_bucket")),
    "google_vertex_ai_dataset": ("display_name", ("managed_dataset",)),
    "google_vertex_ai_deployment_resource_pool": ("name", ("resource_pool",)),
    "google_vertex_ai_endpoint": ("name", ("endpoint_id",)),
    "google_vertex_ai_feature_group": ("name", ("feature_group", "annotation_group")),
    "google_vertex_ai_feature_online_store": ("name", ("online_store",)),
    "google_vertex_ai_feature_online_store_featureview": ("name", ("feature_view",)),
    "google_vertex_ai_tensorboard": ("display_name", ("tensorboard",)),
    "google_workbench_instance": ("name", ("workbench_instance",)),
}
"""Resource type → the attribute that holds its name, and the members of `Names` that it may be. The project is not among them: all code
works in it."""
NOT_THE_TARGET = ("condition", "etag", "id", "member", "members", "policy_data", "role")
"""Attributes of a grant that do not say what it is on."""


@dataclass(frozen=True)
class Named:
    """The names of one environment, by their values."""

    names: Names
    tasks: Tasks

    @cached_property
    def values(self) -> Mapping[str, Mapping[str, Name]]:
        """Member → last part of what it says → the name."""
        members = sorted({member for _, known in DECLARED.values() for member in known})
        return {member: dict(self._said(member)) for member in members}

    def _said(self, member: str) -> Iterator[tuple[str, Name]]:
        declared = getattr(Names, member)
        if isinstance(declared, property):
            yield _last(getattr(self.names, member)), Name(member=member)
            return
        for argument in self._arguments(declared):
            try:
                said = getattr(self.names, member)(argument)
            except ConfigurationError:
                # Of a project that is not made yet, so that nothing of it can change either.
                continue
            if said:
                yield _last(said), Name(member=member, argument=argument)

    def _arguments(self, declared: typing.Any) -> Iterable[str]:
        """What the first parameter of a member may be: one of its literals, a task, an instance of the workbench."""
        hints = {name: hint for name, hint in typing.get_type_hints(declared).items() if name != "return"}
        parameter, hint = next(iter(hints.items()))
        if typing.get_origin(hint) is typing.Literal:
            return typing.get_args(hint)
        return [task.name for task in self.tasks.tasks] if parameter == "task" else sorted(self.names.environment.workbench.instances)

    def of(self, it: Planned) -> list[Name]:
        """The names of a resource before and after; of a grant, those of what it is on."""
        type_ = GRANT.sub("", it.type)
        if type_ not in DECLARED:
            return []
        attribute, members = DECLARED[type_]
        bodies = [values for values in (it.before, it.after) if values]
        if type_ == it.type:
            said = {values.get(attribute) for values in bodies}
        else:
            said = {value for values in bodies for key, value in values.items() if key not in NOT_THE_TARGET and isinstance(value, str)}
        parts = {_last(one) for one in said if isinstance(one, str)}
        return sorted(name for member in members for part, name in self.values[member].items() if part in parts)


def _last(name: str) -> str:
    """The last part of a full name: of `projects/P/topics/T`, of `P.dataset.table`, of an e-mail address what is before the `@`."""
    return re.split(r"[/.]", name.partition("@")[0])[-1]
