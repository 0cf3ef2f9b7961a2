"""What an environment watches: a series, the line that it must not cross, and what to do when it has.

The alerts on failed predictions and on drift are apart, in components of their own: a ratio of two series, and a policy a task.
"""

from dataclasses import dataclass
from typing import Literal

from environments import Names
from environments.tasks import Tasks
from infra.components.prediction_alert import series as of_endpoints
from infra.components.series import Series
from releases.breakglass import TITLE

Word = Literal["latency", "accuracy", "failed-runs", "retirement", "undelivered", "cost", "break-glass"]

GIB = 2**30
DAYS_BEFORE_RETIREMENT = 60
"""CI fails from the same day on, but only when somebody pushes."""
SILENT_SECONDS = 86_400
"""A message that lies so long is read by nobody."""
FAILED_RUN = 'resource.type = "aiplatform.googleapis.com/PipelineJob" AND jsonPayload.state = "PIPELINE_STATE_FAILED"'
"""Which log entries say that a pipeline's run has failed.
https://cloud.google.com/vertex-ai/docs/pipelines/logging"""
PIPELINE = "jsonPayload.pipelineName"

BREAK_GLASS = (
    'resource.type = "service_account" AND protoPayload.methodName = "google.iam.admin.v1.SetIAMPolicy" '
    f'AND protoPayload.serviceData.policyDelta.bindingDeltas.condition.title = "{TITLE}" '
    'AND protoPayload.serviceData.policyDelta.bindingDeltas.action = "ADD"'
)
"""Which entries of the audit log say that somebody was let past the approvals, by our command or by hand; not that it was ended.
https://cloud.google.com/iam/docs/audit-logging/examples-service-accounts"""
WHO = "protoPayload.authenticationInfo.principalEmail"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A series and the value that it must not cross."""

    name: str
    series: Series
    threshold: float
    below: bool = False
    """Whether it is crossed from above."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Lines that are crossed for the same reason."""

    severity: Literal["CRITICAL", "ERROR", "WARNING"]
    lines: tuple[Line, ...]
    what_to_do: str
    """Markdown."""


def watched(names: Names, tasks: Tasks) -> dict[Word, Watched]:
    """Everything that people are told about beside failed predictions and drift."""
    environment = names.environment
    limits, serving = environment.monitoring, environment.serving
    endpoints = [names.endpoint_id(task.name) for task in tasks.tasks]
    # A canary holds both versions for a while.
    replicas = 2 * serving.max_replicas * len(endpoints)
    return {
        "latency": Watched(
            severity="WARNING",
            lines=(
                Line(
                    name="95th percentile of an endpoint, in milliseconds",
                    series=Series(
                        filter=of_endpoints("prediction_latencies", endpoints),
                        period="300s",
                        aligner="ALIGN_PERCENTILE_95",
                        reducer="REDUCE_MAX",
                        group_by=["resource.label.endpoint_id"],
                    ),
                    threshold=limits.latency_ms,
                ),
            ),
            what_to_do=LATENCY.format(milliseconds=limits.latency_ms),
        ),
        "accuracy": Watched(
            severity="ERROR",
            lines=(
                Line(
                    name="accuracy that a champion seems to have lost",
                    series=Series(filter=written(names.accuracy_metric), period="60s", aligner="ALIGN_NEXT_OLDER"),
                    threshold=limits.accuracy_loss,
                ),
            ),
            what_to_do=ACCURACY.format(percent=limits.accuracy_loss * 100),
        ),
        "failed-runs": Watched(
            severity="ERROR",
            lines=(
                Line(
                    name="runs that failed",
                    series=Series(
                        filter=f'metric.type = "{failed_runs(names)}" AND resource.type = "aiplatform.googleapis.com/PipelineJob"',
                        period="600s",
                        aligner="ALIGN_DELTA",
                        reducer="REDUCE_SUM",
                        group_by=["metric.label.pipeline"],
                    ),
                    threshold=0,
                ),
            ),
            what_to_do=FAILED_RUNS,
        ),
        "retirement": Watched(
            severity="WARNING",
            lines=(
                Line(
                    name="days until a Gemini model retires",
                    series=Series(filter=written(names.retirement_metric), period="60s", aligner="ALIGN_NEXT_OLDER"),
                    threshold=DAYS_BEFORE_RETIREMENT,
                    below=True,
                ),
            ),
            what_to_do=RETIREMENT,
        ),
        "undelivered": Watched(
            severity="ERROR",
            lines=(
                Line(
                    name="messages that nobody could handle",
                    series=of_subscription(names.subscription("undelivered"), "num_undelivered_messages"),
                    threshold=0,
                ),
                *(
                    Line(
                        name=f"seconds that a message of {purpose} waits",
                        series=of_subscription(names.subscription(purpose), "oldest_unacked_message_age"),
                        threshold=SILENT_SECONDS,
                    )
                    for purpose in names.SUBSCRIPTIONS
                    if purpose != "undelivered"
                ),
            ),
            what_to_do=UNDELIVERED,
        ),
        "cost": Watched(
            severity="WARNING",
            lines=(
                Line(
                    name="deployed replicas",
                    series=Series(filter=of_endpoints("replicas", endpoints), period="3600s", aligner="ALIGN_MAX", reducer="REDUCE_SUM"),
                    threshold=replicas,
                ),
                Line(
                    name="bytes that BigQuery scanned in a day",
                    series=Series(
                        filter='metric.type = "bigquery.googleapis.com/query/scanned_bytes_billed" AND resource.type = "global"',
                        period="86400s",
                        aligner="ALIGN_DELTA",
                        reducer="REDUCE_SUM",
                    ),
                    threshold=limits.scanned_gib_a_day * GIB,
                ),
            ),
            what_to_do=COST.format(replicas=replicas, gib=limits.scanned_gib_a_day),
        ),
        "break-glass": Watched(
            severity="CRITICAL",
            lines=(
                Line(
                    name="people who were let past the approvals",
                    series=Series(
                        filter=f'metric.type = "{broken_glass(names)}" AND resource.type = "service_account"',
                        period="60s",
                        aligner="ALIGN_DELTA",
                        reducer="REDUCE_SUM",
                        group_by=["metric.label.principal"],
                    ),
                    threshold=0,
                ),
            ),
            what_to_do=GLASS.format(environment=environment.name),
        ),
    }


def failed_runs(names: Names) -> str:
    """Type of the metric that counts failed runs."""
    return f"logging.googleapis.com/user/{names.name('failed-runs')}"


def broken_glass(names: Names) -> str:
    """Type of the metric that counts emergency grants."""
    return f"logging.googleapis.com/user/{names.name('break-glass')}"


def written(metric: str) -> str:
    """Filter for a metric that our own code writes."""
    return f'metric.type = "{metric}" AND resource.type = "global"'


def of_subscription(subscription: str, metric: str) -> Series:
    """What Pub/Sub says of one subscription."""
    return Series(
        filter=f'metric.type = "pubsub.googleapis.com/subscription/{metric}" AND resource.type = "pubsub_subscription" '
        f'AND resource.labels.subscription_id = "{subscription}"',
        period="300s",
        aligner="ALIGN_MAX",
    )


LATENCY = """\
One in twenty predictions of an endpoint took longer than {milliseconds:g} ms for five minutes.

1. Compare the replicas with the requests: at the environment's `serving.max_replicas` they cannot grow any more.
2. If a challenger is receiving traffic, compare it with the champion, and send all traffic back if it is the slower one.
3. Read the sizes of the requests in the log: many instances in one request take their time together."""
ACCURACY = """\
On the last window of its traffic a champion seems to have lost more than {percent:g} points of accuracy.
That is an estimate without labels, by the model's own confidence.

1. Open the last run of the monitor: `harm` in `drift.json` gives the interval, and the share of rows that nothing is known about.
2. Label a sample of that window, and measure.
3. If it is true, send traffic back to the version before, or retrain: `python -m pipelines.retraining`."""
FAILED_RUNS = """\
A pipeline's run has failed. What served before keeps its traffic.

1. Open the run: the step that failed says what was wrong and what mends it.
2. Submit it again once that is mended: finished steps come from the cache. A retraining of an event:
   `python -m pipelines.retraining --again EVENT TASK`."""
RETIREMENT = """\
Google retires a Gemini model that this environment uses. From that day on its id answers 404, and tuned models of it are gone.

1. Read the task in the incident's labels: `environments/tasks.yaml` says which alias it uses, `models.yaml` when that one ends.
2. Give the alias another model in `environments/models.yaml`, and let the evaluation compare the two before it is merged.
3. New batch and tuning jobs of the old one are refused a month before it ends."""
UNDELIVERED = """\
An event or a request for a monitor reached nobody.

1. See whether the reader runs: `python -m pipelines.retraining`, `python -m pipelines.monitoring --listen`.
2. Read the messages of the subscription of dead letters: each names the subscription that it comes from.
3. Mend the cause, publish them again to their topic, and acknowledge them."""
COST = """\
Something is paid for that nobody planned: more than {replicas:g} replicas are deployed, or BigQuery scanned more than {gib:g} GiB in a day.

1. List what is deployed to the endpoints. A version without traffic that no canary is about to use can go.
2. Find the query in `INFORMATION_SCHEMA.JOBS`: a filter on the partitioning column is the usual cure.
3. If it is meant, raise the line in the environment's file."""
GLASS = """\
Somebody may act as the identity that applies, without an approval and for some hours.

1. The ledger says who and why: `playbook drift --env {environment}`. If it says nothing, the grant was made by hand: take it away.
2. When the emergency is over, look at what was changed by hand, and bring it into the code, or undo it.
3. Somebody else closes it: `playbook break-glass --env {environment} --close`."""
