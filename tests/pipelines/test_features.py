"""Feature rows in BigQuery and online: written once, read as of a moment, served as the newest."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.api_core.exceptions import NotFound

from environments import Names, organisation
from environments.clients import Clients
from ml.data.rows import write
from ml.features.history import as_of, labels
from ml.features.table import append
from serving import features as online
from tests.pipelines import declared

TASK = "nlp"


@pytest.fixture
def clients(google_cloud: dict[str, Any]) -> Iterator[Clients]:
    """Clients of a project with the task's empty feature table, its view, and the bucket of the pipelines."""
    clients = Clients.of("local")
    bucket = clients.storage().bucket(clients.names.bucket("pipelines"))
    if not bucket.exists():
        clients.storage().create_bucket(bucket)
    declared.features(clients, TASK)
    yield clients
    clients.bigquery().delete_table(clients.names.feature_table(TASK), not_found_ok=True)


class Features:
    """Feature rows of three entities, as `ml.features.build` writes them."""

    def __init__(self, clients: Clients, folder: Path) -> None:
        self.clients, self.folder = clients, folder
        self.table = clients.names.feature_table(TASK)

    def upload(self, model: str, labels: dict[str, str], shift: float = 0.0) -> str:
        columns = {
            "entity_id": list(labels),
            "embedding": pa.array([[shift, at + shift] for at in range(len(labels))], pa.list_(pa.float32())),
            "embedding_model": [model] * len(labels),
            "label": list(labels.values()),
            "sentiment": pa.array([0.5] * len(labels), pa.float64()),
        }
        write(pa.table(columns), self.folder / "features.parquet")
        blob = self.clients.storage().bucket(self.clients.names.bucket("pipelines")).blob(f"features/{model}-{shift}/features.parquet")
        blob.upload_from_filename(str(self.folder / "features.parquet"))
        return f"gs://{blob.bucket.name}/{blob.name}"

    def append(self, model: str, labels: dict[str, str], shift: float = 0.0) -> Any:
        return append(self.clients.bigquery(), self.table, self.upload(model, labels, shift))

    def as_of(self, *wanted: tuple[str, datetime]) -> dict[tuple[str, datetime], dict[str, Any]]:
        return {(row["entity_id"], row["at"]): row for row in as_of(self.clients.bigquery(), self.table, wanted).to_pylist()}


@pytest.fixture
def features(clients: Clients, tmp_path: Path) -> Features:
    return Features(clients, tmp_path)


def test_rows_are_written_once_however_often_the_step_runs(features: Features) -> None:
    labels = {"a": "good", "b": "bad", "c": "good"}
    first, again = features.append("one", labels), features.append("one", labels)
    assert (first.rows, first.entities, again.rows, again.entities) == (3, 3, 0, 3)
    assert (again.newest, again.changed) == (first.newest, first.changed)
    tables = [table.table_id for table in features.clients.bigquery().list_tables(features.clients.names.dataset)]
    assert not [table for table in tables if "incoming" in table]


def test_only_what_has_changed_is_appended_and_nothing_is_overwritten(features: Features) -> None:
    features.append("one", {"a": "good", "b": "bad"})
    relabelled = features.append("one", {"a": "good", "b": "good", "c": "bad"}, shift=0.25)
    retrained = features.append("two", {"a": "good", "b": "good", "c": "bad"}, shift=1.0)
    returned = features.append("one", {"a": "good"})
    assert [written.rows for written in (relabelled, retrained, returned)] == [2, 3, 1]
    [counted] = features.clients.bigquery().query(f"SELECT COUNT(*) AS rows_ FROM `{features.table}`").result()
    assert counted.rows_ == 2 + 2 + 3 + 1


def test_a_file_that_lacks_a_declared_column_leaves_the_table_as_it_was(features: Features) -> None:
    features.append("one", {"a": "good"})
    blob = features.clients.storage().bucket(features.clients.names.bucket("pipelines")).blob("features/broken/features.parquet")
    blob.upload_from_string(b"not parquet")
    with pytest.raises(Exception, match=r"features/broken|[Pp]arquet"):
        append(features.clients.bigquery(), features.table, f"gs://{blob.bucket.name}/{blob.name}")
    assert features.append("one", {"a": "good"}).entities == 1


def test_a_later_value_never_leaks_into_an_earlier_moment(features: Features) -> None:
    first = features.append("one", {"a": "good", "b": "bad"}).newest
    second = features.append("two", {"a": "bad"}, shift=1.0).newest
    instant = timedelta(microseconds=1)
    before, late = first - instant, second + timedelta(days=1)
    found = features.as_of(("a", before), ("a", first), ("a", second - instant), ("a", second), ("a", late), ("b", late), ("no row", late))
    assert {key: row["label"] for key, row in found.items()} == {
        ("a", before): None,
        ("a", first): "good",
        ("a", second - instant): "good",
        ("a", second): "bad",
        ("a", late): "bad",
        ("b", late): "bad",
        ("no row", late): None,
    }
    assert found["a", first]["embedding"] == [0.0, 0.0]
    assert found["a", second]["embedding"] == [1.0, 1.0]
    assert (found["a", second - instant]["embedding_model"], found["a", late]["embedding_model"]) == ("one", "two")
    assert all(row["feature_timestamp"] <= at for (_, at), row in found.items() if row["feature_timestamp"] is not None)


def test_labels_are_those_that_were_known_at_the_moment(features: Features) -> None:
    first = features.append("one", {"a": "good", "b": "bad"}).newest
    second = features.append("two", {"a": "bad"}, shift=1.0).newest
    instant, client = timedelta(microseconds=1), features.clients.bigquery()
    at = {moment: labels(client, features.table, moment) for moment in (first - instant, first, second - instant, second)}
    assert list(at.values()) == [{}, {"a": "good", "b": "bad"}, {"a": "good", "b": "bad"}, {"a": "bad", "b": "bad"}]


def test_ids_are_values_and_never_become_part_of_the_statement(features: Features) -> None:
    features.append("one", {"a": "good"})
    hostile, now = "a' OR TRUE --", datetime.now(UTC) + timedelta(days=1)
    assert features.as_of((hostile, now))[hostile, now]["label"] is None


def test_the_online_view_answers_with_the_newest_and_is_synchronised_once_a_write(features: Features) -> None:
    written = features.append("one", {"a": "good", "b": "bad"})
    assert online.sync(features.clients, TASK, since=written.changed) == 2
    assert online.read(features.clients, TASK, ["b", "no row"]) == {
        "b": {"embedding": [0.0, 1.0], "embedding_model": "one", "label": "bad", "sentiment": 0.5}
    }
    online.sync(features.clients, TASK, since=features.append("one", {"a": "good", "b": "bad"}).changed)
    later = features.append("two", {"a": "bad"}, shift=1.0)
    assert online.read(features.clients, TASK, ["a"])["a"]["label"] == "good"
    online.sync(features.clients, TASK, since=later.changed)
    assert online.read(features.clients, TASK, ["a"])["a"] == {
        "embedding": [1.0, 1.0],
        "embedding_model": "two",
        "label": "bad",
        "sentiment": 0.5,
    }
    view = f"{features.clients.names.location}/featureOnlineStores/{features.clients.names.online_store}/featureViews/"
    syncs = list(features.clients.feature_views().list_feature_view_syncs(parent=view + features.clients.names.feature_view(TASK)))
    assert len([found for found in syncs if found.create_time >= written.newest]) == 2


def test_similar_examples_are_found_in_a_view_that_is_made_once(features: Features) -> None:
    written = features.append("one", {"a": "good", "b": "bad", "c": "good"}, shift=1.0)
    assert online.index(features.clients, TASK, since=written.changed) == 3
    assert online.index(features.clients, TASK, since=written.changed) == 3
    nearest = online.similar(features.clients, TASK, [1.0, 1.1], most=2)
    assert [entity for entity, _ in nearest] == ["a", "b"]
    assert [entity for entity, _ in online.similar(features.clients, TASK, [1.0, 1.1], label="bad")] == ["b"]
    # The view of the stack is another one, and lives on without an index.
    assert online.sync(features.clients, TASK, since=written.changed) == 3


def test_a_store_that_cannot_search_is_refused_with_the_mend(clients: Clients) -> None:
    environment = clients.names.environment
    bigtable = environment.model_copy(update={"features": environment.features.model_copy(update={"online_store": "bigtable"})})
    with pytest.raises(ValueError, match=r"cannot search.*Set it to optimized"):
        online.index(Clients(Names(organisation(), bigtable)), TASK, since=datetime.now(UTC))


def test_a_view_that_is_not_there_is_not_taken_for_an_empty_one(clients: Clients) -> None:
    with pytest.raises(NotFound):
        online.read(clients, "juggling", ["a"])
