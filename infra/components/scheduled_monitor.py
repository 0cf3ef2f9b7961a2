"""What asks, at fixed times, for a task's traffic to be judged."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.cloud_scheduler_job import CloudSchedulerJob, CloudSchedulerJobPubsubTarget, CloudSchedulerJobRetryConfig
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class ScheduledMonitorProps:
    """A task, when it is judged, and where that is asked for."""

    name: str
    region: str
    task: str
    cron: str
    """In UTC."""
    hours: int
    """Length of the window that ends when the message is published."""
    topic: str
    """`projects/P/topics/T`."""


class ScheduledMonitor(Construct):
    """Creates one Cloud Scheduler job that publishes a message; `pipelines.monitoring` starts the pipeline for each.

    Deliberately does not call Vertex AI itself: a run needs the digests of images that were built after this stack was applied, and a
    window that ends with it. Cloud Scheduler publishes as its own service agent, which Google lets do that where its API is enabled.
    """

    def __init__(self, scope: Construct, id: str, props: ScheduledMonitorProps) -> None:
        super().__init__(scope, id)
        CloudSchedulerJob(
            self,
            "job",
            name=props.name,
            region=props.region,
            description=f"Asks for a monitor of the task {props.task} over {props.hours} hours",
            schedule=props.cron,
            time_zone="Etc/UTC",
            pubsub_target=CloudSchedulerJobPubsubTarget(topic_name=props.topic, attributes={"task": props.task, "hours": str(props.hours)}),
            retry_config=CloudSchedulerJobRetryConfig(retry_count=3, min_backoff_duration="10s"),
        )
