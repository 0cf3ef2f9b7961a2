"""The inbox: what the alert policies sent to their channels, and the incidents behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emulator.console.markup import Markup, element, join, link, moment, section, state, table
from emulator.console.parts import PAGE, NothingThere, Query, number, pages, properties
from emulator.engines.alerts import NOTIFICATIONS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]


async def view(cloud: Cloud, query: Query) -> Markup:
    """A page of messages and incidents, newest first, or with `name` one message."""
    if name := query.get("name"):
        return _message(cloud, name)
    at = number(query) * PAGE
    messages = cloud.store.of(NOTIFICATIONS).newest("Notification", at, PAGE + 1)
    alerts = cloud.store.of("monitoring").newest("Alert", at, PAGE + 1)
    more, most = max(len(messages), len(alerts)) > PAGE, min(max(len(messages), len(alerts)), PAGE)
    return join(
        [
            section("Messages", _messages(messages[:PAGE])),
            section("Incidents", _incidents([one for _, one in alerts[:PAGE]])),
            pages("/inbox", query, more, most),
        ]
    )


def _messages(found: Sequence[tuple[str, Json]]) -> Markup:
    return table(
        ["Subject", "To", "Value", "Threshold", "Sent"],
        [
            [
                join([link(one["subject"], "/inbox", name=name), _problem(one)]),
                one["to"],
                _figure(one["value"]),
                _figure(one["threshold"]),
                moment(one["time"]),
            ]
            for name, one in found
        ],
        "No alert policy has sent anything. What it sends to e-mail and Pub/Sub channels appears here; no e-mail leaves this machine.",
    )


def _incidents(alerts: Sequence[Json]) -> Markup:
    return table(
        ["Policy", "State", "About", "Opened", "Closed"],
        [
            [
                link(one["policy"].get("displayName", ""), "/resources", service="monitoring", name=one["policy"]["name"]),
                state(one["state"]),
                _about(one),
                moment(one["openTime"]),
                moment(one.get("closeTime", "")),
            ]
            for one in alerts
        ],
        "No incident has been opened.",
    )


def _about(alert: Json) -> str:
    """The labels that tell which task or endpoint it is."""
    labels = {**alert["resource"].get("labels", {}), **alert["metric"].get("labels", {})}
    labels.pop("project_id", None)
    return ", ".join(f"{key} {value}" for key, value in labels.items()) or str(alert["metric"]["type"])


def _message(cloud: Cloud, name: str) -> Markup:
    one = cloud.store.of(NOTIFICATIONS).get(name)
    if one is None:
        raise NothingThere(f"There is no message {name}.")
    incident = cloud.store.of("monitoring").get(one["alert"]) or {}
    return join(
        [
            properties(
                {
                    "Subject": one["subject"],
                    "To": f"{one['to']} ({one['type']})",
                    "Sent": moment(one["time"]),
                    "Policy": link(one["policy"].get("displayName", ""), "/resources", service="monitoring", name=one["policy"]["name"]),
                    "Value": f"{_figure(one['value'])}, threshold {_figure(one['threshold'])}",
                    "Incident": state(incident.get("state", "")),
                    "Problem": _problem(one),
                }
            ),
            section("Message", element("pre", one["body"], class_="json")),
        ]
    )


def _problem(one: Json) -> Markup | None:
    return element("div", one["problem"], class_="error") if one.get("problem") else None


def _figure(value: float) -> str:
    return f"{value:.4g}"
