"""Alert policies at work: a write is held against the conditions that watch it, incidents open and close, and each is notified once.

Conditions are evaluated when points arrive: data that stops arriving changes no verdict, it only lets an incident run out in the end.
https://cloud.google.com/monitoring/alerts/concepts-indepth
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import number
from emulator.engines.metrics import Series, aggregated, moment, seconds, value_of
from emulator.engines.notifications import COMPARISONS, body_of, described, subject_of

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

FAILING, INCIDENTS, NOTIFICATIONS = "failing-conditions", "incidents", "notifications"
AUTO_CLOSE = "604800s"
"""An incident whose series has had no data for so long is closed, unless the policy says otherwise."""
LATEST = {"perSeriesAligner": "ALIGN_NONE"}
RAW_SECONDS = 300.0
"""How far back a condition without alignment looks for a series' last point."""


@dataclass(frozen=True)
class Reading:
    """What a condition sees of one series."""

    header: Json
    value: float

    @property
    def key(self) -> str:
        """The labels that tell it from the condition's other series."""
        return _labels(self.header)


class Alerts:
    """Conditions, incidents and notifications of all projects."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        store = cloud.store
        self._monitoring, self._failing = store.of("monitoring"), store.of(FAILING)
        self._incidents, self._notifications = store.of(INCIDENTS), store.of(NOTIFICATIONS)

    def written(self, project: str, types: set[str], at: float) -> None:
        """Evaluates the conditions of `project` (`projects/P`) that watch metrics of these types, and sends what is to be sent."""
        with self._cloud.store.transaction():
            for policy in self._monitoring.list(f"{project}/alertPolicies", "AlertPolicy"):
                if policy.get("enabled", True):
                    for condition in policy.get("conditions", []):
                        if _watches(condition.get("conditionThreshold", {}), types):
                            self._try(project, policy, condition, at)
            self._close_silent(project, at)
        self.deliver()

    def retire(self, policy: str, at: float) -> None:
        """Closes the incidents of a policy that was changed or deleted."""
        with self._cloud.store.transaction():
            for name, incident in self._open(policy.partition("/alertPolicies/")[0]):
                if incident["policy"]["name"] == policy:
                    self._close(name, incident, at)
            for name, _ in self._failing.under(policy):
                self._failing.remove(name)
        self.deliver()

    def deliver(self) -> None:
        """Sends the notifications that wait; one that a kill interrupted is sent again."""
        for name, notification in self._notifications.items(kind="Pending"):
            problem = ""
            if notification["type"] == "pubsub":
                problem = self._publish(notification)
            elif notification["type"] != "email":
                problem = f"Channels of the type {notification['type']} are not emulated: nothing was sent."
            if problem:
                self._cloud.log(notification["policy"]["name"], f"{notification['to']} was not notified: {problem}")
            self._notifications.put(name, "Notification", {**notification, "problem": problem})

    def _try(self, project: str, policy: Json, condition: Json, at: float) -> None:
        """Evaluates a condition; one that does not fit its metric is a fault of the policy, not of who writes."""
        try:
            self._evaluate(project, policy, condition, at)
        except Refusal as refusal:
            self._cloud.log(policy["name"], f"The condition '{condition.get('displayName', '')}' was not evaluated: {refusal.message}")

    def _evaluate(self, project: str, policy: Json, condition: Json, at: float) -> None:
        threshold = condition["conditionThreshold"]
        compare, _ = COMPARISONS[threshold["comparison"]]
        limit, readings = threshold.get("thresholdValue", 0.0), self._readings(project, threshold, at)
        failing = {reading.key for reading in readings if compare(reading.value, limit)}
        trigger = threshold.get("trigger", {})
        enough = max(trigger.get("count", 1), trigger.get("percent", 0.0) / 100 * len(readings))
        incidents = {one["key"]: (name, one) for name, one in self._open(project) if one["condition"]["name"] == condition["name"]}
        for reading in readings:
            name, incident = incidents.get(reading.key, ("", {}))
            pending = f"{condition['name']}/{hashlib.sha256(reading.key.encode()).hexdigest()[:16]}"
            if reading.key not in failing or len(failing) < enough:
                self._failing.remove(pending)
                if incident:
                    self._close(name, incident, at)
                continue
            since = (self._failing.get(pending) or self._failing.put(pending, "Failing", {"since": at}))["since"]
            if incident:
                self._incidents.put(name, "Open", {**incident, "seen": at, "value": reading.value})
            elif at - since >= seconds(threshold.get("duration", "0s")):
                self._begin(project, policy, condition, reading, at)

    def _readings(self, project: str, threshold: Json, at: float) -> list[Reading]:
        """The condition's value for each series, or each group of series, that has one."""
        values = self._newest(project, threshold["filter"], threshold.get("aggregations", []), at)
        if not threshold.get("denominatorFilter"):
            return [Reading(series.header, value_of(series.points[-1][1])) for series in values]
        below = self._newest(project, threshold["denominatorFilter"], threshold.get("denominatorAggregations", []), at)
        whole = {_labels(series.header): value_of(series.points[-1][1]) for series in below}
        return [
            Reading(series.header, value_of(series.points[-1][1]) / total)
            for series in values
            if (total := whole.get(_labels(series.header), 0.0))
        ]

    def _newest(self, project: str, text: str, aggregations: list[Json], at: float) -> list[Series]:
        """Each series with its last period."""
        first = aggregations[0] if aggregations else LATEST
        after = at - (seconds(first.get("alignmentPeriod", "")) or RAW_SECONDS)
        found = aggregated(self._cloud.metrics.select(project, text, after, at), first, after, at)
        for further in aggregations[1:]:
            found = aggregated(found, further, after, at)
        return [series for series in found if series.points]

    def _open(self, project: str) -> list[tuple[str, Json]]:
        return self._incidents.items(f"{project}/alerts", "Open")

    def _begin(self, project: str, policy: Json, condition: Json, reading: Reading, at: float) -> None:
        name = f"{project}/alerts/0.{number()}"
        snapshot = {key: policy[key] for key in ("name", "displayName", "severity", "userLabels") if key in policy}
        alert = {"name": name, "state": "OPEN", "openTime": moment(at), "policy": snapshot}
        alert |= {part: reading.header[part] for part in ("metric", "resource")}
        incident = {
            "policy": snapshot, "condition": condition, "key": reading.key, "value": reading.value, "seen": at,
        }  # fmt: skip
        self._monitoring.put(name, "Alert", alert)
        self._incidents.put(name, "Open", incident)
        self._notify(name, incident, policy, "OPENED")

    def _close(self, name: str, incident: Json, at: float) -> None:
        alert = self._monitoring.get(name) or {}
        self._monitoring.put(name, "Alert", {**alert, "state": "CLOSED", "closeTime": moment(at)})
        self._incidents.put(name, "Closed", incident)
        policy = self._monitoring.get(incident["policy"]["name"])
        if policy is not None:
            self._notify(name, incident, policy, "CLOSED")

    def _close_silent(self, project: str, at: float) -> None:
        """Closes the incidents whose series have had no data for too long."""
        for name, incident in self._open(project):
            strategy = (self._monitoring.get(incident["policy"]["name"]) or {}).get("alertStrategy", {})
            if at - incident["seen"] > seconds(strategy.get("autoClose", AUTO_CLOSE)):
                self._close(name, incident, at)

    def _notify(self, name: str, incident: Json, policy: Json, prompt: str) -> None:
        """Lays one notification for each channel of the policy ready to be sent."""
        if prompt not in policy.get("alertStrategy", {}).get("notificationPrompts", ["OPENED"]):
            return
        alert = self._monitoring.get(name) or {}
        message = described(alert, incident, policy)
        for channel_name in policy.get("notificationChannels", []):
            channel = self._monitoring.get(self._cloud.projects.by_id(channel_name))
            if channel is None or channel.get("enabled") is False:
                continue
            labels = channel.get("labels", {})
            notification = {
                "type": channel["type"],
                "channel": channel_name,
                "to": labels.get("email_address") or labels.get("topic") or channel.get("displayName", channel_name),
                "subject": subject_of(message),
                "body": body_of(message),
                "alert": name,
                "policy": incident["policy"],
                "value": incident["value"],
                "threshold": incident["condition"]["conditionThreshold"].get("thresholdValue", 0.0),
                "time": alert.get("closeTime") or alert["openTime"],
                "message": message,
            }
            place = f"{name}/{prompt}/{channel_name.rpartition('/')[2]}"
            self._notifications.put(place, "Pending", notification)

    def _publish(self, notification: Json) -> str:
        """Publishes an incident to a channel's topic; what went wrong where something did."""
        topic = self._cloud.projects.by_id(notification["to"])
        if self._cloud.store.of("pubsub").get(topic) is None:
            return f"There is no topic {topic}."
        data = base64.b64encode(json.dumps(notification["message"]).encode()).decode()
        try:
            self._cloud.messages.publish(topic, [{"data": data}])
        except Refusal as refusal:
            return refusal.message
        return ""


def _watches(threshold: Json, types: set[str]) -> bool:
    """Whether a condition is about a metric of one of these types."""
    text = threshold.get("filter", "") + threshold.get("denominatorFilter", "")
    return any(f'"{one}"' in text for one in types)


def _labels(header: Json) -> str:
    """The labels of a series in one string."""
    return json.dumps([header[part].get("labels", {}) for part in ("resource", "metric")], sort_keys=True)
