"""Monitoring: points become series, series open and close incidents, and each incident is told once to each channel."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import pytest

from emulator.cloud import Cloud
from emulator.engines.alerts import NOTIFICATIONS
from emulator.engines.metrics import POINTS, Metrics, instant, moment
from emulator.engines.traffic import answers
from emulator.store import Store

PROJECT = "projects/acme-test"
HOST = "monitoring.googleapis.com"
METRIC = "custom.googleapis.com/drift"
ENDPOINT = f"{PROJECT}/locations/europe-west4/endpoints/4711"
Json = dict[str, Any]


class Local(Protocol):
    cloud: Cloud
    call: Callable[..., tuple[int, Any]]
    restart: Callable[[], None]
    run: Callable[..., Any]


def ask(local: Local, http: str, path: str, body: Json | None = None, host: str = HOST) -> Any:
    status, answer = local.call(http, f"/{'v1' if host.startswith('pubsub') else 'v3'}/{path}", body, host=host)
    assert status == 200, answer
    return answer


def series(value: float, at: float, task: str = "vision", metric: str = METRIC) -> Json:
    return {
        "metric": {"type": metric, "labels": {"task": task}},
        "points": [{"interval": {"endTime": moment(at)}, "value": {"doubleValue": value}}],
    }


def write(local: Local, value: float, at: float, task: str = "vision", metric: str = METRIC) -> None:
    ask(local, "POST", f"{PROJECT}/timeSeries", {"timeSeries": [series(value, at, task, metric)]})


def threshold(metric: str, **more: Any) -> Json:
    given = {
        "filter": f'metric.type = "{metric}" AND resource.type = "global" AND metric.labels.task = "vision"',
        "comparison": "COMPARISON_GT",
        "thresholdValue": 0.5,
        "duration": "0s",
        "aggregations": [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_NEXT_OLDER"}],
        "trigger": {"count": 1},
    }
    return {"displayName": "drift", "combiner": "OR", "conditions": [{"displayName": "shifted", "conditionThreshold": {**given, **more}}]}


def described(local: Local, metric: str) -> str:
    body = {"type": metric, "metricKind": "GAUGE", "valueType": "DOUBLE", "labels": [{"key": "task"}]}
    return str(ask(local, "POST", f"{PROJECT}/metricDescriptors", body)["name"])


def email(local: Local) -> str:
    body = {"type": "email", "labels": {"email_address": "oncall@example.com"}}
    return str(ask(local, "POST", f"{PROJECT}/notificationChannels", body)["name"])


def alerts(local: Local, policy: Json) -> list[Json]:
    found = ask(local, "GET", f"{PROJECT}/alerts").get("alerts", [])
    return sorted((one for one in found if one["policy"]["name"] == policy["name"]), key=lambda one: str(one["openTime"]))


def inbox(local: Local, policy: Json) -> list[Json]:
    return [one for one in local.cloud.store.of(NOTIFICATIONS).list() if one["policy"]["name"] == policy["name"]]


@pytest.fixture(scope="module")
def clock() -> Callable[[], float]:
    """Moments a second apart, up to now: points are written in order, and none lies ahead."""
    moments = iter(range(int(time.time()) - 3600, int(time.time())))
    return lambda: float(next(moments))


def test_an_incident_opens_once_is_told_once_and_closes(local: Local, clock: Callable[[], float]) -> None:
    metric = f"{METRIC}/once"
    described(local, metric)
    body = {
        **threshold(metric),
        "severity": "WARNING",
        "notificationChannels": [email(local)],
        "documentation": {"content": "The inputs of ${metric.label.task} moved; ${metric.label.colour}.", "mimeType": "text/markdown"},
    }
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", body)
    write(local, 0.0, clock(), metric=metric)
    assert alerts(local, policy) == []
    write(local, 1.0, clock(), "nlp", metric)
    assert alerts(local, policy) == [], "another task's series is not this policy's"
    for _ in range(3):
        write(local, 1.0, clock(), metric=metric)
    (alert,) = alerts(local, policy)
    assert (alert["state"], alert["metric"]["labels"], alert["resource"]["type"]) == ("OPEN", {"task": "vision"}, "global")
    write(local, 0.0, clock(), metric=metric)
    (alert,) = alerts(local, policy)
    assert (alert["state"], alert["closeTime"] > alert["openTime"]) == ("CLOSED", True)
    (mail,) = inbox(local, policy)
    assert (mail["to"], mail["value"], mail["threshold"]) == ("oncall@example.com", 1.0, 0.5)
    assert mail["subject"] == "[ALERT - Warning] drift on acme-test"
    assert mail["body"].splitlines() == [
        "shifted for project_id=acme-test, task=vision is above the threshold of 0.500 with a value of 1.000.",
        "",
        "The inputs of vision moved; (unknown).",
    ]
    write(local, 1.0, clock(), metric=metric)
    assert [one["state"] for one in alerts(local, policy)] == ["CLOSED", "OPEN"]
    assert len(inbox(local, policy)) == 2, "a new incident is told anew"


def test_a_topic_gets_the_documented_incident_when_it_opens_and_closes(local: Local, clock: Callable[[], float]) -> None:
    pubsub, metric = "pubsub.googleapis.com", f"{METRIC}/topic"
    topic, subscription = f"{PROJECT}/topics/incidents", f"{PROJECT}/subscriptions/incidents"
    ask(local, "PUT", topic, host=pubsub)
    ask(local, "PUT", subscription, {"topic": topic}, host=pubsub)
    channel = ask(local, "POST", f"{PROJECT}/notificationChannels", {"type": "pubsub", "labels": {"topic": topic}})["name"]
    described(local, metric)
    body = {
        **threshold(metric),
        "notificationChannels": [channel],
        "alertStrategy": {"notificationPrompts": ["OPENED", "CLOSED"]},
    }
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", body)
    write(local, 0.9, clock(), metric=metric)
    write(local, 0.1, clock(), metric=metric)
    received = ask(local, "POST", f"{subscription}:pull", {"maxMessages": 10}, host=pubsub)["receivedMessages"]
    messages = [json.loads(base64.b64decode(one["message"]["data"])) for one in received]
    assert [one["version"] for one in messages] == ["1.2", "1.2"]
    opened, closed = (one["incident"] for one in messages)
    assert (opened["state"], closed["state"], opened["ended_at"]) == ("open", "closed", None)
    assert opened["incident_id"] == closed["incident_id"]
    assert (opened["observed_value"], opened["threshold_value"], opened["policy_name"]) == ("0.900", "0.5", "drift")
    assert opened["metric"]["labels"] == {"task": "vision"}
    assert opened["condition"]["name"].startswith(f"{policy['name']}/conditions/")
    assert closed["ended_at"] > opened["started_at"]


def test_a_channel_that_cannot_be_reached_is_said(local: Local, clock: Callable[[], float]) -> None:
    metric = f"{METRIC}/unreachable"
    described(local, metric)
    labels = {"pubsub": {"topic": f"{PROJECT}/topics/none"}, "slack": {"channel_name": "#ml"}}
    channels = [
        ask(local, "POST", f"{PROJECT}/notificationChannels", {"type": type_, "labels": given})["name"] for type_, given in labels.items()
    ]
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", {**threshold(metric), "notificationChannels": channels})
    write(local, 1.0, clock(), metric=metric)
    assert sorted(one["problem"].split(":")[0] for one in inbox(local, policy)) == [
        "Channels of the type slack are not emulated",
        f"There is no topic {PROJECT}/topics/none.",
    ]
    assert len(local.cloud.store.last_lines(policy["name"], 10)) == 2


def test_a_duration_must_pass_before_an_incident_opens(local: Local, clock: Callable[[], float]) -> None:
    metric, begun = f"{METRIC}/duration", clock() - 600
    described(local, metric)
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", threshold(metric, duration="120s"))
    for after, value in ((0, 1.0), (60, 1.0), (90, 0.0), (100, 1.0), (219, 1.0)):
        write(local, value, begun + after, metric=metric)
    assert alerts(local, policy) == [], "the calm moment in between starts the duration anew"
    write(local, 1.0, begun + 220, metric=metric)
    assert [one["state"] for one in alerts(local, policy)] == ["OPEN"]


def test_a_changed_or_deleted_policy_closes_what_it_opened(local: Local, clock: Callable[[], float]) -> None:
    metric = f"{METRIC}/changed"
    described(local, metric)
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", threshold(metric))
    write(local, 1.0, clock(), metric=metric)
    ask(local, "PATCH", f"{policy['name']}?updateMask=displayName", {"displayName": "renamed"})
    assert [one["state"] for one in alerts(local, policy)] == ["CLOSED"]
    write(local, 1.0, clock(), metric=metric)
    ask(local, "DELETE", policy["name"])
    assert [one["state"] for one in alerts(local, policy)] == ["CLOSED", "CLOSED"]


def test_a_policy_that_is_switched_off_sees_nothing(local: Local, clock: Callable[[], float]) -> None:
    metric = f"{METRIC}/off"
    described(local, metric)
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", {**threshold(metric), "enabled": False})
    write(local, 1.0, clock(), metric=metric)
    assert alerts(local, policy) == []


def test_an_incident_without_data_runs_out(local: Local, clock: Callable[[], float]) -> None:
    metric, begun = f"{METRIC}/silent", clock() - 4000
    described(local, metric)
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", {**threshold(metric), "alertStrategy": {"autoClose": "1800s"}})
    write(local, 1.0, begun, metric=metric)
    write(local, 1.0, begun + 1800, "nlp", metric)
    assert [one["state"] for one in alerts(local, policy)] == ["OPEN"]
    write(local, 1.0, begun + 1801, "nlp", metric)
    assert [one["state"] for one in alerts(local, policy)] == ["CLOSED"]


def test_what_a_kill_left_unsent_is_sent_at_the_next_start(
    local: Local, clock: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = f"{METRIC}/kill"
    described(local, metric)
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", {**threshold(metric), "notificationChannels": [email(local)]})
    with monkeypatch.context() as patch:
        patch.setattr(local.cloud.alerts, "deliver", lambda: None)
        write(local, 1.0, clock(), metric=metric)
    assert [one.get("problem") for one in inbox(local, policy)] == [None]
    local.restart()
    assert [one.get("problem") for one in inbox(local, policy)] == [""]
    write(local, 1.0, clock(), metric=metric)
    assert len(alerts(local, policy)) == len(inbox(local, policy)) == 1


# Failing predictions


def test_the_share_of_failed_predictions_opens_an_incident_per_endpoint(local: Local) -> None:
    def side(metric: str) -> tuple[str, list[Json]]:
        prediction = f"aiplatform.googleapis.com/prediction/online/{metric}"
        text = f'metric.type = "{prediction}" AND resource.type = "aiplatform.googleapis.com/Endpoint"'
        reducer = {"crossSeriesReducer": "REDUCE_SUM", "groupByFields": ["resource.label.endpoint_id"]}
        only = f'{text} AND resource.labels.endpoint_id = one_of("4711", "4712")'
        return only, [{"alignmentPeriod": "300s", "perSeriesAligner": "ALIGN_RATE", **reducer}]

    (failed, failed_by), (whole, whole_by) = side("error_count"), side("response_count")
    below = {"denominatorFilter": whole, "denominatorAggregations": whole_by}
    body = threshold(METRIC, filter=failed, aggregations=failed_by, thresholdValue=0.2, **below)
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", body)

    async def predictions(endpoint: str, *codes: int) -> None:
        for code in codes:
            local.cloud.traffic.count(endpoint, "1", code, 10.0)
        local.cloud.traffic.sample(PROJECT)

    local.run(predictions(ENDPOINT, 200, 200, 200, 200, 503))
    local.run(predictions(ENDPOINT.replace("4711", "4713"), 500, 500))
    assert alerts(local, policy) == [], "one of five is not above a fifth, and the other endpoint is not watched"
    local.run(predictions(ENDPOINT, 400))
    (alert,) = alerts(local, policy)
    assert alert["resource"]["labels"] == {"endpoint_id": "4711"}
    found = answers(local.cloud.metrics, ENDPOINT)["1"]
    assert (found.total, found.errors, dict(found.codes)) == (6, 2, {"200": 4, "503": 1, "400": 1})


# Time series


def listed(local: Local, metric: str, start: float, end: float, *more: str) -> list[Json]:
    wanted = quote(f'metric.type = "{metric}"')
    query = [f"filter={wanted}", f"interval.startTime={moment(start)}", f"interval.endTime={moment(end)}", *more]
    found: list[Json] = ask(local, "GET", f"{PROJECT}/timeSeries?{'&'.join(query)}")["timeSeries"]
    return found


def values(found: Json) -> list[float]:
    return [float(next(iter(point["value"].values()))) for point in found["points"]]


def test_points_of_a_series_are_listed_newest_first_and_by_their_end(local: Local, clock: Callable[[], float]) -> None:
    metric, moments = f"{METRIC}/listed", [clock() for _ in range(4)]
    for value, at in enumerate(moments):
        write(local, value, at, metric=metric)
    (found,) = listed(local, metric, moments[0], moments[2])
    assert values(found) == [2, 1], "an interval is open at its start"
    assert (found["metricKind"], found["valueType"], found["resource"]["labels"]) == ("GAUGE", "DOUBLE", {"project_id": "acme-test"})
    assert "points" not in listed(local, metric, moments[0], moments[3], "view=HEADERS")[0]


@pytest.mark.parametrize(
    ("aligner", "expected"),
    [
        ("ALIGN_MEAN", [5.5, 1.5]),
        ("ALIGN_MAX", [7, 2]),
        ("ALIGN_MIN", [4, 1]),
        ("ALIGN_SUM", [11, 3]),
        ("ALIGN_COUNT", [2, 2]),
        ("ALIGN_NEXT_OLDER", [7, 2]),
        ("ALIGN_STDDEV", [1.5, 0.5]),
    ],
)
def test_series_are_aligned_to_periods_that_end_with_the_interval(local: Local, aligner: str, expected: list[float]) -> None:
    metric, end = f"{METRIC}/{aligner.lower()}", float(int(time.time()) - 10)
    for value, before in ((1, 119), (2, 60), (4, 59), (7, 0)):
        write(local, value, end - before, metric=metric)
    (found,) = listed(local, metric, end - 120, end, f"aggregation.perSeriesAligner={aligner}", "aggregation.alignmentPeriod=60s")
    assert values(found) == expected
    assert [instant(point["interval"]["endTime"]) for point in found["points"]] == [end, end - 60]


def test_aligned_series_are_reduced_by_group(local: Local) -> None:
    metric, end = f"{METRIC}/reduced", float(int(time.time()) - 10)
    for task, value in (("vision", 1), ("nlp", 2)):
        write(local, value, end, task, metric)
    aligned = ("aggregation.perSeriesAligner=ALIGN_MAX", "aggregation.alignmentPeriod=60s", "aggregation.crossSeriesReducer=REDUCE_MEAN")
    (whole,) = listed(local, metric, end - 60, end, *aligned)
    assert (values(whole), whole["metric"]["labels"]) == ([1.5], {})
    grouped = listed(local, metric, end - 60, end, *aligned, "aggregation.groupByFields=metric.label.task")
    assert {one["metric"]["labels"]["task"]: values(one) for one in grouped} == {"vision": [1], "nlp": [2]}


def test_the_first_point_describes_its_metric_and_deleting_it_forgets_the_points(local: Local, clock: Callable[[], float]) -> None:
    metric = f"{METRIC}/described"
    write(local, 1.0, clock(), metric=metric)
    name = f"{PROJECT}/metricDescriptors/{metric}"
    assert ask(local, "GET", name)["labels"] == [{"key": "task", "valueType": "STRING"}]
    wanted = quote(f'metric.type = starts_with("{metric}")')
    found = ask(local, "GET", f"{PROJECT}/metricDescriptors?filter={wanted}")
    assert [one["type"] for one in found["metricDescriptors"]] == [metric]
    ask(local, "DELETE", name)
    assert listed(local, metric, 0, time.time()) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"metric": {"type": "aiplatform.googleapis.com/x"}}, "no type of a custom metric"),
        ({"points": []}, "exactly one point"),
        ({"points": [{"interval": {"endTime": "2020-01-01T00:00:00Z"}, "value": {"doubleValue": 1}}]}, "25 hours"),
        ({"points": [{"interval": {"endTime": moment(time.time())}, "value": {}}]}, "one value"),
        ({"points": [{"interval": {"endTime": moment(time.time())}, "value": {"int64Value": "1"}}]}, "valueType DOUBLE"),
        ({"points": [{"interval": {"endTime": moment(time.time() - 7200)}, "value": {"doubleValue": 1}}]}, "in order"),
        ({"metricKind": "CUMULATIVE"}, "metricKind GAUGE"),
    ],
)
def test_a_point_that_does_not_fit_is_refused_and_its_neighbours_are_written(local: Local, change: Json, problem: str) -> None:
    metric, beside = f"{METRIC}/refused", f"{METRIC}/beside"
    at = datetime.now(UTC).timestamp()
    write(local, 1.0, at - 0.002, metric=metric)
    given = {"timeSeries": [{**series(1.0, at - 0.001, metric=metric), **change}, series(1.0, at, metric=beside)]}
    status, answer = local.call("POST", f"/v3/{PROJECT}/timeSeries", given, host=HOST)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert problem in answer["error"]["message"]
    assert (answer["error"]["details"][0]["totalPointCount"], answer["error"]["details"][0]["successPointCount"]) == (2, 1)
    assert listed(local, beside, at - 1e-3, at + 1)


@pytest.mark.parametrize(
    ("policy", "status", "problem"),
    [
        (threshold("custom.googleapis.com/unknown"), 404, "Cannot find metric"),
        (threshold(METRIC, filter=f'metric.type = "{METRIC}"'), 400, "one resource.type"),
        (threshold(METRIC, filter='metric.type = "a/b" AND resource.type = "global" AND near(x)'), 400, "not emulated"),
        (threshold(METRIC, duration="90s"), 400, "multiple of a minute"),
        (threshold(METRIC, aggregations=[{"perSeriesAligner": "ALIGN_MEAN", "alignmentPeriod": "30s"}]), 400, "at least 60s"),
        (threshold(METRIC, aggregations=[{"perSeriesAligner": "ALIGN_PERCENTILE_99"}]), 400, "is of distributions"),
        (threshold(METRIC, aggregations=[{"perSeriesAligner": "ALIGN_PERCENT_CHANGE"}]), 400, "not emulated"),
        (threshold(METRIC, aggregations=[{"crossSeriesReducer": "REDUCE_SUM"}]), 400, "aligned"),
        ({**threshold(METRIC), "notificationChannels": [f"{PROJECT}/notificationChannels/1"]}, 404, "does not exist"),
        ({**threshold(METRIC), "conditions": []}, 400, "at least one condition"),
        ({**threshold(METRIC), "conditions": [{"conditionAbsent": {"filter": "x", "duration": "60s"}}]}, 400, "not emulated"),
        ({**threshold(METRIC), "conditions": 2 * threshold(METRIC)["conditions"], "combiner": "AND"}, 400, "not emulated"),
    ],
)
def test_a_policy_that_would_never_be_evaluated_is_refused(local: Local, policy: Json, status: int, problem: str) -> None:
    described(local, METRIC)
    found, answer = local.call("POST", f"/v3/{PROJECT}/alertPolicies", policy, host=HOST)
    assert (found, problem in answer["error"]["message"]) == (status, True), answer


def test_a_policy_that_does_not_fit_its_metric_fails_no_writer_and_says_so(local: Local, clock: Callable[[], float]) -> None:
    metric = f"{METRIC}/unfit"
    described(local, metric)
    body = threshold(metric, aggregations=[{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_RATE"}])
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", body)
    write(local, 1.0, clock(), metric=metric)
    assert "ALIGN_RATE is for metrics of the kinds DELTA" in local.cloud.store.last_lines(policy["name"], 1)[0][2]


def test_a_channel_in_use_is_deleted_by_force_alone(local: Local) -> None:
    metric = f"{METRIC}/forced"
    described(local, metric)
    channel = email(local)
    policy = ask(local, "POST", f"{PROJECT}/alertPolicies", {**threshold(metric), "notificationChannels": [channel]})
    status, answer = local.call("DELETE", f"/v3/{channel}", host=HOST)
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
    ask(local, "DELETE", f"{channel}?force=true")
    assert ask(local, "GET", policy["name"])["notificationChannels"] == []


def test_points_are_kept_for_six_weeks(tmp_path: Any) -> None:
    store, day = Store(tmp_path / "state.db"), 86_400.0
    metrics = Metrics(store)
    header = {"metric": {"type": METRIC, "labels": {}}, "resource": {"type": "global"}, "metricKind": "GAUGE", "valueType": "DOUBLE"}
    for at in (1 * day, 20 * day, 43.5 * day):
        metrics.append(PROJECT, header, {"interval": {"endTime": moment(at)}, "value": {"doubleValue": at}})
    assert len(store.of(POINTS).list()) == 2
    (found,) = metrics.select(PROJECT, f'metric.type = "{METRIC}"', 0.0)
    assert [end / day for end, _ in found.points] == [20, 43.5]


# The true client


def test_googles_clients_write_list_and_are_alerted_over_grpc(google_cloud: Json) -> None:
    from google.api import metric_pb2
    from google.api_core.exceptions import InvalidArgument
    from google.cloud import monitoring_v3

    project, metric = "projects/acme-gemini-local", "custom.googleapis.com/tests/drift"
    client, policies = monitoring_v3.MetricServiceClient(), monitoring_v3.AlertPolicyServiceClient()
    channels = monitoring_v3.NotificationChannelServiceClient()
    descriptor = metric_pb2.MetricDescriptor(type=metric, metric_kind="GAUGE", value_type="DOUBLE")
    made = client.create_metric_descriptor(name=project, metric_descriptor=descriptor)
    assert client.get_metric_descriptor(name=made.name).type == metric
    channel = channels.create_notification_channel(
        name=project, notification_channel={"type": "email", "labels": {"email_address": "oncall@example.com"}}
    )
    condition = monitoring_v3.AlertPolicy.Condition(
        display_name="shifted",
        condition_threshold={
            "filter": f'metric.type = "{metric}" AND resource.type = "global"',
            "comparison": monitoring_v3.ComparisonType.COMPARISON_GT,
            "threshold_value": 0.5,
            "duration": {"seconds": 0},
        },
    )
    policy = policies.create_alert_policy(
        name=project,
        alert_policy={"display_name": "drift", "combiner": "OR", "conditions": [condition], "notification_channels": [channel.name]},
    )
    now = time.time()

    def point(value: float, at: float) -> monitoring_v3.TimeSeries:
        interval = {"end_time": {"seconds": int(at), "nanos": int(at % 1 * 1e9)}}
        found = monitoring_v3.TimeSeries(points=[monitoring_v3.Point(interval=interval, value={"double_value": value})])
        found.metric.type, found.metric.labels["task"] = metric, "vision"
        return found

    client.create_time_series(name=project, time_series=[point(0.9, now)])
    with pytest.raises(InvalidArgument, match="in order"):
        client.create_time_series(name=project, time_series=[point(0.1, now - 1)])
    request = {
        "name": project,
        "filter": f'metric.type = "{metric}" AND metric.labels.task = "vision"',
        "interval": {"start_time": {"seconds": int(now) - 60}, "end_time": {"seconds": int(now) + 1}},
        "view": monitoring_v3.ListTimeSeriesRequest.TimeSeriesView.FULL,
    }
    (found,) = client.list_time_series(request=request)
    assert [point.value.double_value for point in found.points] == [0.9]
    import urllib.request

    page = urllib.request.urlopen(f"{google_cloud['console']}inbox").read().decode()
    assert "drift on acme-gemini-local" in page
    assert "open" in re.findall(r">([^<>]+)<", page)
    policies.delete_alert_policy(name=policy.name)
    channels.delete_notification_channel(name=channel.name)
    client.delete_metric_descriptor(name=made.name)
