"""Features as they were known at a moment, so that training never sees what came later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ml.data.rows import DataError
from ml.features.table import ENTITY, TIMESTAMP

if TYPE_CHECKING:
    import pyarrow as pa
    from google.cloud import bigquery

AT_MOST = 20_000
"""Pairs in one query: they travel in its request, which BigQuery limits to 10 MB."""


def as_of(client: bigquery.Client, table: str, wanted: Sequence[tuple[str, datetime]]) -> pa.Table:
    """The newest features of each entity that were written at or before a moment.

    Args:
        client: BigQuery.
        table: `project.dataset.table` of the task's features.
        wanted: Pairs of entity and moment; an entity may be asked for at several.

    Returns:
        One row a distinct pair: `entity_id`, `at`, `feature_timestamp` and the features, which are null (an embedding: empty)
        where the entity had none by then.

    Raises:
        DataError: when a moment has no time zone.
    """
    import pyarrow as pa

    if naive := [entity for entity, at in wanted if at.tzinfo is None]:
        raise DataError(
            f"the moment of {naive[0]} ({len(naive)} in all) has no time zone, so features from hours later could leak into training. "
            "Nothing was read. Give the zone: datetime(…, tzinfo=UTC)."
        )
    return pa.concat_tables(_read(client, table, wanted[at : at + AT_MOST]) for at in range(0, max(len(wanted), 1), AT_MOST))


def labels(client: bigquery.Client, table: str, at: datetime) -> dict[str, str]:
    """Entity → its label as it was known at a moment; entities that had none by then are not in it.

    Args:
        client: BigQuery.
        table: `project.dataset.table` of the task's features.
        at: The moment, with a time zone.
    """
    from google.cloud import bigquery

    statement = f"""
        SELECT {ENTITY}, label FROM `{table}` WHERE {TIMESTAMP} <= @at AND label IS NOT NULL
        QUALIFY ROW_NUMBER() OVER (PARTITION BY {ENTITY} ORDER BY {TIMESTAMP} DESC) = 1
    """
    moment = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("at", "TIMESTAMP", at)])
    return {row[ENTITY]: row["label"] for row in client.query(statement, job_config=moment).result()}


def _read(client: bigquery.Client, table: str, wanted: Sequence[tuple[str, datetime]]) -> pa.Table:
    from google.cloud import bigquery
    from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter, ScalarQueryParameterType, StructQueryParameter

    pair = bigquery.StructQueryParameterType(
        ScalarQueryParameterType("STRING", name="entity_id"), ScalarQueryParameterType("TIMESTAMP", name="at")
    )
    pairs = [
        StructQueryParameter(None, ScalarQueryParameter("entity_id", "STRING", entity), ScalarQueryParameter("at", "TIMESTAMP", at))
        for entity, at in wanted
    ]
    parameters = [
        ArrayQueryParameter("wanted", pair, pairs),
        # Said once more as a constant, so that BigQuery reads no partition that came later.
        ScalarQueryParameter("latest", "TIMESTAMP", max((at for _, at in wanted), default=None)),
    ]
    statement = f"""
        SELECT pair.entity_id, pair.at, known.* EXCEPT ({ENTITY})
        FROM UNNEST(@wanted) AS pair
        LEFT JOIN (SELECT * FROM `{table}` WHERE {TIMESTAMP} <= @latest) AS known
        ON known.{ENTITY} = pair.entity_id AND known.{TIMESTAMP} <= pair.at
        WHERE TRUE
        QUALIFY ROW_NUMBER() OVER (PARTITION BY pair.entity_id, pair.at ORDER BY known.{TIMESTAMP} DESC) = 1
    """
    answer = client.query(statement, job_config=bigquery.QueryJobConfig(query_parameters=parameters)).result()
    # Without the Storage Read API, which asks for a permission of its own and pays only for far larger answers.
    return answer.to_arrow(create_bqstorage_client=False)
