"""Tells what became of a window: a point for the alert policy, and where it has shifted, messages for whoever acts on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from environments.clients import TIMEOUT_SECONDS, Clients
from environments.names import Topic

TOPICS: tuple[Topic, ...] = ("alerts", "retraining")
TOLD = ("status", "reason", "p", "tests", "rows", "harm", "baseline")
"""Of `drift.json`, in a message: what was in the requests stays where it is."""


@dataclass(frozen=True)
class Alerted:
    """What was told, as written to `alert.json`."""

    point: float | None
    """1 where the window has shifted, 0 where it is silent; nothing where too little is known."""
    metric: str
    messages: dict[str, str]
    """Topic → id of the message."""


def tell(clients: Clients, task: str, drift: Mapping[str, Any], now: datetime | None = None) -> Alerted:
    """Write the point and publish the event.

    A step that runs again publishes again, under the same event id: whoever acts on it acts once.

    Args:
        clients: clients of the environment.
        task: name of the task.
        drift: content of `drift.json`.
        now: when the point is written for; Cloud Monitoring takes none that is older than a day.
    """
    metric, point = clients.names.drift_metric, {"shifted": 1.0, "silent": 0.0}.get(drift["status"])
    if point is not None:
        _write(clients, task, metric, point, now or datetime.now(UTC))
    return Alerted(point, metric, _publish(clients, task, drift) if drift["status"] == "shifted" else {})


def _write(clients: Clients, task: str, metric: str, value: float, now: datetime) -> None:
    from google.cloud.monitoring_v3 import Point, TimeInterval, TimeSeries, TypedValue

    series = TimeSeries(
        metric={"type": metric, "labels": {"task": task}},
        resource={"type": "global", "labels": {"project_id": clients.names.project}},
        points=[Point(interval=TimeInterval(end_time=now), value=TypedValue(double_value=value))],
    )
    clients.metrics().create_time_series(name=f"projects/{clients.names.project}", time_series=[series], timeout=TIMEOUT_SECONDS)


def _publish(clients: Clients, task: str, drift: Mapping[str, Any]) -> dict[str, str]:
    publisher = clients.publisher()
    content = json.dumps({name: drift[name] for name in TOLD}).encode()
    attributes = {"event_id": drift["event_id"], "task": task, "p": f"{drift['p']:.6g}"}
    sent = {
        topic: publisher.publish(publisher.topic_path(clients.names.project, clients.names.topic(topic)), content, **attributes)
        for topic in TOPICS
    }
    return {topic: message.result(TIMEOUT_SECONDS) for topic, message in sent.items()}
