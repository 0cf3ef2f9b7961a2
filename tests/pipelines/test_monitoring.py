"""From live traffic to an alert: unchanged traffic is silent, shifted traffic is told once to people and to the retraining."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.api_core.exceptions import AlreadyExists
from google.cloud import monitoring_v3

from environments import Names, load, organisation
from environments.clients import Clients
from environments.names import Table
from ml.data.rows import digest
from ml.drift import injection
from ml.drift.injection import Row
from ml.drift.window import Answered
from pipelines import compile as specification
from pipelines import images, runs
from pipelines.definitions import monitoring
from pipelines.monitoring import record, traffic
from pipelines.monitoring.alert import tell
from pipelines.monitoring.start import submit
from pipelines.monitoring.traffic import Champion, MonitoringError
from serving.registry import versions
from serving.rollout.deployment import deploy
from tests.ml import drawn
from tests.ml.test_drift import fresh_pictures, monitored
from tests.pipelines import declared
from tests.pipelines.test_training_definition import tasks_of

TASK = "vision"
FINDINGS = ("rows", "p", "tests", "harm", "baseline")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with its baseline."""
    content = [(drawn.picture(shape, seed), shape) for seed in range(90) for shape in drawn.SHAPES]
    return monitored(TASK, content, tmp_path_factory.mktemp("monitored")) / "model"


@pytest.fixture
def clients(google_cloud: dict[str, Any]) -> Iterator[Clients]:
    """Clients of a project with its buckets, dataset and topics, and the endpoint that logs, as Terraform declares them."""
    clients = Clients.of("local")
    names, storage, aiplatform = clients.names, clients.storage(), clients.vertex()
    for purpose in names.BUCKETS:
        if not (bucket := storage.bucket(names.bucket(purpose))).exists():
            storage.create_bucket(bucket)
    declared.tables(clients)
    for topic in names.TOPICS:
        try:
            clients.publisher().create_topic(name=_topic(clients, topic))
        except AlreadyExists:
            continue
    endpoint = aiplatform.Endpoint.create(
        display_name=TASK,
        endpoint_id=names.endpoint_id(TASK),
        dedicated_endpoint_enabled=True,
        enable_request_response_logging=True,
        request_response_logging_sampling_rate=1.0,
        request_response_logging_bq_destination_table=f"bq://{_table(clients)}",
    )
    yield clients
    endpoint.delete(force=True)
    clients.bigquery().delete_table(_table(clients), not_found_ok=True)
    if versions.find(clients, TASK, "default"):
        aiplatform.Model(names.model(TASK)).delete()


@pytest.fixture
def subscription(clients: Clients) -> Iterator[str]:
    """A subscription of the retraining's topic that nobody else reads."""
    with clients.subscriber() as subscriber:
        name = subscriber.subscription_path(clients.names.project, "monitoring-test")
        subscriber.create_subscription(name=name, topic=_topic(clients, "retraining"))
        yield name
        subscriber.delete_subscription(subscription=name)


def _topic(clients: Clients, purpose: Any) -> str:
    return f"projects/{clients.names.project}/topics/{clients.names.topic(purpose)}"


def _table(clients: Clients) -> str:
    return f"{clients.names.project}.{clients.names.dataset}.{clients.names.requests_table(TASK)}"


def champion(clients: Clients, model: Path) -> versions.Version:
    """The model, registered and serving."""
    images.build(clients)
    version = versions.register(clients, TASK, model, clients.names.image("serving"))
    deploy(clients, TASK, version.version)
    versions.crown(clients, TASK, version.version)
    return version


def send(clients: Clients, rows: list[Row]) -> tuple[str, str]:
    """Ask for predictions; start and end of the window."""
    endpoint, start = clients.vertex().Endpoint(clients.names.endpoint(TASK)), datetime.now(UTC)
    instances = [{"b64": base64.b64encode(row.content).decode()} for row in rows if isinstance(row.content, bytes)]
    for at in range(0, len(instances), 40):
        endpoint.predict(instances[at : at + 40])
    return start.isoformat(), datetime.now(UTC).isoformat()


def judged(clients: Clients, window: tuple[str, str]) -> dict[str, Any]:
    """What the monitor's pipeline says of a window."""
    job = submit(clients, TASK, *window)
    runs.wait([job])
    run = runs.succeeded(runs.read(clients, job))
    assert [step.name for step in run.steps] == list(runs.MONITORING_STEPS)
    return {**run.documents["monitor"], "alert": run.documents["alert"]}


def kept(clients: Clients) -> dict[str, dict[str, int]]:
    """How many rows the warehouse has of each verdict, and of each version's answers."""
    counted: dict[str, dict[str, int]] = {}
    columns: dict[Table, str] = {"verdicts": "status", "predictions": "version"}
    for table, column in columns.items():
        asked = f"SELECT {column} AS name, COUNT(*) AS rows_ FROM `{clients.names.table(table)}` GROUP BY 1 ORDER BY 1"
        counted[table] = {row.name: row.rows_ for row in clients.bigquery().query(asked).result()}
    return counted


def points(clients: Clients) -> list[float]:
    """Values of the alert policy's metric, oldest first."""
    now = datetime.now(UTC)
    found = clients.metrics().list_time_series(
        name=f"projects/{clients.names.project}",
        filter=f'metric.type = "{clients.names.drift_metric}" AND metric.labels.task = "{TASK}"',
        interval={"start_time": now - timedelta(hours=1), "end_time": now + timedelta(minutes=1)},
    )
    return [point.value.double_value for series in found for point in series.points][::-1]


def received(clients: Clients, subscription: str) -> list[dict[str, str]]:
    """Attributes of the messages that wait."""
    with clients.subscriber() as subscriber:
        answer = subscriber.pull(subscription=subscription, max_messages=10, return_immediately=True, timeout=10)
        if answer.received_messages:
            subscriber.acknowledge(subscription=subscription, ack_ids=[message.ack_id for message in answer.received_messages])
    return [dict(message.message.attributes) for message in answer.received_messages]


@pytest.mark.long
def test_unchanged_traffic_is_silent_and_shifted_traffic_is_told_once(clients: Clients, subscription: str, model: Path) -> None:
    version = champion(clients, model)
    now = datetime.now(UTC)
    quiet = judged(clients, ((now - timedelta(hours=1)).isoformat(), now.isoformat()))
    assert (quiet["status"], quiet["alert"]["point"], quiet["alert"]["messages"]) == ("not enough data", None, {})

    unchanged = send(clients, fresh_pictures(100))
    shifted = send(clients, injection.pictures(fresh_pictures(100), "inversion", 0.5, seed=1))
    silent = judged(clients, unchanged)
    assert (silent["status"], silent["rows"], silent["version"]) == ("silent", 100, version.version), silent["reason"]
    assert received(clients, subscription) == []

    found = judged(clients, shifted)
    assert (found["status"], found["rows"]) == ("shifted", 100), found["reason"]
    assert points(clients) == [0.0, 1.0]
    [event] = received(clients, subscription)
    assert event == {"event_id": found["event_id"], "task": TASK, "p": f"{found['p']:.6g}"}
    assert set(found["alert"]["messages"]) == {"alerts", "retraining"}

    before = kept(clients)
    again = judged(clients, shifted)
    assert kept(clients) == before
    assert before["verdicts"] == {"not enough data": 1, "shifted": 1, "silent": 1}
    assert before["predictions"] == {version.version: 200}
    assert {name: again[name] for name in ("event_id", *FINDINGS)} == {name: found[name] for name in ("event_id", *FINDINGS)}
    assert [told["event_id"] for told in received(clients, subscription)] == [found["event_id"]]


def test_what_another_version_answered_is_not_the_champions_traffic(clients: Clients) -> None:
    rows = [
        {"deployed_model_id": one, "logging_time": f"2026-01-01T00:00:0{at}Z", "request_id": str(at), "request_payload": [f'"{one} {at}"']}
        for at in range(4)
        for one in ("champion", "challenger")
    ]
    _log(clients, [{**row, "response_payload": [json.dumps({"label": "a", "scores": {"a": 1.0}})]} for row in rows])
    window = "2026-01-01T00:00:01+00:00", "2026-01-01T01:00:03+01:00"
    read = traffic.read(clients, TASK, Champion("1", "gs://", ("champion",)), *window)
    assert sorted(read, key=lambda one: str(one.instance)) == [Answered("champion 1", {"a": 1.0}), Answered("champion 2", {"a": 1.0})]


def test_requests_that_were_not_answered_by_the_contract_are_left_out(clients: Clients) -> None:
    good = {"label": "a", "scores": {"a": 1.0}}
    payloads = [
        (['{"instances": ["raw", "body"]}'], [json.dumps({"predictions": [good, good]})]),
        (['"one"', '"two"'], [json.dumps(good)]),
        (['"refused"'], ['{"error": "not a picture"}']),
        (["not JSON"], ["neither"]),
        ([], []),
    ]
    logged = {"deployed_model_id": "c", "logging_time": "2026-01-01T00:00:00Z"}
    rows = [{"request_id": str(at), "request_payload": asked, "response_payload": said} for at, (asked, said) in enumerate(payloads)]
    _log(clients, [{**logged, **row} for row in rows])
    read = traffic.read(clients, TASK, Champion("1", "gs://", ("c",)), "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")
    assert [one.instance for one in read] == ["raw", "body"]


def _log(clients: Clients, rows: list[dict[str, Any]]) -> None:
    """Rows of the log, in the columns that Vertex AI gives it."""
    from google.cloud import bigquery

    columns = {"endpoint": "STRING", "deployed_model_id": "STRING", "logging_time": "TIMESTAMP", "request_id": "NUMERIC"}
    payloads = [bigquery.SchemaField(f"{side}_payload", "STRING", "REPEATED") for side in ("request", "response")]
    table = bigquery.Table(_table(clients), [*(bigquery.SchemaField(name, kind) for name, kind in columns.items()), *payloads])
    clients.bigquery().create_table(table, exists_ok=True)
    assert clients.bigquery().insert_rows_json(table, rows) == []


def test_an_answer_is_kept_under_the_id_of_what_was_asked(clients: Clients) -> None:
    asked = ["a text", {"text": "another"}, {"b64": "cGljdHVyZQ=="}, {"b64": "not base64"}, 7, {"text": "another"}]
    window = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"
    rows = [Answered(one, {"a": 0.75, "b": 0.25}) for one in asked]
    assert record.answers(clients, TASK, Champion("1", "gs://", ()), *window, rows) == 3
    assert record.answers(clients, TASK, Champion("1", "gs://", ()), *window, rows) == 0
    assert record.answers(clients, TASK, Champion("2", "gs://", ()), *window, rows[:1]) == 1
    found = clients.bigquery().query(f"SELECT * FROM `{clients.names.table('predictions')}` WHERE version = '1'").result()
    assert {(row.entity_id, row.label, row.confidence, row.window_start.day) for row in found} == {
        (digest(content), "a", 0.75, 1) for content in ("a text", "another", b"picture")
    }


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("yesterday", "2026-01-01T00:00:00+00:00", "yesterday"),
        ("2026-01-01T00:00:00", "2026-01-02T00:00:00", "time zone"),
        ("0001-01-01T00:00:00+01:00", "2026-01-02T00:00:00+00:00", "millennium"),
        ("2026-01-02T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "empty"),
    ],
)
def test_what_is_no_window_is_refused(clients: Clients, start: str, end: str, said: str) -> None:
    with pytest.raises(MonitoringError, match=said):
        traffic.read(clients, TASK, Champion("1", "gs://", ("c",)), start, end)
    with pytest.raises(MonitoringError, match=said):
        submit(clients, TASK, start, end)


def test_without_a_champion_or_a_baseline_nothing_is_judged(clients: Clients, tmp_path: Path) -> None:
    with pytest.raises(MonitoringError, match="no champion"):
        traffic.champion(clients, TASK)
    with pytest.raises(MonitoringError, match="without a baseline"):
        traffic.fetch(clients, clients.names.uri("models", TASK, "old"), tmp_path)


def test_a_window_of_too_little_traffic_writes_no_point_and_no_message(clients: Clients) -> None:
    told = tell(clients, TASK, {"status": "not enough data", "reason": "few", "event_id": "e"})
    assert (told.point, told.messages) == (None, {})


def test_a_point_that_comes_before_the_last_one_is_written_after_it(clients: Clients) -> None:
    """Two monitors of a task that end together write to the same series; the one that comes second must not fail."""
    last = datetime.now(UTC) + timedelta(seconds=1)
    resource, metric = {"type": "global", "labels": {"project_id": clients.names.project}}, clients.names.drift_metric
    one = {"interval": {"end_time": last}, "value": {"double_value": 1.0}}
    series = monitoring_v3.TimeSeries(metric={"type": metric, "labels": {"task": TASK}}, resource=resource, points=[one])
    clients.metrics().create_time_series(name=f"projects/{clients.names.project}", time_series=[series])
    before = points(clients)

    tell(clients, TASK, {"status": "silent", "reason": "", "event_id": "e"})
    assert points(clients) == [*before, 0.0]
    assert datetime.now(UTC) > last


def test_only_the_judgement_itself_may_come_from_the_cache(tmp_path: Path) -> None:
    path = specification.write(Names(organisation(), load("dev")), tmp_path / "monitoring.yaml", definition=monitoring)
    steps = tasks_of(yaml.safe_load(path.read_text()))
    assert set(steps) == set(runs.MONITORING_STEPS)
    assert {name for name, step in steps.items() if step.get("cachingOptions", {}).get("enableCache")} == {"monitor"}
