"""Topics of alerts and of requests, everything that people are told about, what they see, and what asks for monitors."""

from collections.abc import Mapping

from cdktf import ITerraformDependable
from constructs import Construct

from environments import Names
from environments.names import Subscription as Reader
from environments.names import Topic as Purpose
from environments.tasks import Tasks
from infra.components.alert import Alert, AlertProps, Condition
from infra.components.dashboard import Chart, Dashboard, DashboardProps
from infra.components.drift_alert import DriftAlert, DriftAlertProps
from infra.components.metrics import Gauge, GaugeProps, LogCounter, LogCounterProps
from infra.components.prediction_alert import PredictionAlert, PredictionAlertProps
from infra.components.prediction_alert import series as of_endpoints
from infra.components.scheduled_monitor import ScheduledMonitor, ScheduledMonitorProps
from infra.components.series import Series
from infra.components.subscription import DeadLetters, Subscription, SubscriptionProps
from infra.components.topic import Topic, TopicProps
from infra.stacks.base import Stack
from infra.watched import BREAK_GLASS, FAILED_RUN, PIPELINE, WHO, Watched, Word, watched, written

IDS: dict[Reader, str] = {"retraining": "retraining-events", "monitoring": "monitoring-requests", "undelivered": "undelivered-letters"}
"""Subscription → construct id."""


class MonitoringStack(Stack):
    """Creates the topics that drift monitors and retraining speak through with their dead letters, alert policies, a dashboard, schedules.

    Deliberately holds no drift monitor and starts no run: they are code, and run as pipelines under the pipelines' identity. A schedule
    asks for a monitor; whoever listens starts it.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        self._messages()
        predictions = PredictionAlert(
            self,
            "predictions",
            PredictionAlertProps(
                policy=names.alert_policy,
                channel=names.name("oncall"),
                email=self.environment.monitoring.alert_email,
                endpoint_ids=[names.endpoint_id(task.name) for task in self.tasks],
                error_ratio=self.environment.monitoring.error_ratio,
                labels=names.labels,
            ),
        )
        DriftAlert(
            self,
            "drift",
            DriftAlertProps(
                metric=names.drift_metric,
                policies={task.name: names.drift_alert_policy(task.name) for task in self.tasks},
                channel=predictions.channel.name,
                labels=names.labels,
            ),
        )
        everything = watched(names, tasks)
        metrics = self._metrics()
        for word, one in everything.items():
            Alert(
                self,
                f"{word}-alert",
                AlertProps(
                    policy=names.name(word),
                    severity=one.severity,
                    conditions=[
                        Condition(
                            name=line.name,
                            series=line.series,
                            comparison="COMPARISON_LT" if line.below else "COMPARISON_GT",
                            threshold=line.threshold,
                        )
                        for line in one.lines
                    ],
                    what_to_do=one.what_to_do,
                    channel=predictions.channel.name,
                    labels=names.labels,
                    depends_on=[metrics[word]] if word in metrics else [],
                ),
            )
        self._dashboard(everything)

    def _messages(self) -> None:
        """Topics, who publishes to them, who reads them, and what asks for monitors."""
        names, schedule = self.names, self.environment.monitoring.schedule
        pipelines = f"serviceAccount:{names.service_account('pipelines')}"
        pubsub = f"serviceAccount:{names.service_agent('pubsub')}"
        publishers: dict[Purpose, dict[str, str]] = {
            "alerts": {"pipelines": pipelines},
            "retraining": {"pipelines": pipelines},
            "monitoring": {},
            "undelivered": {"forwarder": pubsub},
        }
        topics = {
            purpose: Topic(
                self,
                purpose,
                TopicProps(
                    name=names.topic(purpose),
                    region=self.environment.region,
                    kms_key=names.key("data"),
                    publishers=publishers[purpose],
                ),
            )
            for purpose in names.TOPICS
        }
        for purpose in names.SUBSCRIPTIONS:
            Subscription(
                self,
                IDS[purpose],
                SubscriptionProps(
                    name=names.subscription(purpose),
                    topic=topics[purpose].topic.id,
                    reader=pipelines,
                    dead_letters=DeadLetters(topic=topics["undelivered"].topic.id, forwarder=pubsub) if purpose != "undelivered" else None,
                ),
            )
        if schedule is None:
            return
        for task in self.tasks:
            ScheduledMonitor(
                self,
                f"schedule-{task.name}",
                ScheduledMonitorProps(
                    name=names.schedule(task.name),
                    region=self.environment.region,
                    task=task.name,
                    cron=schedule.cron,
                    hours=schedule.hours,
                    topic=topics["monitoring"].topic.id,
                ),
            )

    def _metrics(self) -> Mapping[Word, ITerraformDependable]:
        """The metrics of our own, by the alert that watches them."""
        names = self.names
        accuracy = GaugeProps(
            type=names.accuracy_metric,
            description="Accuracy that a task's champion seems to have lost on a window of its requests, estimated without labels.",
            label="task",
        )
        retirement = GaugeProps(
            type=names.retirement_metric,
            description="Days until Google retires the Gemini model that labels a task's rows.",
            label="task",
        )
        failed = LogCounterProps(
            name=names.name("failed-runs"),
            description="Runs of pipelines that failed.",
            filter=FAILED_RUN,
            label="pipeline",
            field=PIPELINE,
        )
        glass = LogCounterProps(
            name=names.name("break-glass"),
            description="Grants that let somebody past the approvals.",
            filter=BREAK_GLASS,
            label="principal",
            field=WHO,
        )
        return {
            "break-glass": LogCounter(self, "break-glass-log", glass).metric,
            "accuracy": Gauge(self, "accuracy-loss", accuracy).descriptor,
            "retirement": Gauge(self, "model-days-left", retirement).descriptor,
            "failed-runs": LogCounter(self, "failed-run-log", failed).metric,
        }

    def _dashboard(self, everything: Mapping[Word, Watched]) -> None:
        names = self.names
        endpoints = [names.endpoint_id(task.name) for task in self.tasks]
        answers = Series(
            filter=of_endpoints("response_count", endpoints),
            period="300s",
            aligner="ALIGN_RATE",
            reducer="REDUCE_SUM",
            group_by=["resource.label.endpoint_id", "metric.label.response_code"],
        )
        shifted = Series(filter=written(names.drift_metric), period="60s", aligner="ALIGN_NEXT_OLDER")
        charts = [
            Chart(title="predictions a second, by status", series=[answers]),
            Chart(title="drift: 1 where a window has shifted", series=[shifted]),
            *(Chart(title=line.name, series=[line.series], threshold=line.threshold) for one in everything.values() for line in one.lines),
        ]
        Dashboard(self, "overview", DashboardProps(name=names.name("overview"), charts=charts))
