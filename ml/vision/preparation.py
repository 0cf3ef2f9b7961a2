"""Rows → arrays of pictures, in the size and colour that the training pictures ask for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml.data.rows import read, write_json
from ml.export.pictures import Pixels, decode
from ml.export.preprocessing import ImagePreprocessor
from ml.training.examples import classes, save, training_rows

SIZES = (28, 32, 64, 96)
MEASURED = 256
"""So many training pictures decide size and colour; ordered by digest, they are a random sample."""
MANY = 3000
"""From this many pictures on, 64 × 64 must do: training stays within minutes without an accelerator."""


def prepare(rows: Path, labels: Path | None, out: Path) -> None:
    """Write the training and validation pictures as (rows, size, size, channels) bytes, and `preprocessing.json`."""
    training, validation = training_rows(rows, labels), read(rows, split="validation").sort_by("id")
    size, channels = _choose(training["content"].to_pylist()[:MEASURED], len(training))
    preprocessor = ImagePreprocessor(classes(rows), size, channels)
    save(out, "train", _array(preprocessor, training["content"].to_pylist()), training["label"].to_pylist(), preprocessor.classes)
    save(out, "validation", _array(preprocessor, validation["content"].to_pylist()), validation["label"].to_pylist(), preprocessor.classes)
    write_json(preprocessor.document(), out / "preprocessing.json")


def _choose(pictures: Sequence[bytes], count: int) -> tuple[int, int]:
    """Side and channels: the size next above the median of the shorter sides, colour when any picture has some."""
    # One at a time: so many photographs, decoded, would not fit memory at once.
    seen = [(min(pixels.shape[:2]), _has_colour(pixels)) for pixels in map(decode, pictures)]
    median = float(np.median([side for side, _ in seen])) if seen else SIZES[0]
    largest = 64 if count >= MANY else SIZES[-1]
    size = next((size for size in SIZES if size >= median), SIZES[-1])
    return min(size, largest), 3 if any(colour for _, colour in seen) else 1


def _has_colour(picture: Pixels) -> bool:
    return picture.shape[2] == 3 and bool((picture[..., 1:] != picture[..., :1]).any())


def _array(preprocessor: ImagePreprocessor, contents: Sequence[bytes]) -> Pixels:
    pictures = np.zeros((len(contents), preprocessor.size, preprocessor.size, preprocessor.channels), np.uint8)
    for at, content in enumerate(contents):
        pictures[at] = preprocessor.pixels(content)
    return pictures
