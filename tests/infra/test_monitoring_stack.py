"""The monitoring stack: nothing that goes wrong goes unseen, and nothing that is asked for is lost."""

import contextlib
import json
import re
from datetime import datetime
from typing import Any

import pytest
from google.api_core.exceptions import AlreadyExists
from google.pubsub_v1.types import PubsubMessage

from environments import tasks
from environments.clients import Clients
from infra.policies.subject import Resource, SynthesisedStack
from pipelines.monitoring import requests
from pipelines.monitoring.alert import days_left
from pipelines.monitoring.requests import Request, RequestError

ENVIRONMENTS = ("dev", "local", "prod", "staging")
METRIC = re.compile(r'metric\.type = "([^"]+)"')


def policies(stack: SynthesisedStack) -> dict[str, Resource]:
    """Purpose of an alert policy → the policy."""
    prefix = stack.names.name("")
    return {str(one.at("display_name")).removeprefix(prefix): one for one in stack.by_type["google_monitoring_alert_policy"]}


def conditions(policy: Resource) -> list[dict[str, Any]]:
    return [block["condition_threshold"] for block in policy.blocks("conditions")]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_everything_that_can_go_wrong_has_an_alert_that_reaches_somebody(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-monitoring"]
    found = policies(stack)
    drift = {f"{task.name}-drift" for task in tasks().tasks}
    others = {"prediction-errors", "latency", "accuracy", "failed-runs", "retirement", "undelivered", "cost", "break-glass"}
    assert found.keys() == others | drift
    [channel] = stack.by_type["google_monitoring_notification_channel"]
    for policy in found.values():
        assert policy.at("notification_channels") == [f"${{google_monitoring_notification_channel.{channel.id}.name}}"]
        assert "1. " in policy.at("documentation.content")


def test_the_lines_are_those_of_the_environment(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["prod-monitoring"]
    found, limits = policies(stack), stack.environment.monitoring
    assert [one["threshold_value"] for one in conditions(found["latency"])] == [limits.latency_ms]
    assert [one["threshold_value"] for one in conditions(found["accuracy"])] == [limits.accuracy_loss]
    assert [one["threshold_value"] for one in conditions(found["cost"])] == [
        2 * stack.environment.serving.max_replicas * len(tasks().tasks),
        limits.scanned_gib_a_day * 2**30,
    ]
    [retirement] = conditions(found["retirement"])
    assert (retirement["comparison"], retirement["threshold_value"]) == ("COMPARISON_LT", 60)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_metric_of_our_own_is_declared_before_the_policy_that_watches_it(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-monitoring"]
    declared = {one.at("type"): one.address for one in stack.by_type["google_monitoring_metric_descriptor"]}
    declared |= {f"logging.googleapis.com/user/{one.at('name')}": one.address for one in stack.by_type["google_logging_metric"]}
    watched = {}
    for policy in policies(stack).values():
        for condition in conditions(policy):
            [metric] = METRIC.findall(condition["filter"])
            if metric.startswith(("custom.", "logging.")):
                watched[metric] = policy.at("depends_on")
    assert watched == {metric: [address] for metric, address in declared.items()}


def test_the_dashboard_shows_every_line_that_an_alert_watches(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["prod-monitoring"]
    [dashboard] = stack.by_type["google_monitoring_dashboard"]
    page = json.loads(dashboard.at("dashboard_json"))
    tiles = page["mosaicLayout"]["tiles"]
    drawn = {
        (data["timeSeriesQuery"]["timeSeriesFilter"]["filter"], tile["widget"]["xyChart"].get("thresholds", [{}])[0].get("value"))
        for tile in tiles
        for data in tile["widget"]["xyChart"]["dataSets"]
    }
    apart = {"prediction-errors", *(f"{task.name}-drift" for task in tasks().tasks)}
    watched = {
        (condition["filter"], condition["threshold_value"])
        for purpose, policy in policies(stack).items()
        if purpose not in apart
        for condition in conditions(policy)
    }
    assert watched <= drawn
    places = [(tile.get("xPos", 0), tile.get("yPos", 0)) for tile in tiles]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_message_that_cannot_be_handled_is_put_aside_where_an_alert_sees_it(
    stacks: dict[str, SynthesisedStack], environment: str
) -> None:
    stack = stacks[f"{environment}-monitoring"]
    names = stack.names
    pubsub = f"serviceAccount:{names.service_agent('pubsub')}"
    subscriptions = {one.at("name"): one for one in stack.by_type["google_pubsub_subscription"]}
    [letters] = [one for one in stack.by_type["google_pubsub_topic"] if one.at("name") == names.topic("undelivered")]
    grants = {(one.type, one.at("topic") or one.at("subscription")) for one in stack.resources if one.at("member") == pubsub}
    assert subscriptions.keys() == {names.subscription(purpose) for purpose in names.SUBSCRIPTIONS}
    assert ("google_pubsub_topic_iam_member", f"${{{letters.address}.name}}") in grants
    for name, subscription in subscriptions.items():
        if name == names.subscription("undelivered"):
            assert subscription.at("dead_letter_policy") is None
            continue
        assert subscription.at("dead_letter_policy.dead_letter_topic") == f"${{{letters.address}.id}}"
        assert ("google_pubsub_subscription_iam_member", f"${{{subscription.address}.name}}") in grants
    [alert] = [one for one in conditions(policies(stack)["undelivered"]) if one["threshold_value"] == 0]
    assert names.subscription("undelivered") in alert["filter"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_topics_are_encrypted_with_our_key(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-monitoring"]
    assert {topic.at("kms_key_name") for topic in stack.by_type["google_pubsub_topic"]} == {stack.names.key("data")}


def test_dev_asks_for_no_monitor_by_itself(stacks: dict[str, SynthesisedStack]) -> None:
    assert "google_cloud_scheduler_job" not in stacks["dev-monitoring"].by_type


@pytest.mark.parametrize("environment", ["local", "prod", "staging"])
def test_what_a_schedule_publishes_is_what_the_pipelines_understand(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-monitoring"]
    schedule = stack.environment.monitoring.schedule
    assert schedule is not None
    asked = []
    for job in stack.by_type["google_cloud_scheduler_job"]:
        assert job.at("schedule") == schedule.cron
        message = PubsubMessage(attributes=job.at("pubsub_target.attributes"), publish_time=datetime.fromisoformat("2026-01-02T05:00:00Z"))
        asked.append(Request.of(message))
    assert {(one.task, one.start.isoformat(), one.end.isoformat()) for one in asked} == {
        (task.name, "2026-01-01T05:00:00+00:00", "2026-01-02T05:00:00+00:00") for task in tasks().tasks
    }


@pytest.mark.parametrize("attributes", [{}, {"task": "vision"}, {"task": "weather", "hours": "1"}, {"task": "vision", "hours": "0"}])
def test_a_message_that_asks_for_nothing_is_refused_with_the_mend(attributes: dict[str, str]) -> None:
    with pytest.raises(RequestError, match=r"No monitor was started.*schedule"):
        Request.of(PubsubMessage(attributes=attributes))


def test_a_scheduled_request_starts_one_monitor_and_a_wrong_one_none(google_cloud: dict[str, Any]) -> None:
    clients = Clients.of("local")
    names = clients.names
    topic = f"projects/{names.project}/topics/{names.topic('monitoring')}"
    with clients.subscriber() as subscriber:
        subscription = subscriber.subscription_path(names.project, names.subscription("monitoring"))
        with contextlib.suppress(AlreadyExists):
            clients.publisher().create_topic(name=topic)
        with contextlib.suppress(AlreadyExists):
            subscriber.create_subscription(name=subscription, topic=topic)
    location = f"https://cloudscheduler.googleapis.com/v1/{names.location}/jobs"
    name = f"{names.location}/jobs/{names.schedule('nlp')}"
    job = {
        "name": name,
        "schedule": "0 5 * * *",
        "timeZone": "Etc/UTC",
        "pubsubTarget": {"topicName": topic, "attributes": {"task": "nlp", "hours": "24"}},
    }
    session = clients.session()
    assert session.post(location, json=job).ok
    clients.publisher().publish(topic, b"", task="weather", hours="24").result(10)
    assert session.post(f"https://cloudscheduler.googleapis.com/v1/{name}:run", json={}).ok
    started: list[tuple[str, str, str]] = []

    class Job:
        resource_name = "run"

    def start(_: Clients, task: str, start: str, end: str) -> Job:
        started.append((task, start, end))
        return Job()

    while len(started) < 1:
        requests.pull(clients, report=lambda line: None, start=start)
    assert requests.pull(clients, report=lambda line: None, start=start) == []
    [(task, first, last)] = started
    assert task == "nlp"
    assert (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds() == 24 * 3600
    assert session.delete(f"https://cloudscheduler.googleapis.com/v1/{name}").ok


def test_the_days_that_a_model_has_left_are_counted() -> None:
    assert days_left("vision", datetime.fromisoformat("2027-05-09").date()) == 10
