"""A small exported model: untrained, since the server's contract does not depend on how good its answers are."""

import json
from pathlib import Path

import pytest

CLASSES = ["bag", "boot", "shirt"]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model.tflite` and `preprocessing.json` of a classifier of 8 x 8 grey pictures."""
    import keras

    from ml.export.preprocessing import ImagePreprocessor

    folder = tmp_path_factory.mktemp("exported")
    keras.utils.set_random_seed(1)
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(len(CLASSES), activation="softmax")]
    keras.Sequential(layers).export(folder / "model.tflite", format="litert", verbose=False)
    (folder / "preprocessing.json").write_text(json.dumps(ImagePreprocessor(CLASSES, 8, 1).document()))
    return folder
