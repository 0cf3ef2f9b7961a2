"""Rows: the one Parquet table that ingestion writes and everything else reads.

Columns: `id` (sha256 of the content), `content` (the encoded picture as bytes, or the text), `label`, and after
`ml.data.splits` also `split`.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

Kind = Literal["image_classification", "text_classification"]
Split = Literal["train", "validation", "test"]


class DataError(Exception):
    """The data cannot be used; the message is complete and meant for people."""


Found = tuple[str, bytes | str | DataError, str]
"""What a reader finds: where, the content or why there is none, the label."""


def schema(kind: Kind) -> pa.Schema:
    """Columns of freshly ingested rows."""
    content = pa.binary() if kind == "image_classification" else pa.string()
    return pa.schema([("id", pa.string()), ("content", content), ("label", pa.string())])


def digest(content: bytes | str) -> str:
    """The id of a row: equal content has equal ids, whatever file it came from."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def read(path: Path, columns: list[str] | None = None, split: Split | None = None) -> pa.Table:
    """The table in `path`, of one split when it is named.

    Raises:
        DataError: when the file is not there or not a Parquet file.
    """
    try:
        return pq.read_table(path, columns=columns, filters=[("split", "=", split)] if split else None)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as rows: {error}. Nothing was written. Make it again by ml.data.ingest.") from None


def kind_of(table: pa.Table) -> Kind:
    """Pictures or text, told by the type of the content."""
    return "image_classification" if pa.types.is_binary(table.schema.field("content").type) else "text_classification"


def write(table: pa.Table, path: Path) -> None:
    """Write the table atomically."""
    with replacing(path) as partial:
        pq.write_table(table, partial)


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write a JSON document atomically."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` (for a file or a folder) that takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        partial = Path(scratch) / path.name
        yield partial
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
