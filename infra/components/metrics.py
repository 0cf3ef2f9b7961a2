"""Metrics of our own: one that code writes, and one that is counted from logs."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.logging_metric import LoggingMetric, LoggingMetricMetricDescriptor, LoggingMetricMetricDescriptorLabels
from cdktf_cdktf_provider_google.monitoring_metric_descriptor import MonitoringMetricDescriptor, MonitoringMetricDescriptorLabels
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class GaugeProps:
    """A number that code writes from time to time."""

    type: str
    """`custom.googleapis.com/…`."""
    description: str
    label: str
    """The one label that tells its series apart."""


class Gauge(Construct):
    """Creates the descriptor of one metric.

    Deliberately writes no point. It is declared at all because Google refuses an alert policy about a metric that it has never seen.
    """

    def __init__(self, scope: Construct, id: str, props: GaugeProps) -> None:
        super().__init__(scope, id)
        self.type = props.type
        self.descriptor = MonitoringMetricDescriptor(
            self,
            "metric",
            type=props.type,
            metric_kind="GAUGE",
            value_type="DOUBLE",
            description=props.description,
            labels=[MonitoringMetricDescriptorLabels(key=props.label, value_type="STRING")],
        )


@dataclass(frozen=True, kw_only=True)
class LogCounterProps:
    """How many log entries pass a filter."""

    name: str
    description: str
    filter: str
    label: str
    field: str
    """Field of the entry that the label is taken from."""


class LogCounter(Construct):
    """Creates one log-based metric that counts entries from now on.

    Deliberately keeps no entry: what it counts stays in the logs for as long as they are kept.
    """

    def __init__(self, scope: Construct, id: str, props: LogCounterProps) -> None:
        super().__init__(scope, id)
        self.type = f"logging.googleapis.com/user/{props.name}"
        self.metric = LoggingMetric(
            self,
            "metric",
            name=props.name,
            description=props.description,
            filter=props.filter,
            metric_descriptor=LoggingMetricMetricDescriptor(
                metric_kind="DELTA",
                value_type="INT64",
                unit="1",
                labels=[LoggingMetricMetricDescriptorLabels(key=props.label, value_type="STRING")],
            ),
            label_extractors={props.label: f"EXTRACT({props.field})"},
        )
