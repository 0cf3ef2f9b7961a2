"""Answers of deployed models, counted as Vertex AI counts them for every endpoint: as time series, which alert policies can watch.

https://cloud.google.com/monitoring/api/metrics_gcp_a_b#gcp-aiplatform
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.engines.metrics import Metrics, aggregated, value_of
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

FAILED = 400
"""From this HTTP status on, an answer says that something failed."""
METRICS = "aiplatform.googleapis.com/prediction/online"
RESPONSES, ERRORS, LATENCIES = (f"{METRICS}/{name}" for name in ("response_count", "error_count", "prediction_latencies"))
SAMPLING_SECONDS = 1.0
"""How long after an answer the alert policies see it, with all others of that time; Google takes a minute."""


@dataclass(frozen=True)
class Answers:
    """Answers of one deployed model."""

    codes: Counter[str] = field(default_factory=Counter)
    """HTTP status → answers."""
    minutes: Counter[int] = field(default_factory=Counter)
    """Minute since the epoch → answers."""
    failed: Counter[int] = field(default_factory=Counter)
    """Minute since the epoch → those that say that something failed."""

    @property
    def total(self) -> int:
        """All answers."""
        return self.codes.total()

    @property
    def errors(self) -> int:
        """Those that say that something failed."""
        return self.failed.total()


@dataclass(frozen=True)
class Latency:
    """How long the answers of one deployed model took, in milliseconds."""

    mean: float
    percentile: float
    """95 of 100 answers took no longer."""


class Traffic:
    """Counts what the deployed models answer."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._due: dict[str, asyncio.TimerHandle] = {}
        cloud.at_end(self._close)

    def count(self, endpoint: str, deployed_id: str, status: int, milliseconds: float) -> None:
        """Counts one answer of a deployed model and how long it took; the alert policies see it shortly after."""
        project, resource = _endpoint(endpoint)
        counted: dict[str, Json] = {RESPONSES: {"deployed_model_id": deployed_id, "response_code": str(status)}}
        if status >= FAILED:
            counted[ERRORS] = {"deployed_model_id": deployed_id}
        at = time.time()
        with self._cloud.store.transaction():
            for type_, labels in counted.items():
                header = {"metric": {"type": type_, "labels": labels}, "resource": resource, "metricKind": "DELTA", "valueType": "INT64"}
                self._cloud.metrics.count(project, header, at)
            labels = {"deployed_model_id": deployed_id, "latency_type": "total"}
            took = {
                "metric": {"type": LATENCIES, "labels": labels},
                "resource": resource,
                "metricKind": "DELTA",
                "valueType": "DISTRIBUTION",
            }
            self._cloud.metrics.measure(project, took, at, milliseconds)
        if project not in self._due:
            self._due[project] = asyncio.get_running_loop().call_later(SAMPLING_SECONDS, self.sample, project)

    def sample(self, project: str) -> None:
        """Holds what has been counted against the alert policies of `projects/P`."""
        due = self._due.pop(project, None)
        if due is not None:
            due.cancel()
        self._cloud.alerts.written(project, {RESPONSES, ERRORS, LATENCIES}, time.time())

    async def _close(self) -> None:
        for due in self._due.values():
            due.cancel()


def answers(metrics: Metrics, endpoint: str) -> dict[str, Answers]:
    """Deployed model → its answers, as far back as time series are kept."""
    found: dict[str, Answers] = {}
    for series in metrics.select(*_filter(endpoint, RESPONSES), 0.0):
        metric = series.header["metric"]["labels"]
        own = found.setdefault(metric["deployed_model_id"], Answers())
        for end, point in series.points:
            count, minute = round(value_of(point)), int(end // 60)
            own.codes[metric["response_code"]] += count
            own.minutes[minute] += count
            own.failed[minute] += count if int(metric["response_code"]) >= FAILED else 0
    return found


def latencies(metrics: Metrics, endpoint: str) -> dict[str, Latency]:
    """Deployed model → how long its answers took, as far back as time series are kept."""
    found: dict[str, Latency] = {}
    for series in metrics.select(*_filter(endpoint, LATENCIES), 0.0):
        counted = [(int(one["count"]), float(one["mean"])) for _, point in series.points if (one := point["value"]["distributionValue"])]
        total = sum(count for count, _ in counted)
        if total:
            last, whole = (
                series.points[-1][0],
                {"perSeriesAligner": "ALIGN_PERCENTILE_95", "alignmentPeriod": f"{series.points[-1][0]:.0f}s"},
            )
            _, point = aggregated([series], whole, 0.0, last)[0].points[-1]
            mean = sum(count * mean for count, mean in counted) / total
            found[series.header["metric"]["labels"]["deployed_model_id"]] = Latency(mean, value_of(point))
    return found


def _filter(endpoint: str, metric: str) -> tuple[str, str]:
    """Project, and the filter that lets through the series of one metric of an endpoint."""
    project, resource = _endpoint(endpoint)
    labels = resource["labels"]
    wanted = {"metric.type": metric, **{f"resource.labels.{key}": labels[key] for key in ("endpoint_id", "location")}}
    return project, " AND ".join(f'{key} = "{value}"' for key, value in wanted.items())


def _endpoint(name: str) -> tuple[str, Json]:
    """Project (`projects/P`) and monitored resource of an endpoint."""
    _, project, _, location, _, endpoint_id = name.split("/")
    labels = {"resource_container": project_number(project), "location": location, "endpoint_id": endpoint_id}
    return f"projects/{project}", {"type": "aiplatform.googleapis.com/Endpoint", "labels": labels}
