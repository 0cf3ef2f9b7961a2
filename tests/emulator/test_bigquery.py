"""BigQuery through Google's own client: answers by hand, values of every type, loads, jobs, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import running_emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

PROJECT = "acme-gemini-local"
BORN = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
EVERY_TYPE = {
    "s": "é'\"\\", "i": -(2**63), "f": 0.1, "b": True, "n": "12.000000001", "ts": BORN.isoformat(), "dt": "2024-02-29T12:30:00",
    "d": "2024-02-29", "t": "12:30:00", "y": base64.b64encode(b"\x00\xff").decode(), "j": json.dumps({"a": [1, None]}),
    "rs": ["x", "y"], "r": {"a": 1, "in": [{"x": 1.5}, {"x": 2.5}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def client(google_cloud: dict[str, Any]) -> Iterator[Any]:
    from google.cloud import bigquery

    client = bigquery.Client()
    client.create_dataset("shop")
    client.query("CREATE TABLE shop.sales (id INT64 NOT NULL, kind STRING, amount FLOAT64, tags ARRAY<STRING>, at TIMESTAMP)").result()
    rows = [
        {"id": 1, "kind": "a", "amount": 1.5, "tags": ["x", "y"], "at": "2024-01-01T00:50:00Z"},
        {"id": 2, "kind": "b", "amount": 2.5, "tags": [], "at": "2024-01-01T01:10:00Z"},
        {"id": 3, "kind": "a", "amount": None, "at": None},
    ]
    assert client.insert_rows_json("shop.sales", rows) == []
    yield client
    client.delete_dataset("shop", delete_contents=True)


def answer(client: Any, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in client.query(sql).result()]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


EXPRESSIONS: list[tuple[str, Any]] = [
    # numbers
    ("7 / 2", 3.5), ("DIV(-7, 2)", -3), ("MOD(-7, 3)", -1), ("2000000000 * 2", 4000000000), ("1.5 + 1", 2.5), ("ROUND(2.5)", 3.0),
    ("ROUND(-2.5)", -3.0), ("ROUND(2.345, 1)", 2.3), ("ROUND(3)", 3.0), ("SIGN(-2)", -2 // 2), ("CAST(5 AS STRING)", "5"),
    ("CAST(NULL AS STRING)", None),
     ("CAST(2.5 AS INT64)", 3), ("CAST(3.5 AS INT64)", 4), ("CAST('12' AS INT64)", 12),
    ("SAFE_CAST('1.5' AS INT64)", None), ("SAFE_CAST('x' AS FLOAT64)", None), ("SAFE_DIVIDE(1, 0)", None), ("SAFE_DIVIDE(1, 4)", 0.25),
    ("GREATEST(1, NULL)", None), ("LEAST(3, 2)", 2), ("ABS(-2)", 2), ("SIGN(-0.5)", -1.0), ("TRUNC(-2.7)", -2.0), ("FLOOR(-2.5)", -3.0),
    ("CEIL(2.1)", 3.0), ("LOG(8, 2)", 3.0), ("LN(1)", 0.0), ("POW(2, 10)", 1024.0), ("SQRT(9)", 3.0),
    ("NUMERIC '1.10' + 1", Decimal("2.1")),
    # text
    ("CONCAT('a', NULL)", None), ("'a' || 'b'", "ab"), ("SUBSTR('abc', 0, 2)", "ab"), ("SUBSTR('abc', -2)", "bc"), ("UPPER('é')", "É"),
    ("LENGTH('é')", 1), ("BYTE_LENGTH('é')", 2), ("SPLIT('a,b')", ["a", "b"]), ("REPLACE('aba', 'a', 'c')", "cbc"), ("TRIM(' a ')", "a"),
    ("LPAD('7', 3, '0')", "007"), ("STARTS_WITH('abc', 'ab')", True), ("STRPOS('abc', 'c')", 3), ("REGEXP_CONTAINS('abc', r'b.')", True),
    ("REGEXP_EXTRACT('abc', r'x(.)')", None), ("REGEXP_EXTRACT('abc', r'b(.)')", "c"), ("REGEXP_REPLACE('a1b2', r'\\d', '#')", "a#b#"),
    (r"'a_b' LIKE 'a\\_b'", True), (r"'axb' LIKE 'a\\_b'", False), ("'axb' LIKE 'a_b'", True), ("CAST(2.0 AS STRING)", "2"),
    ("CAST(NUMERIC '1.50' AS STRING)", "1.5"), ("CAST(TRUE AS STRING)", "true"), ("TO_HEX(MD5('a'))", "0cc175b9c0f1b6a831c399e269772661"),
    ("TO_BASE64(b'a')", "YQ=="), ("FROM_BASE64('YQ==')", b"a"), ("REVERSE('abc')", "cba"),
    ("FORMAT_DATE('%Y/%m', DATE '2024-02-03')", "2024/02"),
    # dates and times
    ("DATE '2024-02-28' + 2", date(2024, 3, 1)), ("DATE_ADD(DATE '2024-01-31', INTERVAL 1 MONTH)", date(2024, 2, 29)),
    ("DATE_SUB(DATE '2024-03-01', INTERVAL 1 DAY)", date(2024, 2, 29)), ("DATE_DIFF(DATE '2024-03-01', DATE '2024-02-28', DAY)", 2),
    ("DATE_DIFF(DATE '2024-03-01', DATE '2024-02-28', MONTH)", 1), ("DATE_TRUNC(DATE '2024-01-10', WEEK)", date(2024, 1, 7)),
    ("DATE_TRUNC(DATE '2024-01-10', ISOWEEK)", date(2024, 1, 8)), ("EXTRACT(DAYOFWEEK FROM DATE '2024-01-07')", 1),
    ("EXTRACT(ISOWEEK FROM DATE '2024-01-07')", 1), ("EXTRACT(YEAR FROM DATE '2024-01-07')", 2024),
    ("LAST_DAY(DATE '2024-02-03')", date(2024, 2, 29)),
    ("TIMESTAMP_DIFF(TIMESTAMP '2024-01-01 01:10:00', TIMESTAMP '2024-01-01 00:50:00', HOUR)", 0),
    ("TIMESTAMP_DIFF(TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-02', HOUR)", -24),
    ("TIMESTAMP_TRUNC(TIMESTAMP '2024-01-01 05:30:00', HOUR)", moment("2024-01-01 05:00:00")),
    ("TIMESTAMP_ADD(TIMESTAMP '2024-01-01', INTERVAL 90 MINUTE)", moment("2024-01-01 01:30:00")),
    ("TIMESTAMP_MICROS(5)", moment("1970-01-01 00:00:00.000005")), ("TIMESTAMP_SECONDS(60)", moment("1970-01-01 00:01:00")),
    ("UNIX_MILLIS(TIMESTAMP '1970-01-01 00:00:01')", 1000), ("UNIX_SECONDS(TIMESTAMP '1970-01-01 00:00:01.9')", 1),
    ("PARSE_TIMESTAMP('%Y-%m-%d', '2024-02-03')", moment("2024-02-03")), ("PARSE_DATE('%Y%m%d', '20240203')", date(2024, 2, 3)),
    ("DATETIME '2024-01-01 00:00:00'", datetime(2024, 1, 1)), ("DATE(TIMESTAMP '2024-01-01 23:00:00')", date(2024, 1, 1)),
    ("TIME '12:30:00'", clock(12, 30)),
    ("FORMAT_TIMESTAMP('%H:%M', TIMESTAMP '2024-01-01 05:30:00')", "05:30"),
    ("CAST('2024-01-01T00:00:00Z' AS TIMESTAMP)", moment("2024-01-01")),
    # arrays, records, JSON
    ("[1, 2, 3][OFFSET(0)]", 1), ("[1, 2, 3][ORDINAL(3)]", 3), ("[1][SAFE_OFFSET(5)]", None), ("ARRAY_LENGTH([1, 2])", 2),
    ("ARRAY_TO_STRING(['a', 'b'], '-')", "a-b"), ("ARRAY_CONCAT([1], [2])", [1, 2]), ("ARRAY_REVERSE([1, 2])", [2, 1]),
    ("2 IN UNNEST([1, 2])", True),
    ("GENERATE_ARRAY(1, 3)", [1, 2, 3]), ("ARRAY(SELECT x FROM UNNEST([3, 1]) AS x ORDER BY x)", [1, 3]), ("STRUCT(1 AS a).a", 1),
    ("STRUCT(1, 'x')", {"_field_1": 1, "_field_2": "x"}),

    ("(SELECT SUM(o) FROM UNNEST(['a', 'b', 'c']) AS e WITH OFFSET AS o)", 3),
    ("JSON_VALUE(PARSE_JSON('{\"a\": {\"b\": 2}}'), '$.a.b')", "2"),
    ("TO_JSON_STRING(STRUCT(1 AS a))", '{"a":1}'), ("COSINE_DISTANCE([1.0, 0.0], [0.0, 1.0])", 1.0),
    # logic
    ("IF(1 > 2, 'x', 'y')", "y"), ("IFNULL(NULL, 3)", 3), ("NULLIF(1, 1)", None), ("COALESCE(NULL, 'a')", "a"),
    ("NULL IS DISTINCT FROM 1", True),
    ("CASE WHEN 1 = 1 THEN 'x' END", "x"), ("NOT TRUE OR FALSE", False), ("1 BETWEEN 0 AND 2", True),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS, ids=[sql for sql, _ in EXPRESSIONS])
def test_an_expression_has_bigquerys_value(client: Any, expression: str, expected: Any) -> None:
    ((value,),) = answer(client, f"SELECT {expression}")
    assert value == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert type(value) is type(expected)


QUERIES: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("SELECT kind, COUNT(*), SUM(amount), AVG(amount) FROM shop.sales GROUP BY kind ORDER BY kind", [("a", 2, 1.5, 1.5),
    ("b", 1, 2.5, 2.5)]),
    ("SELECT amount FROM shop.sales ORDER BY amount", [(None,), (1.5,), (2.5,)]),
    ("SELECT amount FROM shop.sales ORDER BY amount DESC", [(2.5,), (1.5,), (None,)]),
    ("SELECT COUNTIF(amount > 1), COUNT(amount), SUM(id) FROM shop.sales", [(2, 2, 6)]),
    ("SELECT ROUND(AVG(amount), 1), CAST(COUNT(*) AS STRING), CAST(SUM(amount) AS INT64) FROM shop.sales", [(2.0, "3", 4)]),
    ("SELECT DATE_TRUNC(MAX(DATE(at)), MONTH), CAST(MAX(amount) AS STRING) FROM shop.sales", [(date(2024, 1, 1), "2.5")]),
    ("SELECT CAST(ROUND(id / 2) AS INT64), CAST(id AS STRING) FROM (SELECT id FROM shop.sales WHERE id = 3)", [(2, "3")]),
    ("SELECT a.id FROM (shop.sales AS a JOIN shop.sales AS b ON a.id = b.id - 1) ORDER BY 1", [(1,), (2,)]),
    ("SELECT s.id, tag FROM shop.sales AS s, s.tags AS tag ORDER BY tag", [(1, "x"), (1, "y")]),
    ("SELECT id, o FROM shop.sales, UNNEST(tags) AS tag WITH OFFSET AS o ORDER BY o", [(1, 0), (1, 1)]),
    ("SELECT ARRAY_AGG(id ORDER BY id DESC), STRING_AGG(kind, '+' ORDER BY id) FROM shop.sales", [([3, 2, 1], "a+b+a")]),
    ("SELECT * EXCEPT (tags, at, amount) FROM sales WHERE kind = 'b'", [(2, "b")]),
    ("SELECT id FROM shop.sales WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY kind ORDER BY id DESC) = 1 ORDER BY id", [(2,), (3,)]),
    ("WITH t AS (SELECT 1 AS x UNION ALL SELECT 2) SELECT a.x, b.x AS y FROM t AS a JOIN t AS b ON a.x < b.x", [(1, 2)]),
    ("SELECT id FROM shop.sales WHERE EXISTS (SELECT 1 FROM UNNEST(tags) AS t WHERE t = 'y')", [(1,)]),
    ("SELECT id, LAG(id) OVER (ORDER BY id) FROM shop.sales ORDER BY id", [(1, None), (2, 1), (3, 2)]),
    ("SELECT APPROX_QUANTILES(id, 2) FROM shop.sales", [([1, 2, 3],)]),
    ("SELECT PERCENTILE_CONT(id, 0.5) OVER () FROM shop.sales LIMIT 1", [(2.0,)]),
    ("SELECT DISTINCT kind FROM shop.sales EXCEPT DISTINCT SELECT 'b'", [("a",)]),
    ("SELECT sales.kind FROM `acme-gemini-local.shop.sales` WHERE sales.id = 1", [("a",)]),
    ("SELECT x, COUNT(*) FROM UNNEST([1, 1, 2]) AS x GROUP BY 1 HAVING COUNT(*) > 1", [(1, 2)]),
    ("SELECT table_name FROM shop.INFORMATION_SCHEMA.TABLES WHERE table_name = 'sales'", [("sales",)]),
    ("SELECT data_type FROM shop.INFORMATION_SCHEMA.COLUMNS WHERE column_name = 'tags'", [("ARRAY<STRING>",)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), QUERIES, ids=[sql for sql, _ in QUERIES])
def test_a_query_has_bigquerys_rows(client: Any, sql: str, expected: list[tuple[Any, ...]]) -> None:
    from google.cloud import bigquery

    settings = bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.shop")
    assert [tuple(row.values()) for row in client.query(sql, job_config=settings).result()] == expected


REFUSED = {
    "SELECT 1 / (id - 1) FROM shop.sales": "division by zero",
    "SELECT [1][OFFSET(3)]": "out of bounds",
    "SELECT CAST('1.5' AS INT64)": "Bad int64 value",
    "SELECT 9223372036854775807 + 1": "Overflow",
    "SELECT SUM(x) FROM UNNEST([9223372036854775807, 1]) AS x": "out of range",
    "SELECT 1 AS x, 2 AS x": "Duplicate column names",
    "SELEC 1": "Syntax error",
    "SELECT nothing FROM shop.sales": "nothing",
    "SELECT * FROM sales": "must be qualified with a dataset",
    "DELETE FROM shop.sales": "must have a WHERE clause",
    "SELECT CAST('1' AS BIGNUMERIC)": "not emulated",
    "SELECT x.* FROM (SELECT AS STRUCT 1 AS a) AS x": "SELECT AS STRUCT",
    "SELECT @@session.time_zone": "system variable",
    "SELECT id FROM shop.sales FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()": "SYSTEM_TIME",
    "SELECT PARSE_JSON('[1]')[0]": "subscript of JSON",
    "SELECT * FROM READ_CSV('/etc/passwd')": "not emulated",
}


@pytest.mark.parametrize(("sql", "reason"), REFUSED.items(), ids=list(REFUSED))
def test_what_cannot_be_answered_rightly_is_refused_with_the_reason(client: Any, sql: str, reason: str) -> None:
    from google.api_core.exceptions import BadRequest

    with pytest.raises(BadRequest, match=f"(?i){reason}"):
        client.query(sql).result()


def test_values_of_every_type_come_back_as_they_were_sent(client: Any) -> None:
    columns = "s STRING, i INT64, f FLOAT64, b BOOL, n NUMERIC, ts TIMESTAMP, dt DATETIME, d DATE, t TIME, y BYTES, j JSON"
    client.query(f"CREATE TABLE shop.types ({columns}, rs ARRAY<STRING>, r STRUCT<a INT64, `in` ARRAY<STRUCT<x FLOAT64>>>)").result()
    assert client.insert_rows_json("shop.types", [EVERY_TYPE, {}]) == []
    full, empty = (dict(row) for row in client.list_rows("shop.types"))
    assert full == {
        **EVERY_TYPE, "n": Decimal("12.000000001"), "ts": BORN, "dt": BORN.replace(tzinfo=None), "d": BORN.date(), "t": BORN.time(),
        "y": b"\x00\xff", "j": {"a": [1, None]},
    }  # fmt: skip
    assert empty == {name: [] if name == "rs" else None for name in EVERY_TYPE}
    (queried,) = (dict(row) for row in client.query("SELECT * FROM shop.types WHERE i IS NOT NULL").result())
    assert queried == full


def test_rows_that_do_not_fit_keep_the_others_out(client: Any) -> None:
    before = client.get_table("shop.sales").num_rows
    errors = client.insert_rows_json("shop.sales", [{"kind": "no id"}, {"id": 9}, {"id": 9, "oops": 1}, {"id": "many"}])
    assert [(error["index"], error["errors"][0]["reason"]) for error in errors] == [
        (0, "invalid"),
        (1, "stopped"),
        (2, "invalid"),
        (3, "invalid"),
    ]
    assert client.get_table("shop.sales").num_rows == before


def test_parameters_stand_for_values_of_their_type(client: Any) -> None:
    from google.cloud import bigquery

    named = [
        bigquery.ScalarQueryParameter("n", "FLOAT64", 0.5),
        bigquery.ScalarQueryParameter("s", "STRING", "'; DROP TABLE shop.sales; --"),
        bigquery.ScalarQueryParameter("none", "INT64", None),
        bigquery.ScalarQueryParameter("at", "TIMESTAMP", BORN),
        bigquery.ArrayQueryParameter("a", "INT64", [1, 2]),
        bigquery.StructQueryParameter("r", bigquery.ScalarQueryParameter("x", "DATE", BORN.date())),
    ]
    settings = bigquery.QueryJobConfig(query_parameters=named)
    (row,) = client.query("SELECT @n + 1, @s, @none, @at, @a, @r.x", job_config=settings).result()
    assert row.values() == (1.5, "'; DROP TABLE shop.sales; --", None, BORN, [1, 2], BORN.date())
    placed = [bigquery.ScalarQueryParameter(None, "INT64", 5), bigquery.ScalarQueryParameter(None, "INT64", 2)]
    assert next(iter(client.query("SELECT ? - ?", job_config=bigquery.QueryJobConfig(query_parameters=placed)).result()))[0] == 3


def test_dml_tells_how_many_rows_it_changed(client: Any) -> None:
    client.query("CREATE TABLE shop.stock AS SELECT 1 AS id, 10 AS count UNION ALL SELECT 2, 20").result()
    merge = """
        MERGE shop.stock AS t USING (SELECT 2 AS id, 5 AS count UNION ALL SELECT 3, 7) AS s ON t.id = s.id
        WHEN MATCHED THEN UPDATE SET count = t.count + s.count WHEN NOT MATCHED THEN INSERT (id, count) VALUES (s.id, s.count)
    """
    counts = []
    for sql in ("INSERT shop.stock (id, count) VALUES (9, 1), (8, 1)", "UPDATE shop.stock SET count = 0 WHERE id > 7",
                "DELETE FROM shop.stock WHERE id = 9", merge):  # fmt: skip
        job = client.query(sql)
        job.result()
        counts.append(job.num_dml_affected_rows)
    assert counts == [2, 2, 1, 2]
    assert answer(client, "SELECT id, count FROM shop.stock ORDER BY id") == [(1, 10), (2, 25), (3, 7), (8, 0)]
    assert client.get_table("shop.stock").num_rows == 4


def test_a_view_is_its_query(client: Any) -> None:
    from google.cloud import bigquery

    view = bigquery.Table(f"{PROJECT}.shop.kinds")
    view.view_query = "SELECT kind, COUNT(*) AS many FROM `shop.sales` GROUP BY kind"
    client.create_table(view)
    client.query("CREATE VIEW shop.most AS SELECT MAX(many) AS most FROM shop.kinds").result()
    assert answer(client, "SELECT most FROM shop.most") == [(2,)]
    client.query("DROP VIEW shop.most").result()
    assert "most" not in [table.table_id for table in client.list_tables("shop")]


def test_a_large_result_comes_in_pages(client: Any) -> None:
    rows = client.query("SELECT x FROM UNNEST(GENERATE_ARRAY(1, 120000)) AS x").result(page_size=50_000)
    assert (rows.total_rows, [len(list(page)) for page in rows.pages]) == (120_000, [50_000, 50_000, 20_000])


def test_a_dry_run_tells_bytes_and_columns_and_runs_nothing(client: Any) -> None:
    from google.cloud import bigquery

    job = client.query("SELECT id, at FROM shop.sales", job_config=bigquery.QueryJobConfig(dry_run=True))
    assert job.total_bytes_processed == 3 * 8 + 2 * 8
    assert [(field.name, field.field_type) for field in job.schema] == [("id", "INTEGER"), ("at", "TIMESTAMP")]
    client.query("DROP TABLE shop.sales", job_config=bigquery.QueryJobConfig(dry_run=True))
    assert client.get_table("shop.sales").num_rows == 3


def test_files_are_loaded_from_a_bucket_and_written_into_one(client: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from google.cloud import bigquery, storage

    bucket = storage.Client().create_bucket("acme-bigquery-files")
    file = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "v": [[0.5, 1.0], []], "at": pa.array([BORN, None], pa.timestamp("us", "UTC"))}), file)
    bucket.blob("in/part-0.parquet").upload_from_string(file.getvalue())
    bucket.blob("in/part-1.parquet").upload_from_string(file.getvalue())
    parquet = bigquery.LoadJobConfig(source_format="PARQUET")
    load = client.load_table_from_uri("gs://acme-bigquery-files/in/part-*.parquet", "shop.files", job_config=parquet)
    load.result()
    assert (load.output_rows, load.input_files) == (4, 2)
    assert [(f.name, f.field_type, f.mode) for f in client.get_table("shop.files").schema] == [
        ("id", "INTEGER", "NULLABLE"), ("v", "FLOAT", "REPEATED"), ("at", "TIMESTAMP", "NULLABLE"),
    ]  # fmt: skip
    assert answer(client, "SELECT id, v, at FROM shop.files WHERE id = 1 LIMIT 1") == [(1, [0.5, 1.0], BORN)]
    lines = bigquery.ExtractJobConfig(destination_format="NEWLINE_DELIMITED_JSON")
    client.extract_table(f"{PROJECT}.shop.files", "gs://acme-bigquery-files/out-*.json", job_config=lines).result()
    written = bucket.blob("out-000000000000.json").download_as_text().splitlines()
    assert json.loads(written[0])["id"] == "1"
    bucket.blob("t.csv").upload_from_string('id,name\n1,\n2,"a,b"\n')
    csv = bigquery.LoadJobConfig(source_format="CSV", skip_leading_rows=1, schema=[
        bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("name", "STRING")])  # fmt: skip
    client.load_table_from_uri("gs://acme-bigquery-files/t.csv", "shop.csv", job_config=csv).result()
    assert answer(client, "SELECT id, name FROM shop.csv ORDER BY id") == [(1, ""), (2, "a,b")]


def test_a_load_replaces_appends_or_fails_whole(client: Any) -> None:
    from google.api_core.exceptions import BadRequest
    from google.cloud import bigquery

    replace = bigquery.LoadJobConfig(write_disposition="WRITE_TRUNCATE", autodetect=True)
    client.load_table_from_json([{"a": 1}, {"a": 2}], "shop.loaded").result()
    client.load_table_from_json([{"a": 3}], "shop.loaded").result()
    with pytest.raises(BadRequest, match="No such field: b"):
        client.load_table_from_json([{"a": 4, "b": 1}], "shop.loaded", job_config=bigquery.LoadJobConfig()).result()
    with pytest.raises(BadRequest):
        client.load_table_from_json([{"a": 5}, {"a": "x"}], "shop.loaded", job_config=bigquery.LoadJobConfig()).result()
    assert answer(client, "SELECT SUM(a) FROM shop.loaded") == [(6,)]
    client.load_table_from_json([{"c": "new"}], "shop.loaded", job_config=replace).result()
    assert answer(client, "SELECT * FROM shop.loaded") == [("new",)]


def test_a_column_that_is_added_is_empty_in_the_rows_before(client: Any) -> None:
    from google.cloud import bigquery

    client.query("CREATE TABLE shop.grows AS SELECT 1 AS a").result()
    table = client.get_table("shop.grows")
    table.schema = [*table.schema, bigquery.SchemaField("b", "STRING")]
    client.update_table(table, ["schema"])
    client.insert_rows_json("shop.grows", [{"a": 2, "b": "x"}])
    assert answer(client, "SELECT a, b FROM shop.grows ORDER BY a") == [(1, None), (2, "x")]
    client.delete_table("shop.grows")
    client.query("CREATE TABLE shop.grows (a INT64)").result()
    assert answer(client, "SELECT COUNT(*) FROM shop.grows") == [(0,)]


def test_rows_and_results_outlive_a_kill(tmp_path: Path) -> None:
    """Without Google's client, which would be led to the session's emulator."""
    import os
    import signal
    import urllib.request

    state = tmp_path / "state"

    def ask(described: dict[str, Any], path: str, body: Any = None) -> Any:
        import ssl

        proxied = urllib.request.ProxyHandler({"https": f"http://127.0.0.1:{described['port']}"})
        opener = urllib.request.build_opener(
            proxied, urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=described["ca"]))
        )
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"https://bigquery.googleapis.com/bigquery/v2/projects/p{path}", data, {"Content-Type": "application/json"}
        )
        with opener.open(request, timeout=20) as response:
            return json.loads(response.read())

    with running_emulator(state) as described:
        ask(described, "/datasets", {"datasetReference": {"projectId": "p", "datasetId": "d"}})
        schema = {"fields": [{"name": "a", "type": "INTEGER"}]}
        reference = {"projectId": "p", "datasetId": "d", "tableId": "t"}
        ask(described, "/datasets/d/tables", {"tableReference": reference, "schema": schema})
        assert "insertErrors" not in ask(described, "/datasets/d/tables/t/insertAll", {"rows": [{"json": {"a": 1}}, {"json": {"a": 2}}]})
        os.kill(described["pid"], signal.SIGKILL)
    with running_emulator(state) as described:
        found = ask(described, "/queries", {"query": "SELECT SUM(a) AS s FROM d.t", "useLegacySql": False})
        assert found["rows"] == [{"f": [{"v": "3"}]}]


@pytest.mark.long
def test_a_load_that_a_kill_cuts_off_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    """The load's own process is killed once the database's log grows: rows are on their way, and not yet committed."""
    import signal
    import subprocess
    import sys

    state, lines = tmp_path / "state", tmp_path / "rows.json"
    state.mkdir()
    lines.write_text("".join(f'{{"a": {number}, "s": "{"x" * 100}"}}\n' for number in range(600_000)))
    program = """
import asyncio, sys
from pathlib import Path
from tests.emulator.conftest import started

async def main():
    cloud = await started(Path(sys.argv[1]))
    fields = [{"name": "a", "type": "INTEGER"}, {"name": "s", "type": "STRING"}]
    settings = {"sourceFormat": "NEWLINE_DELIMITED_JSON", "schema": {"fields": fields},
                "destinationTable": {"projectId": "p", "datasetId": "d", "tableId": "t"}}
    cloud.bigquery.tables.declare("projects/p/datasets/d/tables/t", fields)
    await cloud.bigquery.insert("projects/p/datasets/d/tables/t", [{"a": 1, "s": "kept"}])
    print("loading", flush=True)
    for _ in range(50):
        await cloud.bigquery.load({Path(sys.argv[2]): "rows"}, settings, "job")
    print("loaded", flush=True)

asyncio.run(main())
"""
    child = subprocess.Popen([sys.executable, "-c", program, str(state), str(lines)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "loading\n"
    folder = state / "bigquery"
    begun = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    while sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < begun + (1 << 20):
        assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()

    async def counted() -> tuple[int, str]:
        from tests.emulator.conftest import started

        cloud = await started(state)
        found = await cloud.bigquery.query("SELECT COUNT(*) AS n, COUNTIF(s = 'kept') AS kept FROM d.t", {}, "p", "job")
        ((many, kept),) = await cloud.bigquery.read(found.destination)
        await cloud.bigquery.recount("projects/p/datasets/d/tables/t")
        told = cloud.bigquery.tables.table("projects/p/datasets/d/tables/t")["numRows"]
        await cloud.close()
        assert (kept, told) == (1, str(many))
        return many, told

    many, _ = asyncio.run(counted())
    # Whole loads alone, each of which was committed before the kill.
    assert many % 600_000 == 1


def test_a_job_that_a_kill_ended_has_failed_and_leaves_no_file(local: Local) -> None:
    job = {"configuration": {"load": {}}, "status": {"state": "RUNNING"}, "statistics": {"creationTime": "1"}}
    local.cloud.store.of("bigquery").put("projects/acme-test/jobs/j", "Job", job)
    folder = local.state / "bigquery"
    folder.mkdir(exist_ok=True)
    (folder / ("0" * 32)).write_bytes(b"{}")
    local.restart()
    status, found = local.call("GET", "/bigquery/v2/projects/acme-test/jobs/j", host="bigquery.googleapis.com")
    assert (status, found["status"]["state"], found["status"]["errorResult"]["reason"]) == (200, "DONE", "stopped")
    assert not (folder / ("0" * 32)).exists()


@pytest.mark.long
def test_a_million_rows_are_loaded_in_ten_seconds_and_grouped_in_half_a_second(client: Any) -> None:
    from google.cloud import bigquery

    lines = "".join(f'{{"id":{number},"kind":"k{number % 100}","x":{number / 7:.4f}}}\n' for number in range(1_000_000))
    columns = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("kind", "STRING"), bigquery.SchemaField("x", "FLOAT64")]
    settings = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON", schema=columns)
    begun = time.monotonic()
    client.load_table_from_file(io.BytesIO(lines.encode()), "shop.large", job_config=settings).result()
    loaded = time.monotonic()
    groups = answer(client, "SELECT kind, COUNT(*), AVG(x) FROM shop.large GROUP BY kind")
    grouped = time.monotonic()
    assert (len(groups), {count for _, count, _ in groups}) == (100, {10_000})
    assert loaded - begun <= 10
    assert grouped - loaded <= 0.5


def test_a_table_whose_time_is_over_is_gone(client: Any) -> None:
    from google.api_core.exceptions import NotFound
    from google.cloud import bigquery

    table = bigquery.Table(f"{PROJECT}.shop.brief", schema=[bigquery.SchemaField("a", "INT64")])
    table.expires = datetime.now(UTC) + timedelta(seconds=0.5)
    client.create_table(table)
    client.insert_rows_json("shop.brief", [{"a": 1}])
    while datetime.now(UTC) < table.expires:
        time.sleep(0.05)
    with pytest.raises(NotFound):
        client.query("SELECT a FROM shop.brief").result()
    client.create_table(bigquery.Table(f"{PROJECT}.shop.brief", schema=table.schema))
    assert answer(client, "SELECT COUNT(*) FROM shop.brief") == [(0,)]


def test_a_row_that_is_sent_again_is_written_once(client: Any) -> None:
    client.query("CREATE TABLE shop.once (a INT64)").result()
    for _ in range(2):
        client.insert_rows_json("shop.once", [{"a": 1}, {"a": 2}], row_ids=["one", "two"])
    client.insert_rows_json("shop.once", [{"a": 3}], row_ids=["three"])
    assert answer(client, "SELECT SUM(a) FROM shop.once") == [(6,)]


def test_the_emulator_answers_while_a_query_runs(client: Any) -> None:
    slow = client.query(
        "SELECT COUNT(*) AS n FROM UNNEST(GENERATE_ARRAY(1, 30000)) AS a, UNNEST(GENERATE_ARRAY(1, 30000)) AS b WHERE a * b = 7"
    )
    begun = time.monotonic()
    assert client.get_table("shop.sales").num_rows == 3
    assert time.monotonic() - begun < 0.5
    slow.cancel()
    with pytest.raises(Exception, match="cancelled"):
        slow.result()
