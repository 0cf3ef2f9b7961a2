"""BigQuery, by `google-cloud-bigquery`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls


@pytest.fixture(scope="module")
def dataset(place: Place) -> Iterator[str]:
    """`project.dataset` of a dataset that belongs to this run."""
    from google.cloud import bigquery

    client = bigquery.Client(location=place.region)
    made = bigquery.Dataset(f"{place.project}.{place.identifier('bq')}")
    made.labels = dict(place.labels)
    client.create_dataset(made)
    yield f"{place.project}.{made.dataset_id}"
    client.delete_dataset(made, delete_contents=True)


@pytest.fixture
def client(place: Place) -> Any:
    from google.cloud import bigquery

    return bigquery.Client(location=place.region)


def rows(client: Any, sql: str, **options: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in client.query_and_wait(sql, **options)]


@calls("bigquery.tables.insert", "bigquery.tables.get", "bigquery.tables.patch", "bigquery.tables.list", "bigquery.tables.delete")
def test_a_table_is_described_and_changed(client: Any, dataset: str) -> None:
    """A table's schema is what was given; an update changes the fields that are named alone.

    https://cloud.google.com/bigquery/docs/managing-tables
    """
    from google.api_core import exceptions
    from google.cloud import bigquery

    schema = [
        bigquery.SchemaField("id", "INTEGER", mode="REQUIRED"),
        bigquery.SchemaField("labels", "STRING", mode="REPEATED"),
        bigquery.SchemaField("box", "RECORD", fields=[bigquery.SchemaField("x", "FLOAT")]),
    ]
    client.create_table(bigquery.Table(f"{dataset}.described", schema=schema))
    with pytest.raises(exceptions.Conflict):
        client.create_table(bigquery.Table(f"{dataset}.described", schema=schema))
    table = client.get_table(f"{dataset}.described")
    assert [(field.name, field.field_type, field.mode) for field in table.schema] == [
        ("id", "INTEGER", "REQUIRED"), ("labels", "STRING", "REPEATED"), ("box", "RECORD", "NULLABLE"),
    ]  # fmt: skip
    table.description, table.labels = "examples", {"task": "vision"}
    client.update_table(table, ["description", "labels"])
    changed = client.get_table(table)
    assert (changed.description, changed.labels, len(changed.schema)) == ("examples", {"task": "vision"}, 3)
    assert "described" in [found.table_id for found in client.list_tables(dataset)]
    client.delete_table(table)
    with pytest.raises(exceptions.NotFound):
        client.get_table(table)


@calls("bigquery.jobs.insert", "bigquery.tabledata.list")
def test_rows_are_loaded_from_json_a_file_a_frame_and_a_bucket(client: Any, dataset: str, bucket: Any) -> None:
    """https://cloud.google.com/bigquery/docs/loading-data"""
    import pandas as pd
    from google.cloud import bigquery

    table = f"{dataset}.loaded"
    schema = [bigquery.SchemaField("id", "INTEGER"), bigquery.SchemaField("kind", "STRING")]
    job = client.load_table_from_json([{"id": 1, "kind": "json"}], table, job_config=bigquery.LoadJobConfig(schema=schema))
    assert (job.result().state, job.output_rows) == ("DONE", 1)
    config = bigquery.LoadJobConfig(source_format="CSV", skip_leading_rows=1)
    client.load_table_from_file(io.BytesIO(b"id,kind\n2,csv\n"), table, job_config=config).result()
    client.load_table_from_dataframe(pd.DataFrame({"id": [3], "kind": ["frame"]}), table).result()
    bucket.blob("bigquery/rows.jsonl").upload_from_string("\n".join(json.dumps({"id": n, "kind": "uri"}) for n in (4, 5)))
    config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
    client.load_table_from_uri(f"gs://{bucket.name}/bigquery/rows.jsonl", table, job_config=config).result()
    assert sorted(tuple(row.values()) for row in client.list_rows(table)) == [
        (1, "json"), (2, "csv"), (3, "frame"), (4, "uri"), (5, "uri"),
    ]  # fmt: skip


@calls("bigquery.jobs.insert")
def test_a_load_that_finds_a_bad_row_fails_whole(client: Any, dataset: str) -> None:
    """`maxBadRecords` is 0: a job fails with reason `invalid`, and its table is as before.

    https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json#troubleshoot
    """
    from google.api_core import exceptions
    from google.cloud import bigquery

    table = f"{dataset}.whole"
    config = bigquery.LoadJobConfig(schema=[bigquery.SchemaField("id", "INTEGER")])
    client.load_table_from_json([{"id": 1}], table, job_config=config).result()
    with pytest.raises(exceptions.BadRequest):
        client.load_table_from_json([{"id": 2}, {"id": "no number"}], table, job_config=config).result()
    assert rows(client, f"SELECT id FROM `{table}`") == [(1,)]


@calls("bigquery.jobs.query")
def test_parameters_are_values_of_their_type(client: Any) -> None:
    """https://cloud.google.com/bigquery/docs/parameterized-queries"""
    from google.cloud import bigquery

    moment = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("n", "INT64", 5),
            bigquery.ScalarQueryParameter("at", "TIMESTAMP", moment),
            bigquery.ArrayQueryParameter("kinds", "STRING", ["a", "b"]),
            bigquery.ScalarQueryParameter("x", "FLOAT64", 0.5),
            bigquery.StructQueryParameter("box", bigquery.ScalarQueryParameter("side", "FLOAT64", 2.5)),
        ]
    )
    sql = "SELECT @n + 1, @at, ARRAY_LENGTH(@kinds), @x, @box.side, 'a' IN UNNEST(@kinds)"
    assert rows(client, sql, job_config=config) == [(6, moment, 2, 0.5, 2.5, True)]


@calls("bigquery.tabledata.insertAll", "bigquery.jobs.query")
def test_streamed_rows_are_there_at_once_and_faulty_ones_are_named(client: Any, dataset: str) -> None:
    """The answer lists errors by the row's index; rows beside an invalid one are stopped.

    https://cloud.google.com/bigquery/docs/streaming-data-into-bigquery
    """
    from google.cloud import bigquery

    table = client.create_table(bigquery.Table(f"{dataset}.streamed", schema=[bigquery.SchemaField("id", "INTEGER")]))
    assert client.insert_rows_json(table, [{"id": 1}, {"id": 2}]) == []
    assert rows(client, f"SELECT SUM(id) FROM `{dataset}.streamed`") == [(3,)]
    errors = client.insert_rows_json(table, [{"id": 3}, {"id": "x"}])
    assert {error["index"]: error["errors"][0]["reason"] for error in errors} == {0: "stopped", 1: "invalid"}


@calls("bigquery.jobs.insert", "bigquery.jobs.get", "bigquery.jobs.getQueryResults")
def test_a_query_is_a_job_with_statistics_and_a_destination(client: Any, dataset: str) -> None:
    """https://cloud.google.com/bigquery/docs/writing-results, https://cloud.google.com/bigquery/docs/reference/rest/v2/Job"""
    from google.cloud import bigquery

    config = bigquery.QueryJobConfig(destination=f"{dataset}.result", write_disposition="WRITE_TRUNCATE", labels={"task": "nlp"})
    job = client.query("SELECT n, n * n AS square FROM UNNEST(GENERATE_ARRAY(1, 3)) AS n", job_config=config)
    assert [tuple(row.values()) for row in job.result()] == [(1, 1), (2, 4), (3, 9)]
    found = client.get_job(job.job_id, location=job.location)
    assert (found.state, found.statement_type, found.labels["task"], found.error_result) == ("DONE", "SELECT", "nlp", None)
    assert client.get_table(f"{dataset}.result").num_rows == 3


@calls("bigquery.jobs.insert")
def test_a_dry_run_runs_nothing(client: Any, dataset: str) -> None:
    """A dry run is a job that is never there; it tells the bytes that the query would read.

    https://cloud.google.com/bigquery/docs/running-queries#dry-run
    """
    from google.cloud import bigquery

    client.query_and_wait(f"CREATE OR REPLACE TABLE `{dataset}.dry` AS SELECT 1 AS id")
    job = client.query(f"SELECT id FROM `{dataset}.dry`", job_config=bigquery.QueryJobConfig(dry_run=True))
    assert (job.state, job.total_bytes_processed) == ("DONE", 8)
    client.query(f"DELETE FROM `{dataset}.dry` WHERE TRUE", job_config=bigquery.QueryJobConfig(dry_run=True))
    assert rows(client, f"SELECT COUNT(*) FROM `{dataset}.dry`") == [(1,)]


@calls("bigquery.jobs.query")
def test_statements_change_rows_and_tell_how_many(client: Any, dataset: str) -> None:
    """https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax"""
    client.query_and_wait(f"CREATE OR REPLACE TABLE `{dataset}.changed` (id INT64, kind STRING)")
    assert client.query_and_wait(f"INSERT `{dataset}.changed` (id, kind) VALUES (1, 'a'), (2, 'b'), (3, 'b')").num_dml_affected_rows == 3
    assert client.query_and_wait(f"UPDATE `{dataset}.changed` SET kind = 'c' WHERE kind = 'b'").num_dml_affected_rows == 2
    merge = f"""
        MERGE `{dataset}.changed` AS old USING (SELECT 3 AS id, 'd' AS kind UNION ALL SELECT 4, 'd') AS new ON old.id = new.id
        WHEN MATCHED THEN UPDATE SET kind = new.kind WHEN NOT MATCHED THEN INSERT ROW
    """
    client.query_and_wait(merge)
    assert rows(client, f"SELECT id, kind FROM `{dataset}.changed` ORDER BY id") == [(1, "a"), (2, "c"), (3, "d"), (4, "d")]


@calls("bigquery.jobs.insert")
def test_tables_are_copied_and_extracted(client: Any, dataset: str, bucket: Any) -> None:
    """https://cloud.google.com/bigquery/docs/managing-tables#copy-table, https://cloud.google.com/bigquery/docs/exporting-data"""
    from google.cloud import bigquery

    client.query_and_wait(f"CREATE OR REPLACE TABLE `{dataset}.original` AS SELECT 1 AS id, 'a' AS kind")
    client.copy_table(f"{dataset}.original", f"{dataset}.copied").result()
    assert rows(client, f"SELECT * FROM `{dataset}.copied`") == [(1, "a")]
    target = f"gs://{bucket.name}/bigquery/out-*.csv"
    client.extract_table(f"{dataset}.copied", target, job_config=bigquery.ExtractJobConfig(destination_format="CSV")).result()
    assert bucket.blob("bigquery/out-000000000000.csv").download_as_text() == "id,kind\n1,a\n"


@calls("bigquery.tables.insert", "bigquery.jobs.query")
def test_a_view_is_its_query(client: Any, dataset: str) -> None:
    """https://cloud.google.com/bigquery/docs/views"""
    from google.cloud import bigquery

    client.query_and_wait(f"CREATE OR REPLACE TABLE `{dataset}.base` AS SELECT n FROM UNNEST([1, 2, 3]) AS n")
    view = bigquery.Table(f"{dataset}.odd")
    view.view_query = f"SELECT n FROM `{dataset}.base` WHERE MOD(n, 2) = 1"
    assert client.create_table(view).table_type == "VIEW"
    client.query_and_wait(f"INSERT `{dataset}.base` VALUES (5)")
    assert rows(client, f"SELECT n FROM `{dataset}.odd` ORDER BY n") == [(1,), (3,), (5,)]


@calls("bigquery.jobs.query", "bigquery.tabledata.list")
def test_rows_come_as_arrow(client: Any, dataset: str) -> None:
    """https://cloud.google.com/python/docs/reference/bigquery/latest/google.cloud.bigquery.table.RowIterator"""
    client.query_and_wait(f"CREATE OR REPLACE TABLE `{dataset}.arrow` AS SELECT n AS id, [n, n] AS pair FROM UNNEST([1, 2]) AS n")
    table = client.list_rows(f"{dataset}.arrow").to_arrow(create_bqstorage_client=False)
    assert [str(field.type) for field in table.schema] == ["int64", "list<item: int64>"]
    assert sorted(table.to_pylist(), key=lambda row: row["id"]) == [{"id": 1, "pair": [1, 1]}, {"id": 2, "pair": [2, 2]}]


@calls("bigquery.jobs.query")
def test_a_fault_in_a_query_is_a_bad_request(client: Any) -> None:
    """Reason `invalidQuery` with the place of the fault.

    https://cloud.google.com/bigquery/docs/error-messages
    """
    from google.api_core import exceptions

    with pytest.raises(exceptions.BadRequest) as caught:
        client.query_and_wait("SELECT nothing FROM UNNEST([1]) AS n")
    assert caught.value.errors[0]["reason"] == "invalidQuery"


@calls("bigquery.jobs.list", "bigquery.jobs.cancel", "bigquery.jobs.delete", "bigquery.projects.getServiceAccount")
def test_jobs_are_listed_cancelled_and_forgotten(place: Place, client: Any) -> None:
    """A job that has ended stays as it is when it is cancelled.

    https://cloud.google.com/bigquery/docs/managing-jobs
    """
    from google.api_core import exceptions

    job = client.query("SELECT 1", job_id=place.name("listed"))
    job.result()
    assert place.name("listed") in [found.job_id for found in client.list_jobs(max_results=50)]
    assert client.cancel_job(job.job_id, location=job.location).state == "DONE"
    client.delete_job_metadata(job.job_id, location=job.location)
    with pytest.raises(exceptions.NotFound):
        client.get_job(job.job_id, location=job.location)
    assert client.get_service_account_email().endswith("gserviceaccount.com")
