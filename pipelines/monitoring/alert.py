"""Tells what became of a window: a point for the alert policy, and where it has shifted, messages for whoever acts on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from environments import catalogue, tasks
from environments.clients import TIMEOUT_SECONDS, Clients
from environments.names import Topic

TOPICS: tuple[Topic, ...] = ("alerts", "retraining")
TOLD = ("status", "reason", "p", "tests", "rows", "harm", "baseline")
"""Of `drift.json`, in a message: what was in the requests stays where it is."""
OUT_OF_TURN_SECONDS = 20.0
"""How long a point that Cloud Monitoring does not take is written again: a few times the five seconds between two points of a series."""


@dataclass(frozen=True)
class Alerted:
    """What was told, as written to `alert.json`."""

    point: float | None
    """1 where the window has shifted, 0 where it is silent; nothing where too little is known."""
    metric: str
    messages: dict[str, str]
    """Topic → id of the message."""


def tell(clients: Clients, task: str, drift: Mapping[str, Any]) -> Alerted:
    """Write the points and publish the event.

    Beside the verdict itself these are the accuracy that the champion seems to have lost, where that can be told, and the days that are
    left of the Gemini model that labels the task's rows.
    A step that runs again publishes again, under the same event id: whoever acts on it acts once. Two monitors of a task may end together,
    and Cloud Monitoring takes no point that is older than, or within five seconds of, the last one: that one is written again, later.

    Args:
        clients: clients of the environment.
        task: name of the task.
        drift: content of `drift.json`.
    """
    metric, point = clients.names.drift_metric, {"shifted": 1.0, "silent": 0.0}.get(drift["status"])
    harm = drift.get("harm")
    values = {
        metric: point,
        clients.names.accuracy_metric: max(0.0, -float(harm["change"])) if harm else None,
        clients.names.retirement_metric: days_left(task, datetime.now(UTC).date()),
    }
    for type_, value in values.items():
        if value is not None:
            _write(clients, task, type_, value)
    return Alerted(point, metric, _publish(clients, task, drift) if drift["status"] == "shifted" else {})


def days_left(task: str, today: date) -> float | None:
    """Days until Google retires the Gemini model that labels the task's rows; None where no end is announced."""
    alias = tasks().named(task).labelling.model
    retires = next(model.retires for model in catalogue().models if model.alias == alias)
    return float((retires - today).days) if retires else None


def _write(clients: Clients, task: str, metric: str, value: float) -> None:
    from google.api_core.exceptions import InvalidArgument
    from google.api_core.retry import Retry, if_exception_type
    from google.cloud.monitoring_v3 import Point, TimeInterval, TimeSeries, TypedValue

    def write() -> None:
        series = TimeSeries(
            metric={"type": metric, "labels": {"task": task}},
            resource={"type": "global", "labels": {"project_id": clients.names.project}},
            points=[Point(interval=TimeInterval(end_time=datetime.now(UTC)), value=TypedValue(double_value=value))],
        )
        clients.metrics().create_time_series(name=f"projects/{clients.names.project}", time_series=[series], timeout=TIMEOUT_SECONDS)

    Retry(predicate=if_exception_type(InvalidArgument), initial=0.5, timeout=OUT_OF_TURN_SECONDS)(write)()


def _publish(clients: Clients, task: str, drift: Mapping[str, Any]) -> dict[str, str]:
    publisher = clients.publisher()
    content = json.dumps({name: drift[name] for name in TOLD}).encode()
    attributes = {"event_id": drift["event_id"], "task": task, "p": f"{drift['p']:.6g}"}
    sent = {
        topic: publisher.publish(publisher.topic_path(clients.names.project, clients.names.topic(topic)), content, **attributes)
        for topic in TOPICS
    }
    return {topic: message.result(TIMEOUT_SECONDS) for topic, message in sent.items()}
