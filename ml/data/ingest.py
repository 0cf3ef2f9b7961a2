"""Any source → rows: a declared data set, a folder of one folder per class, or a CSV file with `text,label`.

What cannot be used is listed with its reason in `rejected.jsonl` and never stops the rest.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from ml.data.rows import DataError, Kind, digest, replacing, schema, write, write_json
from ml.data.sources import DATASETS, fetched
from ml.export.preprocessing import InstanceError, decode

MINIMUM_ROWS_PER_CLASS = 5
"""Below this a class can neither be learnt nor tested."""

Found = tuple[str, bytes | str | DataError, str]
"""Source, content or why there is none, label."""


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
        path = Path(source).expanduser()
        if not path.exists():
            raise DataError(
                f"{source} is neither a declared data set ({', '.join(sorted(DATASETS))}) nor a path that exists. Nothing was read. "
                "Give one of the names, a folder with one folder of pictures per class, or a CSV file with the columns text,label."
            )
        found = _pictures(path) if kind == "image_classification" else _texts(path)
        name = path.resolve().name

    # The ids of declared pictures are enough: their files were checked by digest.
    usable, rejected = _usable(found, verify=dataset is None)
    classes = sorted({label for _, label in usable.values()})
    if len(classes) < 2:
        reasons = Counter(reason for _, reason in rejected).most_common(3)
        raise DataError(
            f"{source} holds {len(classes)} usable class(es), at least two with {MINIMUM_ROWS_PER_CLASS} rows each are needed; otherwise "
            "there is nothing to tell apart. Nothing was written. Add or mend rows. "
            f"Rejected: {'; '.join(f'{count} × {reason}' for reason, count in reasons) or 'nothing'}."
        )
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


def _usable(found: Iterator[Found], verify: bool) -> tuple[dict[str, tuple[bytes | str, str]], list[tuple[str, str]]]:
    """Id → (content, label), and (source, reason) of what was left out."""
    kept: dict[str, tuple[bytes | str, str]] = {}
    origins: dict[str, list[tuple[str, str]]] = {}
    rejected: list[tuple[str, str]] = []
    for source, content, given in found:
        label = given.strip()
        fault = _fault(content, label, verify)
        if fault or isinstance(content, DataError):
            rejected.append((source, fault or str(content)))
            continue
        key = digest(content)
        origins.setdefault(key, []).append((source, label))
        if key not in kept:
            kept[key] = (content, label)
        elif kept[key][1] == label:
            rejected.append((source, f"the same content as {origins[key][0][0]}"))
    for key, copies in origins.items():
        labels = sorted({label for _, label in copies})
        if len(labels) > 1:
            del kept[key]
            rejected += [(source, f"the same content carries different labels: {', '.join(labels)}") for source, _ in copies]
    counts = Counter(label for _, label in kept.values())
    for key in [key for key, (_, label) in kept.items() if counts[label] < MINIMUM_ROWS_PER_CLASS]:
        _, label = kept.pop(key)
        rejected.append(
            (origins[key][0][0], f"the class {label} has {counts[label]} usable rows, at least {MINIMUM_ROWS_PER_CLASS} are needed")
        )
    return kept, rejected


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


def _pictures(folder: Path) -> Iterator[Found]:
    """Every file below `folder/<class>/`; hidden ones are skipped."""
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; pictures come as a folder with one folder per class. Nothing was read. Give that folder.")
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_dir() or any(part.startswith(".") for part in relative.parts):
            continue
        label = relative.parts[0] if len(relative.parts) > 1 else ""
        try:
            yield str(relative), path.read_bytes(), label
        except OSError as error:
            yield str(relative), DataError(f"the file cannot be read: {error.strerror}"), label


def _texts(path: Path) -> Iterator[Found]:
    """The rows of a CSV file in UTF-8 with a header that names `text` and `label`."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; texts come as one CSV file with the columns text,label. Nothing was read. Give that file.")
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 (byte {error.start}): its words would be read wrongly. Nothing was written. Save it as CSV UTF-8, "
            f"or run: iconv -f <its encoding> -t UTF-8 '{path}'"
        ) from None
    csv.field_size_limit(10_000_000)
    header = content.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = {(name or "").strip().lower(): name for name in reader.fieldnames or []}
    except csv.Error as error:
        raise DataError(f"{path}, line 1: {error}. Nothing was written. Put the line text,label on top.") from None
    if not {"text", "label"} <= set(columns):
        raise DataError(
            f"{path} begins with {header[:80]!r}, but a header with the columns text,label is needed to tell them apart. "
            "Nothing was written. Put the line text,label on top."
        )
    try:
        for row in reader:
            # What lies beyond the header stands under None: an unquoted comma would cut the text and shift the label.
            extra = DataError("more columns than the header; put quotes around a text with commas") if None in row else None
            yield f"{path.name}:{reader.line_num}", extra or row[columns["text"]] or "", row[columns["label"]] or ""
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}. Nothing was written. Mend the quotes of that row.") from None
