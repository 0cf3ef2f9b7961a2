"""Measures a classifier on the frozen test rows: what is served is what is measured."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.data.rows import DataError, kind_of, read, write_json
from ml.evaluation.intervals import paired, wilson
from ml.export.litert import LiteRT
from ml.export.pictures import decode, resize
from ml.export.preprocessing import Preprocessor

SAMPLES = 12
"""Rows shown in the report: half of them mistakes, where there are enough."""
THUMBNAIL = 56
EXCERPT = 200
BATCH = 256

Numbers = npt.NDArray[np.int64]


def evaluate(exported: Path, rows: Path, out: Path) -> dict[str, Any]:
    """Measure `exported` (model.tflite, preprocessing.json) on the test rows of `rows`; writes `evaluation.json` into `out`.

    Returns:
        The content of `evaluation.json`: accuracy with its Wilson interval, macro F1 (over all classes; one that occurs
        neither in truth nor in prediction counts as 0), precision and recall per class (null where undefined), the
        confusion matrix (truth down, prediction across), the majority class of the training rows as the least that a
        model must beat, with the paired interval of the difference, and samples.

    Raises:
        DataError: when a test row carries a class that the model does not know.
    """
    preprocessor = Preprocessor.load(exported / "preprocessing.json")
    table = read(rows, split="test").sort_by("id")
    training = Counter(read(rows, columns=["label", "split"], split="train")["label"].to_pylist())
    classes = preprocessor.classes
    number = {label: at for at, label in enumerate(classes)}
    if strangers := sorted(set(table["label"].to_pylist()) - set(classes)):
        raise DataError(
            f"the test rows hold classes that the model was not trained on: {', '.join(strangers)}. It would always be wrong on them. "
            "Prepare and train again from these rows."
        )
    truth = np.array([number[label] for label in table["label"].to_pylist()], np.int64)
    contents = table["content"].to_pylist()
    probabilities = _probabilities(exported, preprocessor, contents)
    predicted = probabilities.argmax(1)
    right = predicted == truth
    majority = min(training, key=lambda label: (-training[label], label)) if training else classes[0]
    always = truth == number.get(majority, -1)

    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    per_class, macro_f1 = _per_class(classes, confusion)
    evaluation: dict[str, Any] = {
        "kind": kind_of(table),
        "rows": len(truth),
        "accuracy": float(right.mean()) if len(right) else 0.0,
        "interval": list(wilson(int(right.sum()), len(right))),
        "macro_f1": macro_f1,
        "classes": classes,
        "per_class": per_class,
        "confusion": confusion.tolist(),
        "majority": majority,
        "majority_accuracy": float(always.mean()) if len(always) else 0.0,
        "above_majority": list(paired(right, always)),
        "samples": _samples(table["id"].to_pylist(), contents, classes, truth, probabilities),
    }
    write_json(evaluation, out / "evaluation.json")
    return evaluation


def predictions(exported: Path, contents: Sequence[bytes | str]) -> npt.NDArray[np.float32]:
    """Probabilities (rows, classes) of an exported model for row contents."""
    return _probabilities(exported, Preprocessor.load(exported / "preprocessing.json"), contents)


def _probabilities(exported: Path, preprocessor: Any, contents: Sequence[bytes | str]) -> npt.NDArray[np.float32]:
    model = LiteRT((exported / "model.tflite").read_bytes())
    # Batch by batch: the inputs of photographs would not fit memory at once.
    answers = [model.probabilities(preprocessor.batch(contents[at : at + BATCH])) for at in range(0, len(contents), BATCH)]
    return np.concatenate(answers) if answers else np.zeros((0, len(preprocessor.classes)), np.float32)


def _per_class(classes: Sequence[str], confusion: Numbers) -> tuple[dict[str, dict[str, Any]], float]:
    """Precision, recall and F1 of each class, and the mean of the F1s."""
    measured = {}
    scores = []
    for at, label in enumerate(classes):
        hits, truths, guesses = int(confusion[at, at]), int(confusion[at].sum()), int(confusion[:, at].sum())
        score = 2 * hits / (truths + guesses) if truths + guesses else 0.0
        scores.append(score)
        measured[label] = {
            "rows": truths,
            "precision": hits / guesses if guesses else None,
            "recall": hits / truths if truths else None,
            "f1": score,
        }
    return measured, float(np.mean(scores)) if scores else 0.0


def _samples(
    ids: Sequence[str], contents: Sequence[bytes | str], classes: Sequence[str], truth: Numbers, probabilities: npt.NDArray[np.float32]
) -> list[dict[str, Any]]:
    """Rows for the report, mistakes first, each group in the order of its digests, which is random."""
    predicted = probabilities.argmax(1)
    wrong, right = np.flatnonzero(predicted != truth), np.flatnonzero(predicted == truth)
    mistakes = wrong[: max(SAMPLES // 2, SAMPLES - len(right))]
    chosen = [*mistakes, *right[: SAMPLES - len(mistakes)]]
    return [
        {
            "id": ids[at],
            "label": classes[truth[at]],
            "predicted": classes[predicted[at]],
            "confidence": round(float(probabilities[at, predicted[at]]), 4),
            **shown(contents[at]),
        }
        for at in chosen
    ]


def shown(content: bytes | str) -> dict[str, str]:
    """A row for a report: a text's beginning, or a small PNG in base64."""
    if isinstance(content, str):
        return {"text": content[:EXCERPT]}
    pixels = resize(decode(content), THUMBNAIL)
    encoded = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(encoded, "PNG")
    return {"thumbnail": base64.b64encode(encoded.getvalue()).decode()}
