"""From an event to a challenger: once for each event, on rows that stay frozen, and never past a gate that refuses."""

import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from google.api_core.exceptions import AlreadyExists
from google.cloud import pubsub_v1

from environments import Names, load, organisation
from environments.clients import Clients
from ml.data.joining import join
from ml.data.rows import DataError, digest, read, schema, write
from ml.data.splits import by_digest, split
from pipelines import compile as specification
from pipelines import runs
from pipelines.definitions import retraining
from pipelines.retraining import start as starting
from pipelines.retraining.events import Event, EventError
from pipelines.retraining.start import LABELLED, RetrainingError, job_id, start, submit
from pipelines.retraining.subscriber import pull
from pipelines.submit import submit as submit_training
from serving.registry import origin, versions
from serving.rollout import deployment
from tests.pipelines.test_training_definition import guarded, tasks_of
from tests.pipelines.test_training_run import SHAPES, TASK, clients, picture

__all__ = ["clients"]


def table(rows: list[tuple[bytes, str]], out: Path) -> Path:
    columns = {"id": [digest(content) for content, _ in rows], "content": [c for c, _ in rows], "label": [label for _, label in rows]}
    write(pa.table(columns, schema=schema("image_classification")), out)
    return out


def drawn(count: int, seed: int, inverted: bool = False) -> list[tuple[bytes, str]]:
    """Drawn pictures with their shapes; inverted, they are what the champion has never seen."""
    random = np.random.default_rng(seed)
    return [(picture(shape, random, inverted), shape) for shape in (list(SHAPES)[at % 3] for at in range(count))]


def uploaded(clients: Clients, rows: Path, *parts: str) -> str:
    name = "/".join((TASK, *parts, digest(rows.read_bytes()), "rows.parquet"))
    clients.storage().bucket(clients.names.bucket("raw")).blob(name).upload_from_filename(str(rows))
    return clients.names.uri("raw", name)


# Rows


def test_frozen_test_rows_never_enter_training_even_when_they_come_back_labelled(tmp_path: Path) -> None:
    split(table(drawn(60, 1), tmp_path / "raw.parquet"), tmp_path / "split")
    frozen = read(tmp_path / "split/rows.parquet", split="test")
    returned = [(content, "tall") for content in frozen["content"].to_pylist()]
    new = drawn(40, 2, inverted=True)
    labelled = table([*returned, *new, *new], tmp_path / "labelled.parquet")
    # Ids that lie do not help either.
    honest = read(labelled)
    write(honest.set_column(0, "id", pa.array([f"{at:064x}" for at in range(len(honest))])), labelled)
    joined = join(tmp_path / "split/rows.parquet", [labelled], {}, tmp_path / "joined")
    assert (joined.frozen, joined.new, joined.left_out) == (60, 40, len(returned) + 40)
    rows = read(tmp_path / "joined/rows.parquet").to_pylist()
    assert [row for row in rows if not row["new"]] == [{**row, "new": False} for row in read(tmp_path / "split/rows.parquet").to_pylist()]
    for row in rows:
        if row["new"]:
            assert (row["id"], row["split"]) == (digest(row["content"]), by_digest(digest(row["content"])))


def test_labels_that_were_put_right_are_learned_from_but_test_rows_stay_what_they_are(tmp_path: Path) -> None:
    split(table(drawn(60, 1), tmp_path / "raw.parquet"), tmp_path / "split")
    before = {row["id"]: row for row in read(tmp_path / "split/rows.parquet").to_pylist()}
    labelled = table(drawn(10, 2, inverted=True), tmp_path / "labelled.parquet")
    everything_is_tall = dict.fromkeys([*before, "a row of yesterday"], "tall")
    joined = join(tmp_path / "split/rows.parquet", [labelled], everything_is_tall, tmp_path / "joined")
    after = [row for row in read(tmp_path / "joined/rows.parquet").to_pylist() if not row["new"]]
    assert {row["label"] for row in after if row["split"] != "test"} == {"tall"}
    assert all(row["label"] == before[row["id"]]["label"] for row in after if row["split"] == "test")
    assert joined.corrected == sum(row["split"] != "test" and row["label"] != "tall" for row in before.values()) > 0
    assert (len(after), joined.new) == (60, 10)


def test_rows_that_teach_nothing_new_or_are_of_another_kind_are_refused(tmp_path: Path) -> None:
    raw = table(drawn(30, 1), tmp_path / "raw.parquet")
    split(raw, tmp_path / "split")
    with pytest.raises(DataError, match="none of 30 labelled rows is new"):
        join(tmp_path / "split/rows.parquet", [raw], {}, tmp_path / "joined")
    write(pa.table({"id": ["1"], "content": ["a text"], "label": ["tall"]}), tmp_path / "texts.parquet")
    with pytest.raises(DataError, match="rows of the same task"):
        join(tmp_path / "split/rows.parquet", [tmp_path / "texts.parquet"], {}, tmp_path / "joined")


# The definition


def test_a_challenger_is_compared_and_gated_before_it_is_deployed(tmp_path: Path) -> None:
    names = Names(organisation(), load("local"))
    spec = yaml.safe_load(specification.write(names, tmp_path / "retraining.yaml", definition=retraining).read_text())
    steps = tasks_of(spec)
    assert set(runs.RETRAINING_STEPS) <= set(steps)
    for step in runs.DOCUMENTS.keys() & set(runs.RETRAINING_STEPS):
        assert runs.DOCUMENTS[step][0] in spec["components"][f"comp-{step}"]["outputDefinitions"]["artifacts"]
    assert {"compare", "evaluate", "register"} <= set(steps["gate"]["dependentTasks"])
    condition, passed = guarded(spec, spec["root"]["dag"])
    assert condition == "inputs.parameter_values['pipelinechannel--gate-Output'] == 'passed'"
    assert {"convert", "features", "attach", "deploy"} == {name for name, task in passed["tasks"].items() if "triggerPolicy" not in task}
    assert list(guarded(spec, passed)[1]["tasks"]) == ["write-features"]
    cached = {name for name, task in steps.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert set(runs.RETRAINING_STEPS) - cached == set(runs.RELEASE) - {"convert", "features"}


# Events


@pytest.mark.parametrize("attributes", [{}, {"event_id": "1"}, {"task": TASK}, {"event_id": "1", "task": "juggling"}])
def test_a_message_that_is_no_event_is_refused_with_the_reason(attributes: dict[str, str]) -> None:
    with pytest.raises(EventError, match="No retraining was started"):
        Event.of(attributes)


@pytest.fixture
def champion(clients: Clients, tmp_path: Path) -> Iterator[str]:
    """A registered champion that is not deployed, with the address of its rows and some labelled later; no run gets far with it."""
    # As the run that trained it left it: of two that make an experiment at the same time, the SDK lets one fail.
    clients.vertex().Experiment.get_or_create(clients.names.experiment(TASK))
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.tflite", "preprocessing.json"):
        (folder / name).write_text("{}")
    version = versions.register(clients, TASK, folder, clients.names.image("serving"))
    versions.crown(clients, TASK, version.version)
    origin.write(clients, version.uri, origin.Origin("gs://nowhere/rows.parquet", False, ()))
    labelled = uploaded(clients, table(drawn(3, 5), tmp_path / "labelled.parquet"), LABELLED)
    yield version.version
    clients.storage().bucket(clients.names.bucket("raw")).blob(labelled.split("/", 3)[3]).delete()


def test_an_event_starts_one_run_however_often_and_by_however_many_it_is_delivered(
    clients: Clients, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = Event("drift-of-monday", TASK)
    # All ten have looked and found no run before the first one submits.
    together = threading.Barrier(10)

    def submitted(*arguments: Any) -> Any:
        together.wait()
        return submit(*arguments)

    monkeypatch.setattr(starting, "submit", submitted)
    with ThreadPoolExecutor(10) as threads:
        found = [job.resource_name for job in threads.map(lambda _: start(clients, event), range(10))]
    assert {name.rpartition("/")[2] for name in found} == {job_id(clients, event)}


def test_an_event_whose_run_failed_starts_another_only_for_whoever_asks(clients: Clients, champion: str) -> None:
    event = Event("drift-of-tuesday", TASK)
    job = start(clients, event)
    # Its rows do not exist.
    runs.wait([job])
    assert job.has_failed
    assert start(clients, event).resource_name == job.resource_name
    again = start(clients, event, again=True)
    assert again.resource_name.rpartition("/")[2] == job_id(clients, event, 2)
    assert start(clients, event).resource_name == again.resource_name
    runs.wait([again])


def test_a_retraining_without_champion_origin_or_new_rows_says_what_is_missing(clients: Clients, tmp_path: Path) -> None:
    event = Event("drift-of-wednesday", TASK)
    with pytest.raises(RetrainingError, match="has no champion"):
        start(clients, event)
    for name in ("model.tflite", "preprocessing.json"):
        (tmp_path / name).write_text("other")
    version = versions.register(clients, TASK, tmp_path, clients.names.image("serving"))
    versions.crown(clients, TASK, version.version)
    with pytest.raises(RetrainingError, match=r"holds no origin\.json"):
        start(clients, event)
    origin.write(clients, version.uri, origin.Origin("gs://nowhere/rows.parquet", False, ()))
    with pytest.raises(RetrainingError, match="Put labelled rows there"):
        start(clients, event)


def test_ten_deliveries_through_the_subscription_are_one_run_and_nothing_is_left(clients: Clients, champion: str) -> None:
    topic = f"projects/{clients.names.project}/topics/{clients.names.topic('retraining')}"
    with pubsub_v1.SubscriberClient() as subscriber:
        subscription = subscriber.subscription_path(clients.names.project, clients.names.subscription("retraining"))
        publisher = pubsub_v1.PublisherClient()
        with contextlib.suppress(AlreadyExists):  # other tests publish to it, too
            publisher.create_topic(name=topic)
        subscriber.create_subscription(name=subscription, topic=topic)
        try:
            for attributes in [*[{"event_id": "drift-of-friday", "task": TASK}] * 10, {"event_id": "?"}]:
                publisher.publish(topic, b"", **attributes).result()
            started = {job.resource_name for _ in range(3) for job in pull(clients)}
            assert len(started) == 1
            assert pull(clients) == []
        finally:
            subscriber.delete_subscription(subscription=subscription)
    [job] = [clients.vertex().PipelineJob.get(name) for name in started]
    runs.wait([job])


# The whole way


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_retraining_replaces_the_champion_and_one_that_learned_nonsense_is_refused(clients: Clients, tmp_path: Path) -> None:
    def ended(job: Any) -> runs.Run:
        runs.wait([job])
        return runs.succeeded(runs.read(clients, job))

    # As many as it takes to tell a loss of two percent from chance.
    old = drawn(1500, 1)
    rows_uri = uploaded(clients, table(old, tmp_path / "rows.parquet"))
    ended(submit_training(clients, TASK, rows_uri, declared=False))
    first = versions.find(clients, TASK, "champion")
    assert first is not None

    uploaded(clients, table(drawn(600, 2, inverted=True), tmp_path / "labelled.parquet"), LABELLED)
    # Somebody looks at a flat picture again, and calls it tall.
    features = clients.names.feature_table(TASK)
    looked_at = next(key for content, label in old if label == "flat" and by_digest(key := digest(content)) != "test")
    put_right = "SELECT * REPLACE ('tall' AS label, CURRENT_TIMESTAMP() AS feature_timestamp)"
    clients.bigquery().query(f"INSERT INTO `{features}` {put_right} FROM `{features}` WHERE entity_id = '{looked_at}'").result()
    event = Event("drift-of-thursday", TASK)
    run = ended(start(clients, event))
    documents = run.documents
    assert documents["join"]["corrected"] == 1
    assert documents["compare"]["new"]["verdict"] == "better"
    assert documents["compare"]["frozen"]["verdict"] in ("better", "not worse")
    assert documents["gate"]["passed"], documents["gate"]
    assert [step["share"] for step in documents["deploy"]["steps"]] == [10, 50, 100]
    assert (documents["deploy"]["outcome"], documents["deploy"]["former"]) == ("serving", first.version_id)
    champion = versions.find(clients, TASK, "champion")
    assert champion is not None
    assert champion.version_id == documents["register"]["version"] != first.version_id
    learned = origin.read(clients, champion.uri)
    assert learned is not None
    assert (learned.rows, len(learned.labelled)) == (rows_uri, 1)
    assert start(clients, event).resource_name == run.job

    # The same frozen test rows, but nothing else that is true: labels of everything that trains are shuffled.
    random = np.random.default_rng(4)
    training = [at for at, (content, _) in enumerate(old) if by_digest(digest(content)) != "test"]
    shuffled = list(old)
    for at, other in zip(training, random.permutation(training), strict=True):
        shuffled[at] = (old[at][0], old[other][1])
    sabotaged = uploaded(clients, table(shuffled, tmp_path / "shuffled.parquet"))
    lies = [(content, list(SHAPES)[random.integers(3)]) for content, _ in drawn(600, 3, inverted=True)]
    nonsense = uploaded(clients, table(lies, tmp_path / "lies.parquet"), "nonsense")
    bad = Event("sabotage", TASK)
    # At a moment at which nothing was known that could put the labels right.
    run = ended(
        submit(clients, bad, job_id(clients, bad), sabotaged, False, [nonsense], "2020-01-01T00:00:00+00:00", champion.uri, epochs=8)
    )
    assert run.documents["join"]["corrected"] == 0
    assert run.documents["gate"]["passed"] is False, run.documents["compare"]
    assert "deploy" not in run.documents
    endpoint = deployment.endpoint(clients, TASK)
    assert [one.model_version_id for one in endpoint.list_models()] == [champion.version_id]
    refused = versions.find(clients, TASK, run.documents["register"]["version"])
    assert refused is not None
    assert refused.labels["gate"] == "refused"
    assert json.dumps(run.documents["gate"]["reasons"])
