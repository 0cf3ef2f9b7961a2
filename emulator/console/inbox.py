"""The inbox: what the alert policies sent to their channels, and the incidents behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.console.markup import Markup, element, join, link, moment, section, state, table
from emulator.console.parts import NothingThere, properties
from emulator.engines.alerts import NOTIFICATIONS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]


def view(cloud: Cloud, query: Mapping[str, str]) -> Markup:
    """All messages and incidents, newest first, or with `name` one message."""
    if name := query.get("name"):
        return _message(cloud, name)
    return join([section("Messages", _messages(cloud)), section("Incidents", _incidents(cloud))])


def _messages(cloud: Cloud) -> Markup:
    found = sorted(cloud.store.of(NOTIFICATIONS).items(), key=lambda item: str(item[1]["time"]), reverse=True)
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


def _incidents(cloud: Cloud) -> Markup:
    alerts = sorted(cloud.store.of("monitoring").list(kind="Alert"), key=lambda one: str(one["openTime"]), reverse=True)
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
