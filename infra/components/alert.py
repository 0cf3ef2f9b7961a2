"""An alert policy: people are told when a metric crosses a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_google.monitoring_alert_policy import (
    MonitoringAlertPolicy,
    MonitoringAlertPolicyAlertStrategy,
    MonitoringAlertPolicyConditions,
    MonitoringAlertPolicyConditionsConditionThreshold,
    MonitoringAlertPolicyConditionsConditionThresholdAggregations,
    MonitoringAlertPolicyConditionsConditionThresholdTrigger,
    MonitoringAlertPolicyDocumentation,
)
from constructs import Construct

from infra.components.series import Series


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A line, and what must not cross it."""

    name: str
    series: Series
    comparison: Literal["COMPARISON_GT", "COMPARISON_LT"] = "COMPARISON_GT"
    threshold: float


@dataclass(frozen=True, kw_only=True)
class AlertProps:
    """When people are told, who, and what they should do."""

    policy: str
    """Display name."""
    severity: Literal["CRITICAL", "ERROR", "WARNING"]
    conditions: Sequence[Condition]
    """Any of them opens an incident."""
    what_to_do: str
    """Markdown."""
    channel: str
    """Resource name of the notification channel."""
    labels: Mapping[str, str]
    depends_on: Sequence[ITerraformDependable] = ()
    """What declares the metrics: Google refuses a policy about one that it has never seen."""


def policy(scope: Construct, id: str, props: AlertProps) -> MonitoringAlertPolicy:
    """The policy of an alert, below a construct that may have more to it."""
    return MonitoringAlertPolicy(
        scope,
        id,
        display_name=props.policy,
        combiner="OR",
        severity=props.severity,
        conditions=[
            MonitoringAlertPolicyConditions(
                display_name=condition.name,
                condition_threshold=MonitoringAlertPolicyConditionsConditionThreshold(
                    filter=condition.series.filter,
                    aggregations=[
                        MonitoringAlertPolicyConditionsConditionThresholdAggregations(
                            alignment_period=condition.series.period,
                            per_series_aligner=condition.series.aligner,
                            cross_series_reducer=condition.series.reducer,
                            group_by_fields=list(condition.series.group_by) or None,
                        )
                    ],
                    comparison=condition.comparison,
                    threshold_value=condition.threshold,
                    duration="0s",
                    trigger=MonitoringAlertPolicyConditionsConditionThresholdTrigger(count=1),
                ),
            )
            for condition in props.conditions
        ],
        notification_channels=[props.channel],
        alert_strategy=MonitoringAlertPolicyAlertStrategy(auto_close="86400s"),
        documentation=MonitoringAlertPolicyDocumentation(content=props.what_to_do, mime_type="text/markdown"),
        user_labels=dict(props.labels),
        depends_on=list(props.depends_on) or None,
    )


class Alert(Construct):
    """Creates one policy whose incidents close by themselves a day after the last bad point.

    Deliberately acts on nothing: an alert is for people, and what is to happen by itself is published where it is measured.
    """

    def __init__(self, scope: Construct, id: str, props: AlertProps) -> None:
        super().__init__(scope, id)
        policy(self, "policy", props)
