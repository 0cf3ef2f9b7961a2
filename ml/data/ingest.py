"""Any source → rows: a declared data set, a folder of one folder per class, or a CSV file with `text,label`.

What cannot be used is listed with its reason in `rejected.jsonl` and never stops the rest.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from ml.data.files import shown
from ml.data.folders import pictures
from ml.data.rows import DataError, Found, Kind, digest, replacing, schema, write, write_json
from ml.data.sources import DATASETS, fetched
from ml.data.tables import texts
from ml.export.pictures import InstanceError, decode

MINIMUM_ROWS_PER_CLASS = 5
"""Below this a class can neither be learnt nor tested."""

MAX_CONTENT = 2**30
"""Bytes of all rows together: they are held in memory, and one column of a table takes 2 GiB."""
NAMED = 5
"""So many labels are named in a message."""


@dataclass(frozen=True)
class Ingested:
    """What became of a source, as written to `dataset.json`."""

    dataset: str
    kind: Kind
    rows: int
    rejected: int
    classes: list[str]
    digest: str
    """Of all ids and labels: equal digests mean equal data."""
    declared: bool
    """Whether this is a declared public data set, for which absolute accuracies are promised."""


def ingest(source: str, kind: Kind, out: Path, cache: Path, report: Callable[[str], None] = print) -> Ingested:
    """Write `rows.parquet`, `rejected.jsonl` and `dataset.json` into `out`.

    Args:
        source: Name of a declared data set, or a path.
        kind: What the rows must be.
        out: Folder to write into.
        cache: Where fetched data sets are kept.
        report: Told about progress.

    Raises:
        DataError: when the source is not there, cannot be fetched, is of another kind, or holds fewer than two classes
            with enough usable rows.
    """
    dataset = DATASETS.get(source)
    found: Iterator[Found]
    if dataset:
        if dataset.kind != kind:
            raise DataError(f"{source} is for {dataset.kind}, not {kind}. Nothing was read. Name a data set of this kind.")
        found = dataset.rows(fetched(dataset, cache, report))
        name = dataset.name
    else:
        path = Path(os.path.expanduser(source))
        if not path.exists():
            raise DataError(
                f"{source} is neither a declared data set ({', '.join(sorted(DATASETS))}) nor a path that exists. Nothing was read. "
                "Give one of the names, a folder with one folder of pictures per class, or a CSV file with the columns text,label."
            )
        found = pictures(path) if kind == "image_classification" else texts(path)
        name = shown(path.resolve().name)

    # The ids of declared pictures are enough: their files were checked by digest.
    usable, rejected, labels = _usable(found, verify=dataset is None)
    classes = sorted({label for _, label in usable.values()})
    lost = sorted(set(labels) - set(classes))
    if len(classes) < 2:
        reasons = Counter(reason for _, reason in rejected).most_common(3)
        raise DataError(
            f"{source} holds {len(classes)} usable class(es), at least two with {MINIMUM_ROWS_PER_CLASS} rows each are needed; otherwise "
            f"there is nothing to tell apart. Nothing was written. Add or mend rows. Labels found: {_named(labels, [*classes, *lost])}. "
            f"Rejected: {'; '.join(f'{count} × {reason}' for reason, count in reasons) or 'nothing'}."
        )
    if lost:
        report(f"left out, with fewer than {MINIMUM_ROWS_PER_CLASS} usable rows: {_named(labels, lost)}")
    keys = sorted(usable)
    table = pa.Table.from_arrays(
        [
            pa.array(keys, pa.string()),
            pa.array([usable[key][0] for key in keys], schema(kind).field("content").type),
            pa.array([usable[key][1] for key in keys], pa.string()),
        ],
        schema=schema(kind),
    )
    write(table, out / "rows.parquet")
    with replacing(out / "rejected.jsonl") as partial:
        lines = [json.dumps({"source": where, "reason": reason}, ensure_ascii=False) + "\n" for where, reason in rejected]
        partial.write_text("".join(lines), encoding="utf-8")
    ingested = Ingested(
        dataset=name,
        kind=kind,
        rows=len(keys),
        rejected=len(rejected),
        classes=classes,
        digest=hashlib.sha256("".join(f"{key} {usable[key][1]}\n" for key in keys).encode()).hexdigest(),
        declared=dataset is not None,
    )
    write_json(asdict(ingested), out / "dataset.json")
    return ingested


def _usable(found: Iterator[Found], verify: bool) -> tuple[dict[str, tuple[bytes | str, str]], list[tuple[str, str]], Mapping[str, int]]:
    """Id → (content, label), (source, reason) of what was left out, and how many usable rows each label has."""
    kept: dict[str, tuple[bytes | str, str]] = {}
    origins: dict[str, list[tuple[str, str]]] = {}
    rejected: list[tuple[str, str]] = []
    counts: Counter[str] = Counter()
    size = 0
    for source, content, given in found:
        label = given.strip()
        if label:
            counts[label] += 0
        fault = _fault(content, label, verify)
        if fault or isinstance(content, DataError):
            rejected.append((source, fault or str(content)))
            continue
        key = digest(content)
        origins.setdefault(key, []).append((source, label))
        if key not in kept:
            kept[key] = (content, label)
            size += len(content)
            if size > MAX_CONTENT:
                raise DataError(
                    f"the rows up to {source} hold more than {MAX_CONTENT >> 30} GiB, which would not fit the memory of the steps to come. "
                    "Nothing was written. Give fewer rows, or smaller pictures: at most 96 pixels along a side are seen."
                )
        elif kept[key][1] == label:
            rejected.append((source, f"the same content as {origins[key][0][0]}"))
    for key, copies in origins.items():
        labels = sorted({label for _, label in copies})
        if len(labels) > 1:
            del kept[key]
            rejected += [(source, f"the same content carries different labels: {', '.join(labels)}") for source, _ in copies]
    counts.update(label for _, label in kept.values())
    for key in [key for key, (_, label) in kept.items() if counts[label] < MINIMUM_ROWS_PER_CLASS]:
        _, label = kept.pop(key)
        rejected.append(
            (origins[key][0][0], f"the class {label} has {counts[label]} usable rows, at least {MINIMUM_ROWS_PER_CLASS} are needed")
        )
    return kept, rejected, counts


def _named(rows: Mapping[str, int], labels: Sequence[str]) -> str:
    """The first labels, with the number of their usable rows."""
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return ", ".join(f"{label} ({rows[label]})" for label in labels[:NAMED]) + more or "none"


def _fault(content: bytes | str | DataError, label: str, verify: bool) -> str | None:
    if isinstance(content, DataError):
        return str(content)
    if not label:
        return "no label"
    if isinstance(content, str):
        return None if content.strip() else "an empty text"
    if verify:
        try:
            decode(content)
        except InstanceError as error:
            return str(error)
    return None
