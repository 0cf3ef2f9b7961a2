"""Environments with what their stacks declare, made by the clients, and small models trained in them by the true pipelines."""

import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from environments import Environment, Names, organisation, tasks
from environments.clients import Clients
from ml.data.rows import digest, schema, write
from pipelines import images, runs
from pipelines.submit import submit
from tests.pipelines import declared

SHAPES = {"square": (12, 12), "flat": (3, 14), "tall": (14, 3)}
WORDS = ("please", "the", "today", "again", "with")


def place(environment: Environment) -> Clients:
    """Clients of an environment that holds what its stacks declare, and nothing more."""
    clients = Clients(Names(organisation(), environment))
    names, storage, session = clients.names, clients.storage(), clients.session()
    for bucket in (*(names.bucket(purpose) for purpose in names.BUCKETS), names.release_bucket):
        if not storage.bucket(bucket).exists():
            made = storage.bucket(bucket)
            made.versioning_enabled = bucket != names.release_bucket
            made.create()
    repository = {"format": "DOCKER", "dockerConfig": {"immutableTags": True}}
    session.post(
        f"https://artifactregistry.googleapis.com/v1/{names.location}/repositories",
        params={"repositoryId": names.repository},
        json=repository,
    ).raise_for_status()
    declared.tables(clients)
    for task in tasks().tasks:
        declared.features(clients, task.name)
        own = {"endpoint_id": names.endpoint_id(task.name), "dedicated_endpoint_enabled": True}
        clients.vertex().Endpoint.create(display_name=task.name, **own)
    return clients


def trained(clients: Clients, folder: Path, seed: int = 1, tasks: Sequence[str] = ("vision", "nlp")) -> None:
    """Tasks have a champion, by their own pipeline on few rows."""
    images.build(clients)
    jobs = [_started(clients, task, ROWS[task](folder / f"{task}.parquet", seed)) for task in tasks]
    runs.wait(jobs)
    for job in jobs:
        runs.succeeded(runs.read(clients, job))


def pictures(out: Path, seed: int) -> Path:
    """Rows of bright rectangles of three shapes."""
    chance = np.random.default_rng(seed)
    labels = [list(SHAPES)[row % 3] for row in range(150)]
    return _written(out, [_picture(label, chance) for label in labels], labels, "image_classification")


def texts(out: Path, seed: int) -> Path:
    """Rows of three classes that each speak of their own things."""
    chance = random.Random(seed)
    labels = [f"class {row % 3}" for row in range(150)]
    contents = [f"{' '.join(chance.choices(WORDS, k=4))} topic{label[-1]} row{at}" for at, label in enumerate(labels)]
    return _written(out, contents, labels, "text_classification")


ROWS = {"vision": pictures, "nlp": texts}


def _picture(shape: str, chance: np.random.Generator) -> bytes:
    pixels = chance.integers(0, 40, (28, 28), dtype=np.uint8)
    height, width = SHAPES[shape]
    top, left = chance.integers(0, 28 - height), chance.integers(0, 28 - width)
    pixels[top : top + height, left : left + width] = 220
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _written(out: Path, contents: list[Any], labels: list[str], kind: Any) -> Path:
    ids = [digest(content if isinstance(content, bytes) else content.encode()) for content in contents]
    write(pa.table({"id": ids, "content": contents, "label": labels}, schema=schema(kind)), out)
    return out


def _started(clients: Clients, task: str, rows: Path) -> Any:
    name = f"{task}/{digest(rows.read_bytes())}/rows.parquet"
    clients.storage().bucket(clients.names.bucket("raw")).blob(name).upload_from_filename(str(rows))
    return submit(clients, task, clients.names.uri("raw", *name.split("/")), declared=False)
