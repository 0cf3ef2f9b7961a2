"""The training pipeline on the local Google Cloud, from raw rows to predictions, and again from its cache."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from environments.clients import Clients
from ml.data.rows import digest, read, schema, write
from pipelines import images, runs
from pipelines.submit import submit
from serving import features
from serving.registry import versions
from tests.pipelines import declared

TASK = "vision"
SHAPES = {"square": (12, 12), "flat": (3, 14), "tall": (14, 3)}


def picture(shape: str, random: np.random.Generator, inverted: bool = False) -> bytes:
    """A bright rectangle somewhere on a noisy dark ground, or the other way round, as PNG."""
    pixels = random.integers(0, 40, (28, 28), dtype=np.uint8)
    height, width = SHAPES[shape]
    top, left = random.integers(0, 28 - height), random.integers(0, 28 - width)
    pixels[top : top + height, left : left + width] = 220
    buffer = io.BytesIO()
    Image.fromarray(255 - pixels if inverted else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def drawn(out: Path, rows: int, truthful: bool = True) -> Path:
    """Rows of drawn pictures; labels that are not truthful have nothing to do with them."""
    random = np.random.default_rng(1)
    shapes = [list(SHAPES)[row % 3] for row in range(rows)]
    contents = [picture(shape, random) for shape in shapes]
    labels = shapes if truthful else [str(label) for label in random.permutation(shapes)]
    columns = {"id": [digest(content) for content in contents], "content": contents, "label": labels}
    write(pa.table(columns, schema=schema("image_classification")), out)
    return out


@pytest.fixture
def clients(google_cloud: dict[str, Any]) -> Iterator[Clients]:
    """Clients of a project with its buckets, the task's features and its endpoint, as Terraform declares them."""
    clients = Clients.of("local")
    storage, aiplatform = clients.storage(), clients.vertex()
    for purpose in clients.names.BUCKETS:
        bucket = storage.bucket(clients.names.bucket(purpose))
        if not bucket.exists():
            storage.create_bucket(bucket)
    images.build(clients)
    declared.tables(clients)
    declared.features(clients, TASK)
    endpoint = aiplatform.Endpoint.create(display_name=TASK, endpoint_id=clients.names.endpoint_id(TASK))
    yield clients
    endpoint.delete(force=True)
    if versions.find(clients, TASK, "default"):
        aiplatform.Model(clients.names.model(TASK)).delete()


def started(clients: Clients, rows: Path) -> Any:
    """A submitted run on `rows`."""
    name = f"{TASK}/{digest(rows.read_bytes())}/rows.parquet"
    clients.storage().bucket(clients.names.bucket("raw")).blob(name).upload_from_filename(str(rows))
    return submit(clients, TASK, clients.names.uri("raw", *name.split("/")), declared=False)


def train(clients: Clients, rows: Path) -> runs.Run:
    """One run on `rows`, to its end."""
    job = started(clients, rows)
    runs.wait([job])
    return runs.succeeded(runs.read(clients, job))


def test_a_run_ends_at_the_endpoint_and_its_rerun_computes_nothing_again(clients: Clients, tmp_path: Path) -> None:
    rows = drawn(tmp_path / "rows.parquet", 200)
    table = read(rows)
    first = train(clients, rows)
    assert [step.name for step in first.steps] == list(runs.STEPS)
    assert first.documents["gate"]["passed"] is True
    assert first.documents["evaluate"]["accuracy"] > 0.9
    assert first.documents["label"]["model_version"]

    endpoint = clients.vertex().Endpoint(clients.names.endpoint(TASK))
    sent = [{"b64": base64.b64encode(picture(shape, np.random.default_rng(7))).decode()} for shape in SHAPES]
    assert [answer["label"] for answer in endpoint.predict(sent).predictions] == list(SHAPES)
    champion = versions.find(clients, TASK, "champion")
    assert champion is not None
    assert champion.labels["gate"] == "passed"
    row = table["id"][0].as_py()
    served = features.read(clients, TASK, [row])[row]
    assert (served["label"], served["embedding_model"]) == (table["label"][0].as_py(), first.documents["features"]["embedding_model"])
    assert len(served["embedding"]) == first.documents["features"]["width"]

    again = train(clients, rows)
    assert [step.name for step in again.steps if step.cached] == [
        "ingest",
        "label",
        "preprocess",
        "train",
        "evaluate",
        "convert",
        "features",
    ]
    assert again.documents["register"]["created"] is False
    assert (first.documents["write-features"]["rows"], again.documents["write-features"]["rows"]) == (len(table), 0)
    assert (first.documents["write-features"]["examples"], again.documents["write-features"]["examples"]) == (len(table), 0)
    assert again.documents["deploy"] == {**first.documents["deploy"], "changed": False, "undeployed": []}
    assert json.dumps(again.documents["evaluate"]) == json.dumps(first.documents["evaluate"])


def test_a_run_that_is_under_way_is_joined_and_not_started_again(clients: Clients, tmp_path: Path) -> None:
    rows = drawn(tmp_path / "rows.parquet", 150)
    job = started(clients, rows)
    assert started(clients, rows).resource_name == job.resource_name
    job.cancel()
    runs.wait([job])
    with pytest.raises(runs.RunError):
        runs.succeeded(runs.read(clients, job))


@pytest.mark.long
def test_a_model_that_learned_nothing_is_registered_as_refused_and_never_serves(clients: Clients, tmp_path: Path) -> None:
    run = train(clients, drawn(tmp_path / "rows.parquet", 200, truthful=False))
    assert run.documents["gate"]["passed"] is False
    assert not {"deploy", "write-features"} & run.documents.keys()
    assert clients.vertex().Endpoint(clients.names.endpoint(TASK)).list_models() == []
    challenger = versions.find(clients, TASK, "challenger")
    assert challenger is not None
    assert challenger.labels["gate"] == "refused"
    assert versions.find(clients, TASK, "champion") is None
