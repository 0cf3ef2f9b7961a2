"""The alert on failed predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from cdktf_cdktf_provider_google.monitoring_alert_policy import (
    MonitoringAlertPolicy,
    MonitoringAlertPolicyAlertStrategy,
    MonitoringAlertPolicyConditions,
    MonitoringAlertPolicyConditionsConditionThreshold,
    MonitoringAlertPolicyConditionsConditionThresholdAggregations,
    MonitoringAlertPolicyConditionsConditionThresholdDenominatorAggregations,
    MonitoringAlertPolicyDocumentation,
)
from cdktf_cdktf_provider_google.monitoring_notification_channel import MonitoringNotificationChannel
from constructs import Construct

METRIC = "aiplatform.googleapis.com/prediction/online"
RESOURCE = "aiplatform.googleapis.com/Endpoint"
WINDOW = "300s"


class Aggregation(TypedDict):
    """How a series is summed before two are compared."""

    alignment_period: str
    per_series_aligner: str
    cross_series_reducer: str
    group_by_fields: Sequence[str]


PER_ENDPOINT = Aggregation(
    alignment_period=WINDOW,
    per_series_aligner="ALIGN_RATE",
    cross_series_reducer="REDUCE_SUM",
    group_by_fields=["resource.label.endpoint_id"],
)
WHAT_TO_DO = """\
More than {percent:g} % of the predictions of one endpoint failed for five minutes.

1. Read the deployed model's logs: `resource.type="aiplatform.googleapis.com/Endpoint"`, severity ERROR.
2. If a challenger is receiving traffic, send all traffic back to the champion.
3. If the champion fails too, compare the failing requests with the serving contract: a client may have changed."""


@dataclass(frozen=True, kw_only=True)
class PredictionAlertProps:
    """Who is told, about which endpoints, from which share of failures on."""

    policy: str
    channel: str
    email: str
    endpoint_ids: Sequence[str]
    error_ratio: float
    labels: Mapping[str, str]


class PredictionAlert(Construct):
    """Creates an e-mail channel and one policy: failed over all responses, per endpoint.

    Deliberately watches a ratio (ten failures mean nothing without the traffic), only the endpoints of this environment,
    and not drift: drift is measured by a pipeline, and has an alert of its own (`drift_alert.py`), which uses this channel.
    """

    def __init__(self, scope: Construct, id: str, props: PredictionAlertProps) -> None:
        super().__init__(scope, id)
        self.channel = MonitoringNotificationChannel(
            self,
            "channel",
            display_name=props.channel,
            type="email",
            labels={"email_address": props.email},
            user_labels=dict(props.labels),
        )
        MonitoringAlertPolicy(
            self,
            "policy",
            display_name=props.policy,
            combiner="OR",
            severity="ERROR",
            conditions=[
                MonitoringAlertPolicyConditions(
                    display_name="failed over all responses",
                    condition_threshold=MonitoringAlertPolicyConditionsConditionThreshold(
                        filter=series("error_count", props.endpoint_ids),
                        aggregations=[MonitoringAlertPolicyConditionsConditionThresholdAggregations(**PER_ENDPOINT)],
                        denominator_filter=series("response_count", props.endpoint_ids),
                        denominator_aggregations=[MonitoringAlertPolicyConditionsConditionThresholdDenominatorAggregations(**PER_ENDPOINT)],
                        comparison="COMPARISON_GT",
                        threshold_value=props.error_ratio,
                        duration=WINDOW,
                    ),
                )
            ],
            notification_channels=[self.channel.name],
            alert_strategy=MonitoringAlertPolicyAlertStrategy(auto_close="86400s"),
            documentation=MonitoringAlertPolicyDocumentation(
                content=WHAT_TO_DO.format(percent=props.error_ratio * 100), mime_type="text/markdown"
            ),
            user_labels=dict(props.labels),
        )


def series(metric: str, endpoint_ids: Sequence[str]) -> str:
    """Monitoring filter for a prediction metric of some endpoints."""
    ids = ", ".join(f'"{endpoint_id}"' for endpoint_id in endpoint_ids)
    return f'metric.type = "{METRIC}/{metric}" AND resource.type = "{RESOURCE}" AND resource.labels.endpoint_id = one_of({ids})'
