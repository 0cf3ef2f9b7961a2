"""The training loop of both models: a few epochs under a falling learning rate, the same result for the same input."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.data.rows import DataError, replacing, write_json
from ml.export.preprocessing import Preprocessor
from ml.training.examples import Examples, load

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SEED = 1
THREADS = 1
"""Batches of small models win little by more: a second one costs a third more processor time, which two tasks side by side do not have."""
MINIMUM_EXAMPLES = 8
SMALLEST_BATCH = 8
BATCHES_PER_EPOCH = 12
"""Few examples get small batches, so that an epoch still has about this many steps."""
WARM_SHARE = 0.4
"""Of the epochs and of the learning rate, for a model that goes on from another's weights."""


@dataclass(frozen=True)
class Recipe:
    """What the loop needs to know of a task."""

    build: Callable[[Any, int], keras.Model]
    """From the preprocessor, which knows the input's shape and the classes, and the number of examples to learn from; the output is a
    probability for each class."""
    inputs: Callable[[tf.Tensor], tf.Tensor]
    """From stored arrays to what the model takes."""
    augment: Callable[[tf.Tensor], tf.Tensor]
    """A training batch of model inputs, varied."""
    augment_below: int
    """From this many examples on, variation only slows the first epochs down."""
    learning_rate: float
    batch: int
    steps: int
    """How long to train at least; more examples need fewer epochs for it."""
    epochs: tuple[int, int]
    """At least and at most."""


def fit(
    recipe: Recipe,
    prepared: Path,
    out: Path,
    *,
    limit: int | None = None,
    epochs: int | None = None,
    report: Callable[[str], None] = print,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train a model and write `model.keras` and `history.json` into `out`.

    Args:
        recipe: The task's model and settings.
        prepared: Folder with arrays and `preprocessing.json`.
        out: Folder to write into.
        limit: Learn from so many examples only; None is all.
        epochs: In place of the recipe's own choice, which None leaves to it.
        report: Told the metrics of each epoch.
        start: Model folder whose weights to go on from, where it takes the same inputs and classes and is built alike; otherwise
            nothing of it is used.

    Returns:
        Final metrics; those on validation rows are missing where the data is too small to have any.

    Raises:
        DataError: when the examples are too few, or of one class only.
    """
    import keras
    import tensorflow as tf

    training, validation = load(prepared, "train"), load(prepared, "validation")
    if limit is not None:
        training = training.first(limit)
    if len(training) < MINIMUM_EXAMPLES or len(np.unique(training.y)) < 2:
        raise DataError(
            f"{len(training)} training examples of {len(np.unique(training.y))} class(es) remain; at least {MINIMUM_EXAMPLES} of two "
            "classes are needed, otherwise nothing can be learnt. Nothing was trained. Add rows, raise the limit, or lower "
            "labelling.minimum_confidence in environments/tasks.yaml."
        )
    started = time.monotonic()
    _settle(tf)
    keras.utils.set_random_seed(SEED)

    batch = int(np.clip(len(training) // BATCHES_PER_EPOCH, SMALLEST_BATCH, recipe.batch))
    steps = -(-len(training) // batch)
    rounds = epochs if epochs is not None else int(np.clip(-(-recipe.steps // steps), *recipe.epochs))
    model = recipe.build(Preprocessor.load(prepared / "preprocessing.json"), len(training))
    learning_rate = recipe.learning_rate
    earlier = (
        keras.models.load_model(start / "model.keras", compile=False).get_weights() if start is not None and _alike(start, prepared) else []
    )
    # From another number of examples, another model may have been built.
    warm = [weight.shape for weight in earlier] == [weight.shape for weight in model.get_weights()]
    if warm:
        model.set_weights(earlier)
        learning_rate *= WARM_SHARE
        rounds = epochs if epochs is not None else math.ceil(rounds * WARM_SHARE)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps * rounds)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # Compiling by XLA costs more than these few hundred steps could win back.
        jit_compile=False,
    )
    varied = (lambda x: recipe.augment(recipe.inputs(x))) if len(training) < recipe.augment_below else recipe.inputs
    lines = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: report(_line(epoch + 1, rounds, logs, time.monotonic() - started))
    )
    history = model.fit(
        _batches(tf, training, batch, varied, shuffle=True),
        validation_data=_batches(tf, validation, 256, recipe.inputs, shuffle=False) if len(validation) else None,
        epochs=rounds,
        # The batches are shuffled already.
        shuffle=False,
        verbose=0,
        callbacks=[lines],
    ).history

    with replacing(out / "model.keras") as partial:
        model.save(partial)
    measured = {name.replace("val_", "validation_"): [float(value) for value in values] for name, values in history.items()}
    metrics: dict[str, Any] = {
        **{name: values[-1] for name, values in measured.items()},
        "examples": len(training),
        "epochs": rounds,
        "warm_start": warm,
        "parameters": int(model.count_params()),
        "seconds": round(time.monotonic() - started, 2),
    }
    write_json({"epochs": measured, "final": metrics, "batch": batch, "seed": SEED}, out / "history.json")
    return metrics


def _alike(start: Path, prepared: Path) -> bool:
    """Whether a model's inputs and classes mean the same as those that were prepared."""
    one, other = start / "preprocessing.json", prepared / "preprocessing.json"
    return (start / "model.keras").exists() and one.exists() and one.read_bytes() == other.read_bytes()


def _settle(tf: Any) -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    except RuntimeError:
        # TensorFlow has computed before in this process, in a notebook for example: its threads stay as they are.
        return


def _batches(tf: Any, examples: Examples, batch: int, inputs: Callable[[Any], Any], *, shuffle: bool) -> Any:
    rows = tf.data.Dataset.from_tensor_slices((examples.x, examples.y))
    if shuffle:
        rows = rows.shuffle(len(examples), seed=SEED)
    return rows.batch(batch).map(lambda x, y: (inputs(x), y)).prefetch(1)


def _line(epoch: int, epochs: int, logs: dict[str, float], seconds: float) -> str:
    measured = ", ".join(f"{name.replace('val_', 'validation ')} {value:.4f}" for name, value in logs.items())
    return f"epoch {epoch}/{epochs}: {measured} ({seconds:.1f} s)"
