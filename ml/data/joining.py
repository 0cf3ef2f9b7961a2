"""New labelled rows beside the frozen ones: what a challenger learns from, and what both models are compared on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from ml.data.rows import DataError, digest, kind_of, read, write, write_json
from ml.data.splits import by_digest


@dataclass(frozen=True)
class Joined:
    """What was joined, as written to `joined.json`."""

    frozen: int
    new: int
    counts: dict[str, int]
    """Of the new rows, by split."""
    left_out: int
    """New rows that are a row that was there before, or a copy of each other."""
    corrected: int
    """Rows that were there before, not of the test split, whose label somebody has put right since."""


def join(rows: Path, labelled: Sequence[Path], known: Mapping[str, str], out: Path) -> Joined:
    """Write `rows.parquet` with all rows and a column `new`, and `joined.json`, into `out`.

    Rows that were there keep their split: a frozen test row that comes back labelled never enters training. They keep their label too,
    unless another one is known and they are not test rows, on which models are compared and which stay frozen. A new row's split
    follows from its content alone, as theirs did.

    Args:
        rows: rows with `split`, as `ml.data.splits` wrote them.
        labelled: tables with `id`, `content` and `label`.
        known: id → label as the features had it at the moment that counts; an id that is not in it keeps its label.
        out: folder to write into.

    Raises:
        DataError: when a table is not readable, holds another kind of content, or nothing in them is new.
    """
    before, corrected = _corrected(read(rows, columns=["id", "content", "label", "split"]), known)
    seen = set(before["id"].to_pylist())
    found: dict[str, tuple[bytes | str, str]] = {}
    given = 0
    for path in labelled:
        table = read(path, columns=["content", "label"])
        if kind_of(table) != kind_of(before):
            raise DataError(
                f"{path} holds rows for {kind_of(table)}, the frozen rows are for {kind_of(before)}. Nothing was joined. "
                "Give labelled rows of the same task."
            )
        for content, label in zip(table["content"].to_pylist(), table["label"].to_pylist(), strict=True):
            given += 1
            # The id is computed and not read: by a wrong one, a frozen test row could come in as a training row.
            if label and content and (key := digest(content)) not in seen:
                found.setdefault(key, (content, label))
    if not found:
        raise DataError(
            f"none of {given} labelled rows is new: a challenger would learn nothing that the champion has not seen. Nothing was joined. "
            "Label rows that came in since, and start again."
        )
    keys = sorted(found)
    splits = [by_digest(key) for key in keys]
    new = pa.table(
        {"id": keys, "content": [found[key][0] for key in keys], "label": [found[key][1] for key in keys], "split": splits},
        schema=before.schema,
    )
    column = pa.array([False] * len(before) + [True] * len(new))
    write(pa.concat_tables([before, new]).append_column("new", column).sort_by("id"), out / "rows.parquet")
    joined = Joined(
        frozen=len(before),
        new=len(new),
        counts={part: splits.count(part) for part in ("train", "validation", "test")},
        left_out=given - len(new),
        corrected=corrected,
    )
    write_json(asdict(joined), out / "joined.json")
    return joined


def _corrected(rows: pa.Table, known: Mapping[str, str]) -> tuple[pa.Table, int]:
    """The rows with the labels that are known of them, and how many that changes."""
    given = rows["label"].to_pylist()
    labels = [
        label if split == "test" else known.get(key, label)
        for key, label, split in zip(rows["id"].to_pylist(), given, rows["split"].to_pylist(), strict=True)
    ]
    column = rows.schema.get_field_index("label")
    changed = sum(one != other for one, other in zip(labels, given, strict=True))
    return rows.set_column(column, rows.schema.field(column), pa.array(labels, pa.string())), changed
