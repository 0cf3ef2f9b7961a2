"""Cloud Monitoring and Cloud Logging, by `google-cloud-monitoring` and `google-cloud-logging`; what is written is read a little later."""

from __future__ import annotations

import logging as python_logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.clients.place import VARIABLE

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
PATIENCE_SECONDS = 180 if VARIABLE in os.environ else 10


def eventually(found: Callable[[], list[Any]], count: int) -> list[Any]:
    """What `found` gives once it gives `count` items: Google shows what was written after up to three minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(there := found()) < count and time.monotonic() < deadline:
        time.sleep(1)
    return there


@calls(
    "monitoring.projects.metricDescriptors.create", "monitoring.projects.metricDescriptors.list",
    "monitoring.projects.timeSeries.create", "monitoring.projects.timeSeries.list",
)  # fmt: skip
@pytest.mark.timeout(300)
def test_a_custom_metric_is_written_and_read(place: Place) -> None:
    """https://cloud.google.com/monitoring/custom-metrics/creating-metrics"""
    from google.cloud import monitoring_v3

    client, project = monitoring_v3.MetricServiceClient(), f"projects/{place.project}"
    kind = f"custom.googleapis.com/{place.identifier('accuracy')}"
    client.create_metric_descriptor(
        name=project,
        metric_descriptor={"type": kind, "metric_kind": "GAUGE", "value_type": "DOUBLE", "description": "share of right answers"},
    )
    try:
        [described] = eventually(
            lambda: list(client.list_metric_descriptors(request={"name": project, "filter": f'metric.type="{kind}"'})), 1
        )
        assert described.description == "share of right answers"
        now = int(time.time())
        series = monitoring_v3.TimeSeries(
            metric={"type": kind, "labels": {"task": "vision"}},
            resource={"type": "global", "labels": {"project_id": place.project}},
            points=[{"interval": {"end_time": {"seconds": now}}, "value": {"double_value": 0.75}}],
        )
        client.create_time_series(name=project, time_series=[series])
        asked = {
            "name": project, "filter": f'metric.type="{kind}"', "view": monitoring_v3.ListTimeSeriesRequest.TimeSeriesView.FULL,
            "interval": {"start_time": {"seconds": now - 600}, "end_time": {"seconds": now + 1}},
        }  # fmt: skip
        [found] = eventually(lambda: list(client.list_time_series(request=asked)), 1)
        assert (found.metric.labels["task"], [point.value.double_value for point in found.points]) == ("vision", [0.75])
    finally:
        client.delete_metric_descriptor(name=f"{project}/metricDescriptors/{kind}")


@calls(
    "monitoring.projects.alertPolicies.create", "monitoring.projects.notificationChannels.create", "monitoring.projects.alertPolicies.patch"
)
def test_a_policy_notifies_a_channel(place: Place) -> None:
    """A channel that a policy uses is deleted by force alone.

    https://cloud.google.com/monitoring/alerts/using-alerting-api
    """
    from google.api_core import exceptions
    from google.cloud import monitoring_v3

    project = f"projects/{place.project}"
    policies, channels = monitoring_v3.AlertPolicyServiceClient(), monitoring_v3.NotificationChannelServiceClient()
    channel = channels.create_notification_channel(
        name=project,
        notification_channel={"type": "email", "labels": {"email_address": "a@example.com"}, "user_labels": dict(place.labels)},
    )
    threshold = {
        "filter": 'resource.type = "pubsub_subscription" AND metric.type = "pubsub.googleapis.com/subscription/num_undelivered_messages"',
        "comparison": "COMPARISON_GT",
        "threshold_value": 1, "duration": {"seconds": 60},
    }  # fmt: skip
    try:
        policy = policies.create_alert_policy(
            name=project,
            alert_policy={
                "display_name": place.name("policy"), "combiner": "OR", "notification_channels": [channel.name], "enabled": False,
                "conditions": [{"display_name": "errors", "condition_threshold": threshold}], "user_labels": dict(place.labels),
            },
        )  # fmt: skip
        try:
            assert (policy.notification_channels[0], policy.conditions[0].name.startswith(policy.name)) == (channel.name, True)
            policy.display_name = place.name("renamed")
            changed = policies.update_alert_policy(alert_policy=policy, update_mask={"paths": ["display_name"]})
            assert (changed.display_name, len(changed.conditions)) == (place.name("renamed"), 1)
            with pytest.raises((exceptions.FailedPrecondition, exceptions.InvalidArgument)):
                channels.delete_notification_channel(name=channel.name)
        finally:
            policies.delete_alert_policy(name=policy.name)
    finally:
        channels.delete_notification_channel(name=channel.name, force=True)


@calls("logging.entries.write", "logging.entries.list")
@pytest.mark.timeout(300)
def test_entries_are_found_by_name_severity_and_field(place: Place) -> None:
    """https://cloud.google.com/logging/docs/view/logging-query-language"""
    from google.cloud import logging

    client = logging.Client()
    logger = client.logger(place.name("log"))
    logger.log_text("plain", severity="INFO")
    logger.log_struct({"task": "vision", "accuracy": 0.75}, severity="ERROR", labels={"run": place.prefix})
    name = f'logName="projects/{place.project}/logs/{logger.name}"'
    # The library's first entry tells which library writes.
    everything = eventually(lambda: [entry.payload for entry in client.list_entries(filter_=name) if entry.severity], 2)
    assert sorted(everything, key=str) == ["plain", {"task": "vision", "accuracy": 0.75}]
    for expression in ("severity>=ERROR", 'jsonPayload.task="vision"', "jsonPayload.accuracy>0.5", f'labels.run="{place.prefix}"'):
        [found] = client.list_entries(filter_=f"{name} AND {expression}")
        assert (found.severity, found.payload["accuracy"]) == ("ERROR", 0.75)
    logger.delete()


@calls("logging.entries.write", "logging.entries.list")
@pytest.mark.timeout(300)
def test_pythons_own_logging_arrives(place: Place) -> None:
    """https://cloud.google.com/logging/docs/setup/python"""
    from google.cloud import logging
    from google.cloud.logging.handlers import CloudLoggingHandler

    client = logging.Client()
    handler = CloudLoggingHandler(client, name=place.name("python"))
    logger = python_logging.getLogger(place.name("python"))
    logger.propagate = False
    logger.addHandler(handler)
    logger.warning("drift of %s", "vision")
    handler.transport.flush()
    logger.removeHandler(handler)
    handler.close()
    name = f'logName="projects/{place.project}/logs/{place.name("python")}"'
    [entry] = eventually(lambda: list(client.list_entries(filter_=name)), 1)
    message = entry.payload["message"] if isinstance(entry.payload, dict) else entry.payload
    assert (entry.severity, message) == ("WARNING", "drift of vision")


@calls("logging.projects.sinks.create", "logging.projects.metrics.create")
def test_sinks_and_metrics_are_described(place: Place) -> None:
    """A sink has an identity of its own, which writes to its destination.

    https://cloud.google.com/logging/docs/export/configure_export_v2
    """
    from google.cloud import logging

    client = logging.Client()
    sink = client.sink(place.name("sink"), filter_="severity>=ERROR", destination=f"storage.googleapis.com/{place.bucket}")
    sink.create(unique_writer_identity=True)
    metric = client.metric(place.name("errors"), filter_="severity>=ERROR", description="errors")
    metric.create()
    try:
        sink.reload()
        assert (sink.filter_, sink.writer_identity.startswith("serviceAccount:")) == ("severity>=ERROR", True)
        assert place.name("errors") in [found.name for found in client.list_metrics()]
    finally:
        metric.delete()
        sink.delete()
    assert not sink.exists()


@calls("logging.projects.logs.list")
@pytest.mark.timeout(300)
def test_logs_are_listed(place: Place) -> None:
    """https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.logs/list"""
    from google.cloud import logging
    from googleapiclient import discovery

    logger = logging.Client().logger(place.name("listed"))
    logger.log_text("here", severity="INFO")
    name = f"projects/{place.project}/logs/{logger.name}"
    logs = discovery.build("logging", "v2").projects().logs()
    assert eventually(
        lambda: [one for one in logs.list(parent=f"projects/{place.project}").execute().get("logNames", []) if one == name], 1
    )
    logger.delete()
