"""Keras → SavedModel and LiteRT, refused when LiteRT does not answer like Keras."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.rows import replacing, write_json
from ml.export.embedding import EMBEDDING, FILE
from ml.export.litert import LiteRT
from ml.training.examples import load
from ml.training.fitting import Recipe

COMPARED = 64
TOLERANCE = 1e-4
"""Largest difference of a probability, or of an embedding as a share of its largest number; a trained model shows about 1e-6."""


class ExportError(Exception):
    """The exported model does not answer like the trained one; the message is complete and meant for people."""


def export(model: Path, prepared: Path, out: Path, recipe: Recipe) -> None:
    """Write `saved_model/`, `model.tflite`, `embedding.tflite`, `preprocessing.json` and `export.json` into `out`.

    Args:
        model: The trained `model.keras`.
        prepared: Folder whose training examples are compared and whose `preprocessing.json` goes along.
        out: Folder to write into.
        recipe: Says how stored arrays become inputs.

    Raises:
        ExportError: when LiteRT differs from Keras by more than `TOLERANCE`, or the network says of no layer that it embeds.
    """
    import keras

    trained = keras.models.load_model(model, compile=False)
    hidden = keras.Model(trained.input, _embedding_layer(trained).output)
    examples = recipe.inputs(load(prepared, "train").x[:COMPARED])

    with replacing(out / "saved_model") as partial:
        trained.export(partial, format="tf_saved_model", verbose=False)
    probabilities = trained(examples, training=False).numpy()
    content, difference = _litert(out / "saved_model", examples, probabilities, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        hidden.export(folder, format="tf_saved_model", verbose=False)
        vectors = hidden(examples, training=False).numpy()
        embedding, embedding_difference = _litert(Path(folder), examples, vectors, max(1.0, float(np.abs(vectors).max())))
    for name, written in (("model.tflite", content), (FILE, embedding)):
        with replacing(out / name) as partial:
            partial.write_bytes(written)
    with replacing(out / "preprocessing.json") as partial:
        shutil.copyfile(prepared / "preprocessing.json", partial)
    measured = {"compared": len(examples), "largest_difference": difference, "largest_embedding_difference": embedding_difference}
    write_json({**measured, "litert_bytes": len(content)}, out / "export.json")


def _embedding_layer(model: Any) -> Any:
    try:
        return model.get_layer(EMBEDDING)
    except ValueError:
        layers = ", ".join(layer.name for layer in model.layers)
        raise ExportError(
            f"no layer of {model.name} is named {EMBEDDING!r} (there are {layers}), so its rows would have no features. Nothing was "
            f"exported. Name the last hidden layer so in the task's network: name={EMBEDDING!r}."
        ) from None


def _litert(saved_model: Path, examples: Any, expected: npt.NDArray[Any], scale: float) -> tuple[bytes, float]:
    """A LiteRT model, and its largest difference from what Keras answers, as a share of `scale`."""
    import tensorflow as tf

    # from_concrete_functions leaves the weights as variables that LiteRT never initialises; a SavedModel freezes them.
    content = tf.lite.TFLiteConverter.from_saved_model(str(saved_model)).convert()
    difference = _difference(expected, LiteRT(content).outputs(np.asarray(examples))) / scale
    if not difference <= TOLERANCE:
        raise ExportError(
            f"LiteRT differs from Keras by {difference:.2e}, more than {TOLERANCE:.0e}: what is served would not be what was trained. "
            "No LiteRT model was written. Look for a layer that LiteRT approximates, and replace it in the network."
        )
    return content, difference


def _difference(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    """The largest absolute difference; not a number where either is not one, so that it never passes."""
    return float(np.abs(ours - theirs).max())
