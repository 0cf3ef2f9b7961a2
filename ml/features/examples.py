"""Examples: which row is in which split under which label, as the warehouse keeps it beside the features."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ml.data.rows import read, write
from ml.features.table import ENTITY, Written, append

if TYPE_CHECKING:
    from google.cloud import bigquery

KEY = ("task", ENTITY)
STAMP = "written_at"


def keep(client: bigquery.Client, table: str, task: str, rows: Path) -> Written:
    """Append the examples of a task that the table does not have as they are.

    The content stays where it is: a row of the table says what is known of it, and its id is the content's digest.

    Args:
        client: BigQuery.
        table: `project.dataset.table` of examples, as Terraform declares it.
        task: name of the task.
        rows: rows with their splits.
    """
    known = read(rows, columns=["id", "label", "split"])
    named = pa.table(
        {"task": pa.array([task] * len(known), pa.string()), ENTITY: known["id"], "label": known["label"], "split": known["split"]}
    )
    with tempfile.TemporaryDirectory(prefix="examples-") as folder:
        write(named, Path(folder) / "examples.parquet")
        return append(client, table, Path(folder) / "examples.parquet", KEY, STAMP)
