"""Vision: which class a picture belongs to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml.data.rows import Kind
from ml.export import formats
from ml.training import fitting
from ml.vision import network, preparation

KIND: Kind = "image_classification"


def preprocess(rows: Path, labels: Path | None, out: Path) -> None:
    """Write arrays and `preprocessing.json` into `out`."""
    preparation.prepare(rows, labels, out)


def train(
    prepared: Path, out: Path, *, limit: int | None = None, epochs: int | None = None, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """Write `model.keras` and `history.json` into `out`; returns the final metrics."""
    return fitting.fit(network.RECIPE, prepared, out, limit=limit, epochs=epochs, report=report)


def export(model: Path, prepared: Path, out: Path) -> None:
    """Write `saved_model/`, `model.tflite` and `preprocessing.json` into `out`."""
    formats.export(model, prepared, out, network.RECIPE)
