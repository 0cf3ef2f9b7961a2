"""Rows → examples to learn from, and the arrays that lie between preprocessing and training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.data.rows import DataError, Split, read, replacing


@dataclass(frozen=True)
class Examples:
    """Model inputs and class numbers of one split, in the order of the rows' digests."""

    x: npt.NDArray[Any]
    """(rows, …): bytes of pictures or token ids."""
    y: npt.NDArray[np.int32]
    """(rows,): positions in the list of classes."""

    def __len__(self) -> int:
        return len(self.y)

    def first(self, limit: int) -> Examples:
        """At most `limit` examples, as evenly over the classes as they allow."""
        rank = np.zeros(len(self), np.int64)
        for label in np.unique(self.y):
            members = np.flatnonzero(self.y == label)
            rank[members] = np.arange(len(members))
        chosen = np.sort(np.argsort(rank, kind="stable")[:limit])
        return Examples(self.x[chosen], self.y[chosen])


def classes(rows: Path) -> list[str]:
    """All labels that occur in the rows, sorted."""
    return sorted(set(read(rows, columns=["label"])["label"].to_pylist()))


def training_rows(rows: Path, labels: Path | None) -> pa.Table:
    """The training rows with the labels that training may see.

    The slice that Gemini was asked about counts as unlabelled: its accepted labels take the place of the truth, and where
    it abstained the row is left out.
    """
    table = read(rows, split="train").sort_by("id")
    if labels is None:
        return table
    answers = {row["id"]: row["label"] if row["accepted"] else None for row in read(labels).to_pylist()}
    given = [answers.get(key, truth) for key, truth in zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True)]
    at = table.schema.get_field_index("label")
    return table.set_column(at, "label", pa.array(given, pa.string())).filter(pa.array([label is not None for label in given]))


def save(folder: Path, split: Split, x: npt.NDArray[Any], labels: Sequence[str], known: Sequence[str]) -> None:
    """Keep one split's arrays in `folder`."""
    number = {label: at for at, label in enumerate(known)}
    for name, array in (("x", x), ("y", np.array([number[label] for label in labels], np.int32))):
        with replacing(folder / f"{split}_{name}.npy") as partial:
            np.save(partial, array)


def load(folder: Path, split: Split) -> Examples:
    """The arrays of one split.

    Raises:
        DataError: when they are not there.
    """
    try:
        return Examples(np.load(folder / f"{split}_x.npy"), np.load(folder / f"{split}_y.npy"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} holds no prepared {split} examples ({error}). Nothing was trained. Run the task's preprocess first."
        ) from None
