"""Topics of alerts and of retraining, and the alerts on failed predictions and on drift."""

from constructs import Construct

from environments import Names
from environments.tasks import Tasks
from infra.components.drift_alert import DriftAlert, DriftAlertProps
from infra.components.prediction_alert import PredictionAlert, PredictionAlertProps
from infra.components.subscription import Subscription, SubscriptionProps
from infra.components.topic import Topic, TopicProps
from infra.stacks.base import Stack


class MonitoringStack(Stack):
    """Creates the topics that drift monitors and retraining speak through, the subscription of retraining, and the alert policies.

    Deliberately holds no drift monitor and no trigger: they are code, and run as pipelines under the pipelines' identity.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        pipelines = f"serviceAccount:{names.service_account('pipelines')}"
        topics = {
            purpose: Topic(
                self, purpose, TopicProps(name=names.topic(purpose), region=self.environment.region, publishers={"pipelines": pipelines})
            )
            for purpose in names.TOPICS
        }
        Subscription(
            self,
            "retraining-events",
            SubscriptionProps(name=names.subscription("retraining"), topic=topics["retraining"].topic.id, reader=pipelines),
        )
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
