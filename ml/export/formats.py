"""Keras → SavedModel and LiteRT, refused when LiteRT does not answer like Keras."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.rows import replacing, write_json
from ml.export.litert import LiteRT
from ml.training.examples import load
from ml.training.fitting import Recipe

COMPARED = 64
TOLERANCE = 1e-4
"""Largest difference of a probability; a trained model shows about 1e-6."""


class ExportError(Exception):
    """The exported model does not answer like the trained one; the message is complete and meant for people."""


def export(model: Path, prepared: Path, out: Path, recipe: Recipe) -> None:
    """Write `saved_model/`, `model.tflite`, `preprocessing.json` and `export.json` into `out`.

    Args:
        model: The trained `model.keras`.
        prepared: Folder whose training examples are compared and whose `preprocessing.json` goes along.
        out: Folder to write into.
        recipe: Says how stored arrays become inputs.

    Raises:
        ExportError: when a probability differs by more than `TOLERANCE`.
    """
    import keras
    import tensorflow as tf

    trained = keras.models.load_model(model, compile=False)
    examples = recipe.inputs(load(prepared, "train").x[:COMPARED])

    with replacing(out / "saved_model") as partial:
        trained.export(partial, format="tf_saved_model", verbose=False)
    # from_concrete_functions leaves the weights as variables that LiteRT never initialises; a SavedModel freezes them.
    content = tf.lite.TFLiteConverter.from_saved_model(str(out / "saved_model")).convert()

    difference = _difference(trained(examples, training=False).numpy(), LiteRT(content).probabilities(np.asarray(examples)))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"LiteRT differs from Keras by {difference:.2e} in a probability, more than {TOLERANCE:.0e}: what is served would not be "
            "what was trained. No model.tflite was written. Look for a layer that LiteRT approximates, and replace it in the network."
        )
    with replacing(out / "model.tflite") as partial:
        partial.write_bytes(content)
    with replacing(out / "preprocessing.json") as partial:
        shutil.copyfile(prepared / "preprocessing.json", partial)
    write_json({"compared": len(examples), "largest_difference": difference, "litert_bytes": len(content)}, out / "export.json")


def _difference(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    """The largest absolute difference; not a number where either is not one, so that it never passes."""
    return float(np.abs(ours - theirs).max())
