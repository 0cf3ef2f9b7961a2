"""Which rows train, validate and test: frozen by the digest of their content.

A row's split follows from its id alone, so it never moves when rows are added: what a champion was tested on stays unseen
by its challengers. Only where a class would be left without a row to test or to train on does a neighbour by digest move.
"""

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from ml.data.rows import DataError, Split, read, write, write_json

TEST, VALIDATION = 0.20, 0.05


@dataclass(frozen=True)
class Splits:
    """What was split, as written to `splits.json`."""

    digest: str
    """Of all ids, labels and splits."""
    frozen: str
    """Of the test rows alone: two models may be compared when theirs are equal."""
    counts: dict[Split, int]
    classes: list[str]
    majority: str
    """The most frequent class of the training rows: what a model must beat."""


def split(rows: Path, out: Path) -> Splits:
    """Write `rows.parquet` with a column `split`, and `splits.json`, into `out`.

    Raises:
        DataError: when the rows are not readable or hold fewer than two classes.
    """
    table = read(rows, columns=["id", "content", "label"]).sort_by("id")
    ids, labels = table["id"].to_pylist(), table["label"].to_pylist()
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"{rows} holds {len(classes)} class(es): there is nothing to tell apart. Add rows of at least two classes.")
    assigned = _assign(ids, labels)
    write(table.append_column("split", pa.array(assigned, pa.string())), out / "rows.parquet")

    lines = [f"{key} {label} {part}\n" for key, label, part in zip(ids, labels, assigned, strict=True)]
    counts = Counter(assigned)
    training = Counter(label for label, part in zip(labels, assigned, strict=True) if part == "train")
    splits = Splits(
        digest=_digest(lines),
        frozen=_digest([line for line in lines if line.endswith(" test\n")]),
        counts={part: counts[part] for part in ("train", "validation", "test")},
        classes=classes,
        majority=min(training, key=lambda label: (-training[label], label)),
    )
    write_json(asdict(splits), out / "splits.json")
    return splits


def _assign(ids: list[str], labels: list[str]) -> list[Split]:
    """The split of each row; ids are sorted."""
    parts: list[Split] = [by_digest(key) for key in ids]
    members: dict[str, list[int]] = {}
    for at, label in enumerate(labels):
        members.setdefault(label, []).append(at)
    for rows in members.values():
        # The lowest digests are the first to test, the highest the first to train.
        if all(parts[at] != "test" for at in rows):
            parts[rows[0]] = "test"
        if all(parts[at] != "train" for at in rows):
            parts[rows[-1]] = "train"
    return parts


def by_digest(key: str) -> Split:
    """The split of a row, by its id alone."""
    position = int(key[:8], 16) / 2**32
    return "test" if position < TEST else "validation" if position < TEST + VALIDATION else "train"


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()
