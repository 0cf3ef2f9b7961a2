"""A small exported model, untrained, since the server's contract does not depend on good answers; and a project to serve it in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from serving.registry import versions

CLASSES = ["bag", "boot", "shirt"]
TASK = "vision"


def untrained() -> Any:
    """A classifier of 8 x 8 grey pictures."""
    import keras

    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(len(CLASSES), activation="softmax")])


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model.tflite` and `preprocessing.json` of a classifier of 8 x 8 grey pictures."""
    from ml.export.preprocessing import ImagePreprocessor

    folder = tmp_path_factory.mktemp("exported")
    untrained().export(folder / "model.tflite", format="litert", verbose=False)
    (folder / "preprocessing.json").write_text(json.dumps(ImagePreprocessor(CLASSES, 8, 1).document()))
    return folder


@pytest.fixture(scope="session")
def converted(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, converted to TensorFlow.js."""
    from ml.export.tfjs import convert

    folder = tmp_path_factory.mktemp("converted")
    untrained().export(folder / "model" / "saved_model", format="tf_saved_model", verbose=False)
    (folder / "model" / "preprocessing.json").write_text((exported / "preprocessing.json").read_text())
    convert(folder / "model", folder / "web")
    return folder / "web"


@pytest.fixture
def clients(google_cloud: dict[str, Any]) -> Iterator[Clients]:
    """Clients of a project with a models bucket and the endpoint of the task, as Terraform declares them."""
    clients = Clients.of("local")
    storage, aiplatform = clients.storage(), clients.vertex()
    bucket = storage.bucket(clients.names.bucket("models"))
    if not bucket.exists():
        storage.create_bucket(bucket)
    own = {"endpoint_id": clients.names.endpoint_id(TASK), "dedicated_endpoint_enabled": True}
    endpoint = aiplatform.Endpoint.create(display_name="vision", **own)
    yield clients
    endpoint.delete(force=True)
    if versions.find(clients, TASK, "default"):
        aiplatform.Model(clients.names.model(TASK)).delete()
