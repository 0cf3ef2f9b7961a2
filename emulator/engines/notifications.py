"""What is said about an incident: the JSON that Pub/Sub channels publish, and the e-mail.

https://cloud.google.com/monitoring/support/notification-options#schema-pubsub
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from emulator.engines.metrics import instant
from emulator.projects import project_number

Json = dict[str, Any]

VERSION = "1.2"
COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "COMPARISON_GT": (operator.gt, "above"),
    "COMPARISON_GE": (operator.ge, "at or above"),
    "COMPARISON_LT": (operator.lt, "below"),
    "COMPARISON_LE": (operator.le, "at or below"),
    "COMPARISON_EQ": (operator.eq, "equal to"),
    "COMPARISON_NE": (operator.ne, "not equal to"),
}
"""Comparison → test of value and threshold, and how it is said."""
VARIABLE = re.compile(r"\$\{([\w.-]+)\}")


def described(alert: Json, incident: Json, policy: Json) -> Json:
    """An incident as Cloud Monitoring publishes it.

    Args:
        alert: The incident as the API shows it.
        incident: Its condition, and the value that was seen last.
        policy: The alert policy as it is now.
    """
    project, condition = alert["name"].split("/")[1], incident["condition"]
    threshold = condition["conditionThreshold"]
    resource, metric = alert["resource"], alert["metric"]
    limit, display = threshold.get("thresholdValue", 0.0), policy.get("displayName", "")
    known = {
        "condition.name": condition["name"],
        "condition.display_name": condition.get("displayName", ""),
        "metric.type": metric["type"],
        "metric.display_name": metric["type"],
        "policy.name": policy["name"],
        "policy.display_name": display,
        "project": project,
        "resource.type": resource["type"],
        **{f"metric.label.{key}": value for key, value in metric.get("labels", {}).items()},
        **{f"resource.label.{key}": value for key, value in resource.get("labels", {}).items()},
        **{f"policy.user_label.{key}": value for key, value in policy.get("userLabels", {}).items()},
    }
    where = ", ".join(f"{key}={value}" for key, value in {**resource.get("labels", {}), **metric.get("labels", {})}.items())
    comparison = COMPARISONS[threshold["comparison"]][1]
    words = f"the threshold of {limit:.3f} with a value of {incident['value']:.3f}"
    is_open = alert["state"] == "OPEN"
    summary = (
        f"{condition.get('displayName', '')} for {where or project} {'is' if is_open else 'was, and is no more,'} {comparison} {words}."
    )
    documentation = policy.get("documentation", {})
    content = _filled(documentation.get("content", ""), known)
    title = _filled(documentation.get("subject", ""), known)
    return {
        "version": VERSION,
        "incident": {
            "incident_id": alert["name"].rpartition("/")[2],
            "scoping_project_id": project,
            "scoping_project_number": int(project_number(project)),
            "url": f"https://console.cloud.google.com/monitoring/alerting/alerts/{alert['name'].rpartition('/')[2]}?project={project}",
            "started_at": int(instant(alert["openTime"])),
            "ended_at": int(instant(alert["closeTime"])) if "closeTime" in alert else None,
            "state": alert["state"].lower(),
            "summary": summary,
            "severity": policy.get("severity", "No severity").capitalize(),
            "observed_value": f"{incident['value']:.3f}",
            "threshold_value": str(limit),
            "resource": resource,
            "resource_id": "",
            "resource_name": f"{project} {resource['type']}",
            "resource_display_name": "",
            "resource_type_display_name": resource["type"],
            "metric": {"type": metric["type"], "displayName": metric["type"], "labels": metric.get("labels", {})},
            "metadata": {"system_labels": {}, "user_labels": {}},
            "policy_name": display,
            "policy_user_labels": policy.get("userLabels", {}),
            "condition": condition,
            "condition_name": condition.get("displayName", ""),
            "documentation": {"content": content, "mime_type": documentation.get("mimeType", "text/markdown"), "subject": title},
        },
    }


def subject_of(message: Json) -> str:
    """Subject of the e-mail."""
    incident = message["incident"]
    if incident["documentation"]["subject"]:
        return str(incident["documentation"]["subject"])
    word = "ALERT" if incident["state"] == "open" else "RESOLVED"
    return f"[{word} - {incident['severity']}] {incident['policy_name']} on {incident['scoping_project_id']}"


def body_of(message: Json) -> str:
    """Text of the e-mail: what happened, then what the policy's documentation says."""
    incident = message["incident"]
    return f"{incident['summary']}\n\n{incident['documentation']['content']}".rstrip()


def _filled(text: str, known: Json) -> str:
    """Documentation with its variables replaced; one that is unknown stands as `(unknown)`, as on Google Cloud."""
    return VARIABLE.sub(lambda match: str(known.get(match[1], "(unknown)")), text)
