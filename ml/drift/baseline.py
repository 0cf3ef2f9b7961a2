"""What traffic is held against: the validation rows, as the exported model sees them. It is kept beside the model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.rows import DataError, Kind, kind_of, read, replacing, write_json
from ml.drift import words
from ml.evaluation.classification import predictions
from ml.export import embedding
from ml.export.preprocessing import Preprocessor, TextPreprocessor

FOLDER = "baseline"
"""Beside the model."""
DOCUMENT, ARRAYS = "baseline.json", "reference.npz"
VERSION = 1
MAXIMUM_ROWS = 1000
"""The first by digest, which is a random sample: the tests compare each row with each."""


@dataclass(frozen=True)
class Baseline:
    """The validation rows of a model. They hold no content: neither pictures nor texts can be read from them."""

    kind: Kind
    classes: tuple[str, ...]
    digest: str
    """Of all that a detection depends on but the traffic."""
    embeddings: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]
    """Whether the most probable class was the truth."""
    words: npt.NDArray[np.int32]
    """Of a text model, as `ml.drift.words.ids` numbers them; without columns for pictures."""

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.right)

    @classmethod
    def load(cls, exported: Path) -> Baseline:
        """The baseline in the folder of an exported model.

        Raises:
            DataError: when there is none, or it is another model's.
        """
        folder = exported / FOLDER
        try:
            content = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
            arrays = np.load(folder / ARRAYS)
        except FileNotFoundError as error:
            raise DataError(
                f"{error.filename} does not exist: the model was registered without a baseline, so its traffic cannot be judged. Train "
                "a new version by the training pipeline, or write one: ml.drift.baseline.build."
            ) from None
        if content["version"] != VERSION or content["embedding_model"] != embedding.digest(exported):
            raise DataError(
                f"{folder} was not made from the model beside it: every difference between the two would look like drift. Nothing was "
                "compared. Make it again: ml.drift.baseline.build."
            )
        return cls(content["kind"], tuple(content["classes"]), content["digest"], **{name: arrays[name] for name in arrays.files})


def build(exported: Path, rows: Path, out: Path) -> dict[str, Any]:
    """Write `baseline.json` and `reference.npz` into `out`.

    Args:
        exported: folder of the exported model, as `ml.tasks.<task>.export` writes it.
        rows: rows with `split`.
        out: folder to write into, `baseline/` beside the model.

    Returns:
        The content of `baseline.json`: kind, classes, rows, accuracy, digests.
    """
    table = read(rows, split="validation").sort_by("id").slice(0, MAXIMUM_ROWS)
    preprocessor = Preprocessor.load(exported / "preprocessing.json")
    contents, classes = table["content"].to_pylist(), np.array(preprocessor.classes, object)
    probabilities = predictions(exported, contents)
    arrays: dict[str, npt.NDArray[Any]] = {
        "embeddings": embedding.embeddings(exported, contents),
        "probabilities": probabilities,
        "right": np.asarray(classes[probabilities.argmax(1)] == np.array(table["label"].to_pylist(), object), np.bool_),
        "words": words.ids(preprocessor, contents)
        if isinstance(preprocessor, TextPreprocessor)
        else np.zeros((len(contents), 0), np.int32),
    }
    model = embedding.digest(exported)
    total = hashlib.sha256(model.encode())
    for name in sorted(arrays):
        total.update(arrays[name].tobytes())
    content = {
        "version": VERSION,
        "kind": kind_of(table),
        "classes": preprocessor.classes,
        "rows": len(contents),
        "accuracy": float(arrays["right"].mean()) if contents else None,
        "embedding_model": model,
        "digest": total.hexdigest(),
    }
    with replacing(out / ARRAYS) as partial:
        np.savez_compressed(partial, allow_pickle=False, **arrays)
    write_json(content, out / DOCUMENT)
    return content
