"""The alert on drift."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf_cdktf_provider_google.monitoring_metric_descriptor import MonitoringMetricDescriptor, MonitoringMetricDescriptorLabels
from constructs import Construct

from infra.components.alert import AlertProps, Condition, policy
from infra.components.series import Series

SHIFTED = 1.0
"""What the monitor writes for a window whose inputs have shifted; 0 for one that is silent."""
WHAT_TO_DO = """\
The inputs of `{task}` no longer look like the rows that its champion was validated on.

1. Open the last run of the monitor: `drift.json` names the tests that fired and the rows that drive them.
2. A retraining run has been asked for. It is compared with the champion on the same rows, and promoted only if it is no worse.
3. If the shift is a fault of a client, mend the client: retraining would teach the model the fault."""


@dataclass(frozen=True, kw_only=True)
class DriftAlertProps:
    """The metric that the monitors write, whose tasks are watched, who is told."""

    metric: str
    policies: Mapping[str, str]
    """Task → display name of its policy."""
    channel: str
    """Resource name of the notification channel."""
    labels: Mapping[str, str]


class DriftAlert(Construct):
    """Creates the metric's descriptor and one policy a task: the last window has shifted.

    The descriptor is declared because Google refuses a policy about a metric that it has never seen. The aligner takes the
    last point and not a mean, so that a silent window closes the incident.
    Deliberately starts no retraining: the monitor publishes that itself, once an event, while an alert is for people.
    """

    def __init__(self, scope: Construct, id: str, props: DriftAlertProps) -> None:
        super().__init__(scope, id)
        descriptor = MonitoringMetricDescriptor(
            self,
            "metric",
            type=props.metric,
            metric_kind="GAUGE",
            value_type="DOUBLE",
            description="1 where a window of a task's requests has shifted against the champion's baseline, else 0.",
            labels=[MonitoringMetricDescriptorLabels(key="task", value_type="STRING", description="Name of the task.")],
        )
        for task, display_name in props.policies.items():
            shifted = Series(
                filter=f'metric.type = "{props.metric}" AND resource.type = "global" AND metric.labels.task = "{task}"',
                period="60s",
                aligner="ALIGN_NEXT_OLDER",
            )
            policy(
                self,
                f"policy-{task}",
                AlertProps(
                    policy=display_name,
                    severity="WARNING",
                    conditions=[Condition(name=f"Drift of {task}", series=shifted, threshold=SHIFTED / 2)],
                    what_to_do=WHAT_TO_DO.format(task=task),
                    channel=props.channel,
                    labels={**props.labels, "task": task},
                    depends_on=[descriptor],
                ),
            )
