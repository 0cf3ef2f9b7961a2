"""Embeddings: what the last hidden layer says of an example, by LiteRT and without TensorFlow.

`embedding.tflite` lies beside `model.tflite` and takes the same inputs. Vectors of two models have nothing in common, so each
is kept with the digest of the model that it came from.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.data.rows import DataError
from ml.export.litert import BATCH, LiteRT
from ml.export.preprocessing import Preprocessor

EMBEDDING = "embedding"
"""Name of the layer, in every task's network."""
FILE = "embedding.tflite"


def embeddings(exported: Path, contents: Sequence[bytes | str]) -> npt.NDArray[np.float32]:
    """(rows, width) vectors of row contents.

    Args:
        exported: Folder with `embedding.tflite` and `preprocessing.json`, as `ml.tasks.<task>.export` writes it.
        contents: Encoded pictures, or texts.

    Raises:
        DataError: when the folder was exported without it.
    """
    preprocessor, model = Preprocessor.load(exported / "preprocessing.json"), LiteRT(_content(exported))
    # Batch by batch: the inputs of photographs would not fit memory at once.
    vectors = [model.outputs(preprocessor.batch(contents[at : at + BATCH])) for at in range(0, len(contents), BATCH)]
    return np.concatenate(vectors) if vectors else np.zeros((0, model.width), np.float32)


def digest(exported: Path) -> str:
    """SHA-256 of all that decides a vector: two folders with the same digest embed alike."""
    return hashlib.sha256(_content(exported) + (exported / "preprocessing.json").read_bytes()).hexdigest()


def _content(exported: Path) -> bytes:
    try:
        return (exported / FILE).read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{exported} holds no {FILE}: the model was exported before embeddings were. Nothing was computed. Export it again "
            "(ml.tasks.<task>.export), or train a new version."
        ) from None
