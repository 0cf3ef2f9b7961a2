"""Rows → a BigQuery table, where only what has changed is appended: features, and whatever else has a key and a time stamp."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud import bigquery

ENTITY = "entity_id"
TIMESTAMP = "feature_timestamp"
KEPT_HOURS = 24
"""How long a table of incoming rows is left behind by a process that was killed."""


@dataclass(frozen=True)
class Written:
    """What a write came to."""

    rows: int
    """Appended; 0 when the table held them all as its newest."""
    entities: int
    """In the table."""
    newest: datetime
    """Time stamp of the newest row of the table."""
    changed: datetime
    """When the table was last changed; a reader that began later has seen every row."""


def append(client: bigquery.Client, table: str, source: str | Path, key: Sequence[str] = (ENTITY,), stamp: str = TIMESTAMP) -> Written:
    """Append the rows of a Parquet file whose key has none yet, or another one as its newest.

    The file is loaded beside the table and appended by one statement, so that a write is there whole or not at all, and one
    that is done again adds nothing. Their time stamp is BigQuery's, of the start of that statement: nobody has read them before.

    Args:
        client: BigQuery.
        table: `project.dataset.table`, as Terraform declares it; its columns are the ones that are read from the file.
        source: the file: its `gs://` address, or where it is on this machine.
        key: columns that tell one thing from another; the entity is one of them.
        stamp: column of the time stamp, which the file does not have.
    """
    from google.cloud import bigquery

    columns = [field for field in client.get_table(table).schema if field.name != stamp]
    incoming = bigquery.Table(f"{table}_incoming_{hashlib.sha256(str(source).encode()).hexdigest()[:12]}", schema=columns)
    incoming.expires = datetime.now(UTC) + timedelta(hours=KEPT_HOURS)
    client.create_table(incoming, exists_ok=True)
    try:
        lists = bigquery.ParquetOptions()
        lists.enable_list_inference = True
        settings = bigquery.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_TRUNCATE", schema=columns)
        settings.parquet_options = lists
        if isinstance(source, Path):
            with source.open("rb") as file:
                client.load_table_from_file(file, incoming.reference, job_config=settings).result()
        else:
            client.load_table_from_uri(source, incoming.reference, job_config=settings).result()
        added = client.query(_statement(table, str(incoming.reference), columns, key, stamp))
        added.result()
    finally:
        client.delete_table(incoming, not_found_ok=True)
    [known] = client.query(f"SELECT COUNT(DISTINCT {ENTITY}) AS entities, MAX({stamp}) AS newest FROM `{table}`").result()
    return Written(int(added.num_dml_affected_rows or 0), known.entities, known.newest, client.get_table(table).modified)


def _statement(table: str, incoming: str, columns: list[bigquery.SchemaField], key: Sequence[str], stamp: str) -> str:
    """The statement that appends, made of the names of declared columns; data never becomes part of it."""
    names = [column.name for column in columns]
    # Arrays cannot be compared, and an embedding follows from its entity and its model.
    compared = [column.name for column in columns if column.mode != "REPEATED" and column.name not in key]
    changed = " OR ".join([f"newest.{key[0]} IS NULL", *(f"newest.{name} IS DISTINCT FROM incoming.{name}" for name in compared)])
    return f"""
        INSERT INTO `{table}` ({", ".join(names)}, {stamp})
        SELECT {", ".join(f"incoming.{name}" for name in names)}, CURRENT_TIMESTAMP()
        FROM `{incoming}` AS incoming
        LEFT JOIN (
            SELECT {", ".join([*key, *compared])}
            FROM `{table}`
            WHERE TRUE
            QUALIFY ROW_NUMBER() OVER (PARTITION BY {", ".join(key)} ORDER BY {stamp} DESC) = 1
        ) AS newest ON {" AND ".join(f"newest.{name} = incoming.{name}" for name in key)}
        WHERE {changed}
    """
