"""Rows → arrays of token ids, with a vocabulary from the training texts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml.data.rows import read, write_json
from ml.export.preprocessing import TextPreprocessor, pairs, tokens
from ml.training.examples import classes, save, training_rows

VOCABULARY = 20_000
LENGTHS = (8, 200)
"""Words of a text that are seen: nearly all texts whole, within these bounds."""
WHOLE = 99
"""Percent of the training texts that are seen whole."""


def prepare(rows: Path, labels: Path | None, out: Path) -> None:
    """Write the training and validation texts as (rows, 2 × length) token ids, and `preprocessing.json`."""
    training, validation = training_rows(rows, labels), read(rows, split="validation").sort_by("id")
    vocabulary, length = _learn(training["content"].to_pylist())
    preprocessor = TextPreprocessor(classes(rows), vocabulary, length)
    save(out, "train", preprocessor.batch(training["content"].to_pylist()), training["label"].to_pylist(), preprocessor.classes)
    save(out, "validation", preprocessor.batch(validation["content"].to_pylist()), validation["label"].to_pylist(), preprocessor.classes)
    write_json(preprocessor.document(), out / "preprocessing.json")


def _learn(texts: Sequence[str]) -> tuple[list[str], int]:
    """Words and pairs that occur in at least two texts, the most frequent first, and how many words of a text to see."""
    frequency: Counter[str] = Counter()
    lengths = []
    for text in texts:
        words = tokens(text)
        lengths.append(len(words))
        frequency.update({*words, *pairs(words)})
    ordered = sorted((entry for entry, count in frequency.items() if count > 1), key=lambda entry: (-frequency[entry], entry))
    length = int(np.clip(np.percentile(lengths or [0], WHOLE), *LENGTHS))
    return ordered[:VOCABULARY], length
