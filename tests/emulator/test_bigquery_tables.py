"""BigQuery's tables and jobs over REST: partitions, schemas, loads, extracts, copies, and what a job tells."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulator.test_bigquery_statements import HOST, PROJECT, asked, plain

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

Json = dict[str, Any]

DAY = {"name": "day", "type": "DATE"}
NUMBER = {"name": "x", "type": "INTEGER"}
DAY_MILLISECONDS = 24 * 3600 * 1000


def call(local: Local, http: str, path: str, body: Any = None) -> tuple[int, Json]:
    return local.call(http, f"{PROJECT}{path}", body, host=HOST)


def done(local: Local, configuration: Json, **job: Any) -> Json:
    """A job at its end."""
    status, answer = call(local, "POST", "/jobs", {"configuration": configuration, **job})
    assert status == 200, answer
    while answer["status"]["state"] != "DONE":
        status, answer = call(local, "GET", f"/jobs/{answer['jobReference']['jobId']}")
    return answer


def named(job_id: str) -> Json:
    return {"projectId": "acme-test", "jobId": job_id}


def fault(job: Json) -> str:
    return str(job["status"].get("errorResult", {}).get("message", ""))


def ref(table: str) -> Json:
    return {"projectId": "acme-test", "datasetId": "d", "tableId": table}


def rows(local: Local, sql: str) -> list[Any]:
    status, answer = asked(local, sql)
    assert status == 200, answer
    return [plain(row) for row in answer.get("rows", [])]


def made(local: Local, table: str, fields: list[Json], **resource: Any) -> None:
    status, answer = call(local, "POST", "/datasets/d/tables", {"tableReference": ref(table), "schema": {"fields": fields}, **resource})
    assert status == 200, answer


def put(local: Local, name: str, content: bytes) -> str:
    """An object of the test's bucket; its address."""
    file = local.cloud.objects.incoming()
    file.write_bytes(content)
    local.cloud.objects.put(local.bucket, name, file)
    return f"gs://{local.bucket}/{name}"


def got(local: Local, name: str) -> bytes:
    return local.cloud.objects.path(local.bucket, name).read_bytes()


@pytest.fixture(scope="module")
def cloud(local: Local) -> Local:
    status, answer = call(local, "POST", "/datasets", {"datasetReference": {"datasetId": "d"}})
    assert status == 200, answer
    return local


# partitions


def test_a_partition_is_replaced_and_the_others_stay(cloud: Local) -> None:
    made(cloud, "days", [DAY, NUMBER], timePartitioning={"type": "DAY", "field": "day"})
    rows(cloud, "INSERT d.days VALUES (DATE '2024-01-01', 1), (DATE '2024-01-02', 2)")
    lines = put(cloud, "days.json", b'{"day": "2024-01-01", "x": 10}\n{"day": "2024-01-01", "x": 11}\n')
    load = {"sourceUris": [lines], "sourceFormat": "NEWLINE_DELIMITED_JSON", "destinationTable": ref("days$20240101")}
    assert fault(done(cloud, {"load": {**load, "writeDisposition": "WRITE_TRUNCATE"}})) == ""
    assert rows(cloud, "SELECT x FROM d.days ORDER BY x") == [["2"], ["10"], ["11"]]
    assert call(cloud, "GET", "/datasets/d/tables/days")[1]["numRows"] == "3"
    wrong = {**load, "destinationTable": ref("days$20240102"), "writeDisposition": "WRITE_TRUNCATE"}
    assert "different partitions" in fault(done(cloud, {"load": wrong}))
    assert rows(cloud, "SELECT x FROM d.days ORDER BY x") == [["2"], ["10"], ["11"]]


def test_a_query_writes_into_one_partition(cloud: Local) -> None:
    made(cloud, "asked", [DAY, NUMBER], timePartitioning={"type": "DAY", "field": "day"})
    query = {"query": "SELECT DATE '2024-03-01' AS day, 5 AS x", "useLegacySql": False, "destinationTable": ref("asked$20240301")}
    for _ in range(2):
        assert fault(done(cloud, {"query": {**query, "writeDisposition": "WRITE_TRUNCATE"}})) == ""
    assert rows(cloud, "SELECT x FROM d.asked") == [["5"]]


def test_a_partition_is_listed_and_deleted_by_its_decorator(cloud: Local) -> None:
    made(cloud, "parts", [DAY, NUMBER], timePartitioning={"type": "DAY", "field": "day"})
    rows(cloud, "INSERT d.parts VALUES (DATE '2024-01-01', 1), (DATE '2024-01-02', 2)")
    status, listed = call(cloud, "GET", "/datasets/d/tables/parts$20240102/data")
    assert (status, [plain(row) for row in listed["rows"]], listed["totalRows"]) == (200, [["2024-01-02", "2"]], "1")
    assert cloud.run(cloud.ask("DELETE", f"{PROJECT}/datasets/d/tables/parts$20240102", host=HOST))[0] == 204
    assert rows(cloud, "SELECT x FROM d.parts") == [["1"]]
    status, refused = call(cloud, "GET", "/datasets/d/tables/parts$2024/data")
    assert (status, "Invalid partition id" in refused["error"]["message"]) == (400, True)


def test_rows_of_a_partition_whose_time_is_over_are_gone(cloud: Local) -> None:
    times = {"type": "DAY", "field": "day", "expirationMs": str(30 * DAY_MILLISECONDS)}
    made(cloud, "aging", [DAY, NUMBER], timePartitioning=times)
    rows(cloud, "INSERT d.aging SELECT DATE_SUB(CURRENT_DATE(), INTERVAL n DAY), n FROM UNNEST([0, 10, 40]) AS n")
    assert rows(cloud, "SELECT x FROM d.aging ORDER BY x") == [["0"], ["10"]]
    assert call(cloud, "GET", "/datasets/d/tables/aging")[1]["numRows"] == "2"


def test_rows_are_streamed_into_the_partition_of_when_they_come_or_that_they_name(cloud: Local) -> None:
    made(cloud, "coming", [NUMBER], timePartitioning={"type": "DAY"})
    for table, value in (("coming", 1), ("coming$20200202", 2)):
        status, answer = call(cloud, "POST", f"/datasets/d/tables/{table}/insertAll", {"rows": [{"json": {"x": value}}]})
        assert (status, "insertErrors" in answer) == (200, False), answer
    old = "SELECT x FROM d.coming WHERE _PARTITIONDATE = DATE '2020-02-02'"
    assert (rows(cloud, old), rows(cloud, "SELECT * FROM d.coming ORDER BY x")) == ([["2"]], [["1"], ["2"]])


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ({"timePartitioning": {"type": "DAY", "field": "nothing"}}, "cannot be found"),
        ({"timePartitioning": {"type": "HOUR", "field": "day"}}, "cannot partition by HOUR"),
        ({"rangePartitioning": {"field": "x", "range": {"start": "5", "end": "1", "interval": "1"}}}, "start < end"),
        ({"clustering": {"fields": ["nothing"]}}, "clustering cannot be found"),
        ({"schema": {"fields": [DAY, {**NUMBER, "defaultValueExpression": "other + 1"}]}}, "no expression of constants"),
        ({"schema": {"fields": [DAY, {**NUMBER, "defaultValueExpression": "("}]}}, "Syntax error"),
    ],
)
def test_a_declaration_that_does_not_fit_the_table_is_refused(cloud: Local, resource: Json, problem: str) -> None:
    body = {"tableReference": ref("unfit"), "schema": {"fields": [DAY, NUMBER]}, **resource}
    status, answer = call(cloud, "POST", "/datasets/d/tables", body)
    assert (status, problem in answer["error"]["message"]) == (400, True), answer
    assert call(cloud, "GET", "/datasets/d/tables/unfit")[0] == 404


# schemas


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ([NUMBER], "day is missing"),
        ([DAY, {"name": "x", "type": "STRING"}], "has changed type"),
        ([DAY, NUMBER, {"name": "y", "type": "STRING", "mode": "REQUIRED"}], "Cannot add required"),
    ],
)
def test_a_change_of_a_schema_that_would_lose_rows_is_refused(cloud: Local, fields: list[Json], problem: str) -> None:
    if call(cloud, "GET", "/datasets/d/tables/schemed")[0] == 404:
        made(cloud, "schemed", [DAY, NUMBER])
    status, answer = call(cloud, "PATCH", "/datasets/d/tables/schemed", {"schema": {"fields": fields}})
    assert (status, problem in answer["error"]["message"]) == (400, True), answer


def test_a_load_may_add_and_relax_columns_only_if_it_says_so(cloud: Local) -> None:
    made(cloud, "grows", [{**NUMBER, "mode": "REQUIRED"}])
    file = put(cloud, "grows.json", b'{"y": "new"}\n')
    schema = {"fields": [NUMBER, {"name": "y", "type": "STRING"}]}
    load = {"sourceUris": [file], "sourceFormat": "NEWLINE_DELIMITED_JSON", "destinationTable": ref("grows"), "schema": schema}
    assert "Cannot add fields (field: y)" in fault(done(cloud, {"load": load}))
    added = {**load, "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"]}
    assert "Required field x cannot be null" in fault(done(cloud, {"load": added}))
    both = {**load, "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION"]}
    assert fault(done(cloud, {"load": both})) == ""
    assert rows(cloud, "SELECT x, y FROM d.grows") == [[None, "new"]]


def test_a_streamed_row_takes_the_defaults_of_what_it_does_not_say(cloud: Local) -> None:
    made(cloud, "defaulted", [NUMBER, {"name": "kind", "type": "STRING", "defaultValueExpression": "'none'"}])
    body = {"rows": [{"json": {"x": 1}}, {"json": {"x": 2, "kind": None}}, {"json": {"x": 3, "kind": "k"}}]}
    assert call(cloud, "POST", "/datasets/d/tables/defaulted/insertAll", body)[0] == 200
    assert rows(cloud, "SELECT kind FROM d.defaulted ORDER BY x") == [["none"], [None], ["k"]]


def test_a_streamed_row_that_did_not_fit_may_come_again_under_its_id(cloud: Local) -> None:
    made(cloud, "fixed", [NUMBER])

    def insert(*given: Json) -> list[Json]:
        status, answer = call(cloud, "POST", "/datasets/d/tables/fixed/insertAll", {"rows": list(given), "skipInvalidRows": True})
        assert status == 200, answer
        errors: list[Json] = answer.get("insertErrors", [])
        return errors

    one = {"insertId": "one", "json": {"x": 1}}
    errors = insert(one, one, {"insertId": "two", "json": {"x": "many"}})
    assert [(error["index"], error["errors"][0]["reason"], error["errors"][0]["location"]) for error in errors] == [(2, "invalid", "x")]
    assert insert(one, {"insertId": "two", "json": {"x": 2}}) == []
    assert rows(cloud, "SELECT x FROM d.fixed ORDER BY x") == [["1"], ["2"]]
    assert call(cloud, "POST", "/datasets/d/tables/fixed/insertAll", {"rows": []})[0] == 400


# loads


def test_a_file_tells_its_own_columns(cloud: Local) -> None:
    csv = put(cloud, "found.csv", b"id,name,at,ok\n1,a,2024-01-01 00:00:00,true\n2,b,2024-01-02 00:00:00,false\n")
    load = {"sourceUris": [csv], "sourceFormat": "CSV", "autodetect": True, "destinationTable": ref("found")}
    assert fault(done(cloud, {"load": load})) == ""
    fields = call(cloud, "GET", "/datasets/d/tables/found")[1]["schema"]["fields"]
    assert [(one["name"], one["type"]) for one in fields] == [("id", "INTEGER"), ("name", "STRING"), ("at", "TIMESTAMP"), ("ok", "BOOLEAN")]
    assert rows(cloud, "SELECT name FROM d.found WHERE id = 2") == [["b"]]
    bare = {**load, "autodetect": False, "destinationTable": ref("bare")}
    assert "No schema specified" in fault(done(cloud, {"load": bare}))


def test_csv_is_read_as_it_is_said_to_be_written(cloud: Local) -> None:
    file = put(cloud, "odd.csv", gzip.compress("head\n'a;b';N\n'é';3\n".encode("latin-1")))
    load = {
        "sourceUris": [file], "sourceFormat": "CSV", "skipLeadingRows": 1, "fieldDelimiter": ";", "quote": "'", "nullMarker": "N",
        "encoding": "ISO-8859-1", "destinationTable": ref("odd"), "schema": {"fields": [{"name": "s", "type": "STRING"}, NUMBER]},
    }  # fmt: skip
    assert fault(done(cloud, {"load": load})) == ""
    assert rows(cloud, "SELECT s, x FROM d.odd ORDER BY s") == [["a;b", None], ["é", "3"]]


@pytest.mark.parametrize(
    ("form", "content"),
    [("NEWLINE_DELIMITED_JSON", b'{"x": 1}\n{"x": "many"}\n{"oops": 1}\n{"x": 4}\n'), ("CSV", b"1\nmany\noops\n4\n")],
)
def test_as_many_bad_rows_are_left_out_as_are_allowed(cloud: Local, form: str, content: bytes) -> None:
    file = put(cloud, f"bad.{form}", content)
    load = {"sourceUris": [file], "sourceFormat": form, "destinationTable": ref(f"bad_{form}"), "schema": {"fields": [NUMBER]}}
    assert fault(done(cloud, {"load": load})) != ""
    assert "2 bad rows, 1 are allowed" in fault(done(cloud, {"load": {**load, "maxBadRecords": 1}}))
    job = done(cloud, {"load": {**load, "maxBadRecords": 2}})
    assert (fault(job), job["statistics"]["load"]["badRecords"], job["statistics"]["load"]["outputRows"]) == ("", "2", "2")
    assert rows(cloud, f"SELECT SUM(x) FROM d.bad_{form}") == [["5"]]


def test_a_load_says_where_it_may_write(cloud: Local) -> None:
    file = put(cloud, "one.json", b'{"x": 1}\n')
    load = {"sourceUris": [file], "sourceFormat": "NEWLINE_DELIMITED_JSON", "schema": {"fields": [NUMBER]}, "destinationTable": ref("one")}
    assert "Not found" in fault(done(cloud, {"load": {**load, "createDisposition": "CREATE_NEVER"}}))
    assert fault(done(cloud, {"load": {**load, "writeDisposition": "WRITE_EMPTY"}})) == ""
    assert "Already Exists" in fault(done(cloud, {"load": {**load, "writeDisposition": "WRITE_EMPTY"}}))
    assert "ORC is not emulated" in fault(done(cloud, {"load": {**load, "sourceFormat": "ORC"}}))
    assert rows(cloud, "SELECT COUNT(*) FROM d.one") == [["1"]]


# extracts and copies


def test_a_table_is_extracted_as_text_that_bigquery_writes(cloud: Local) -> None:
    rows(
        cloud,
        "CREATE OR REPLACE TABLE d.out AS SELECT 9007199254740993 AS i, 1.5 AS f, TIMESTAMP '2024-01-01 00:00:00.5+00' AS at, b'a' AS y",
    )
    for form, name, compression in (("CSV", "out.csv", "NONE"), ("NEWLINE_DELIMITED_JSON", "out-*.json", "GZIP")):
        extract = {"sourceTable": ref("out"), "destinationUris": [f"gs://{cloud.bucket}/{name}"], "destinationFormat": form}
        job = done(cloud, {"extract": {**extract, "compression": compression}})
        assert (fault(job), job["statistics"]["extract"]["destinationUriFileCounts"]) == ("", ["1"])
    assert got(cloud, "out.csv") == b"i,f,at,y\n9007199254740993,1.5,2024-01-01 00:00:00.500 UTC,YQ==\n"
    line = json.loads(gzip.decompress(got(cloud, "out-000000000000.json")))
    assert line == {"i": "9007199254740993", "f": 1.5, "at": "2024-01-01 00:00:00.500 UTC", "y": "YQ=="}
    rows(cloud, "CREATE OR REPLACE TABLE d.lists AS SELECT [1] AS l")
    extract = {"sourceTable": ref("lists"), "destinationUris": [f"gs://{cloud.bucket}/lists.csv"], "destinationFormat": "CSV"}
    assert "nested schema" in fault(done(cloud, {"extract": extract}))


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("PARQUET", {"compression": "SNAPPY"}),
        ("NEWLINE_DELIMITED_JSON", {}),
        ("AVRO", {"useAvroLogicalTypes": True}),
        ("AVRO", {"useAvroLogicalTypes": True, "compression": "DEFLATE"}),
    ],
)
def test_what_is_extracted_can_be_loaded_again(cloud: Local, form: str, more: Json) -> None:
    rows(
        cloud,
        "CREATE OR REPLACE TABLE d.whole AS SELECT 1 AS i, [STRUCT('é' AS s, NUMERIC '-1.5' AS n)] AS l, DATE '2024-01-01' AS d, "
        "TRUE AS b, TIMESTAMP '1969-12-31 23:59:59.000001+00' AS at, TIME '10:00:00.5' AS t, DATETIME '2024-01-01 10:00:00' AS dt, "
        "b'a' AS y, -0.5 AS f UNION ALL SELECT NULL, [], NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    )
    fields = call(cloud, "GET", "/datasets/d/tables/whole")[1]["schema"]
    uri = f"gs://{cloud.bucket}/whole.{form}"
    extract = {"sourceTable": ref("whole"), "destinationUris": [uri], "destinationFormat": form, **more}
    assert fault(done(cloud, {"extract": extract})) == ""
    load = {"sourceUris": [uri], "sourceFormat": form, "destinationTable": ref("again"), "writeDisposition": "WRITE_TRUNCATE"}
    described = {"useAvroLogicalTypes": True} if form == "AVRO" else {"schema": fields}
    assert fault(done(cloud, {"load": {**load, **described}})) == ""
    assert rows(cloud, "SELECT * FROM d.again ORDER BY i") == rows(cloud, "SELECT * FROM d.whole ORDER BY i")
    if form == "AVRO":
        types = [(one["name"], one["type"]) for one in call(cloud, "GET", "/datasets/d/tables/again")[1]["schema"]["fields"]]
        assert types == [(one["name"], one["type"]) for one in fields["fields"]]


def test_an_avro_file_is_read_as_its_specification_says(cloud: Local) -> None:
    columns = [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}, {"name": "c", "type": ["null", "int"]}]
    schema = json.dumps({"type": "record", "name": "test", "fields": columns}).encode()
    sync = bytes(range(16))
    # The specification's own example is 27 and "foo": 36 06 66 6f 6f; then -64 by the union's second type: 02 7f.
    body = bytes.fromhex("36 06 66 6f 6f 02 7f") + bytes.fromhex("01 00 00")
    header = b"Obj\x01\x02\x16avro.schema" + bytes([len(schema) * 2 & 0x7F | 0x80, len(schema) * 2 >> 7]) + schema + b"\x00" + sync
    content = header + bytes([2 * 2, len(body) * 2]) + body + sync
    load = {"sourceUris": [put(cloud, "spec.avro", content)], "sourceFormat": "AVRO", "destinationTable": ref("spec")}
    assert fault(done(cloud, {"load": load})) == ""
    assert rows(cloud, "SELECT * FROM d.spec ORDER BY a DESC") == [["27", "foo", "-64"], ["-1", "", None]]
    modes = [(one["type"], one["mode"]) for one in call(cloud, "GET", "/datasets/d/tables/spec")[1]["schema"]["fields"]]
    assert modes == [("INTEGER", "REQUIRED"), ("STRING", "REQUIRED"), ("INTEGER", "NULLABLE")]


def test_a_damaged_avro_file_loads_nothing(cloud: Local) -> None:
    rows(cloud, "CREATE OR REPLACE TABLE d.many AS SELECT x FROM UNNEST(GENERATE_ARRAY(1, 100)) AS x")
    uri = f"gs://{cloud.bucket}/many.avro"
    assert fault(done(cloud, {"extract": {"sourceTable": ref("many"), "destinationUris": [uri], "destinationFormat": "AVRO"}})) == ""
    whole = got(cloud, "many.avro")
    for name, content in (("cut.avro", whole[:-20]), ("none.avro", b"no avro")):
        load = {"sourceUris": [put(cloud, name, content)], "sourceFormat": "AVRO", "destinationTable": ref("cut")}
        assert f"gs://{cloud.bucket}/{name}" in fault(done(cloud, {"load": load}))
    assert call(cloud, "GET", "/datasets/d/tables/cut")[0] == 404


def test_tables_are_copied_together_and_a_snapshot_stays_as_it_is(cloud: Local) -> None:
    rows(cloud, "CREATE OR REPLACE TABLE d.first AS SELECT 1 AS x; CREATE OR REPLACE TABLE d.second AS SELECT 2 AS x")
    copy = {"sourceTables": [ref("first"), ref("second")], "destinationTable": ref("both")}
    assert fault(done(cloud, {"copy": copy})) == ""
    assert rows(cloud, "SELECT SUM(x) FROM d.both") == [["3"]]
    snapshot = {"sourceTable": ref("first"), "destinationTable": ref("kept"), "operationType": "SNAPSHOT"}
    assert fault(done(cloud, {"copy": snapshot})) == ""
    rows(cloud, "UPDATE d.first SET x = 9 WHERE TRUE")
    assert rows(cloud, "SELECT x FROM d.kept") == [["1"]]
    status, answer = asked(cloud, "UPDATE d.kept SET x = 9 WHERE TRUE")
    assert (status, "snapshot" in answer["error"]["message"]) == (400, True)


# jobs


def test_a_job_id_is_taken_once(cloud: Local) -> None:
    configuration = {"query": {"query": "SELECT 1", "useLegacySql": False}}
    done(cloud, configuration, jobReference=named("mine"))
    status, answer = call(cloud, "POST", "/jobs", {"configuration": configuration, "jobReference": named("mine")})
    assert (status, answer["error"]["errors"][0]["reason"]) == (409, "duplicate")


def test_a_query_that_is_sent_again_under_its_request_id_runs_once(cloud: Local) -> None:
    rows(cloud, "CREATE OR REPLACE TABLE d.once (x INT64)")
    answers = [asked(cloud, "INSERT d.once (x) VALUES (1)", requestId="again") for _ in range(2)]
    assert answers[0][1]["jobReference"] == answers[1][1]["jobReference"]
    assert [answer["numDmlAffectedRows"] for _, answer in answers] == ["1", "1"]
    assert rows(cloud, "SELECT COUNT(*) FROM d.once") == [["1"]]


def test_jobs_are_listed_by_state_time_and_parent(cloud: Local) -> None:
    begun = int(time.time() * 1000)
    script = done(cloud, {"query": {"query": "SELECT 1; SELECT 2", "useLegacySql": False}}, jobReference=named("a-script"))
    done(cloud, {"query": {"query": "SELECT nothing", "useLegacySql": False}, "labels": {"team": "ml"}}, jobReference=named("failed"))
    assert (script["statistics"]["numChildJobs"], script["statistics"]["query"]["statementType"]) == ("2", "SCRIPT")
    children = call(cloud, "GET", "/jobs?parentJobId=a-script")[1]["jobs"]
    assert [one["configuration"]["query"]["query"] for one in sorted(children, key=lambda one: one["id"][-1])] == ["SELECT 1", "SELECT 2"]
    listed = call(cloud, "GET", f"/jobs?minCreationTime={begun}&stateFilter=done")[1]["jobs"]
    assert {one["jobReference"]["jobId"] for one in listed} == {"a-script", "failed"}
    assert [one["configuration"].get("labels") for one in listed if one.get("errorResult")] == [{"team": "ml"}]
    assert call(cloud, "GET", "/jobs?stateFilter=running")[1]["jobs"] == []


def test_a_job_runs_where_its_datasets_are(cloud: Local) -> None:
    rows(cloud, "CREATE SCHEMA IF NOT EXISTS europe OPTIONS (location = 'EU')")
    rows(cloud, "CREATE OR REPLACE TABLE europe.t AS SELECT 1 AS x")
    query = {"query": {"query": "SELECT x FROM europe.t", "useLegacySql": False}}
    assert done(cloud, query)["jobReference"]["location"] == "EU"
    status, answer = call(cloud, "POST", "/jobs", {"configuration": query, "jobReference": {**named("elsewhere"), "location": "US"}})
    assert (status, "was not found in location US" in answer["error"]["message"]) == (404, True)
    done(cloud, query, jobReference={**named("there"), "location": "EU"})
    assert call(cloud, "GET", "/jobs/there?location=US")[0] == 404
    assert call(cloud, "GET", "/jobs/there?location=EU")[0] == 200


def test_a_dry_run_counts_the_bytes_of_the_columns_that_are_read(cloud: Local) -> None:
    rows(cloud, "CREATE OR REPLACE TABLE d.sized AS SELECT 1 AS i, 'abc' AS s, [1, 2] AS l, STRUCT('x' AS a, 2.5 AS b) AS r UNION ALL "
                "SELECT NULL, NULL, [], NULL")  # fmt: skip
    for columns, size in (("i", 8), ("s", 2 + 3), ("l", 2 * 8), ("r", 2 + 1 + 8), ("*", 8 + 5 + 16 + 11)):
        status, answer = asked(cloud, f"SELECT {columns} FROM d.sized", dryRun=True)
        assert (status, answer["totalBytesProcessed"]) == (200, str(size)), columns
    assert call(cloud, "GET", "/datasets/d/tables/sized")[1]["numBytes"] == "40"
    rows(cloud, "INSERT d.sized (i) VALUES (5)")
    assert call(cloud, "GET", "/datasets/d/tables/sized")[1]["numBytes"] == "48"
    assert asked(cloud, "SELECT i FROM d.sized", dryRun=True)[1]["totalBytesProcessed"] == "16"


def test_rows_are_listed_from_a_place_with_the_columns_that_are_asked_for(cloud: Local) -> None:
    rows(cloud, "CREATE OR REPLACE TABLE d.listed AS SELECT x, x * 2 AS y FROM UNNEST([1, 2, 3]) AS x ORDER BY x")
    status, answer = call(cloud, "GET", "/datasets/d/tables/listed/data?selectedFields=y&startIndex=1&maxResults=1")
    assert (status, [plain(row) for row in answer["rows"]], answer["pageToken"]) == (200, [["4"]], "2")
    assert call(cloud, "GET", "/datasets/d/tables/listed/data?selectedFields=z")[0] == 400


def test_what_would_hide_rows_or_lies_elsewhere_is_refused(cloud: Local) -> None:
    made(cloud, "hidden", [NUMBER])
    policy = {"rowAccessPolicyReference": {**ref("hidden"), "policyId": "p"}, "filterPredicate": "x = 1"}
    status, answer = call(cloud, "POST", "/datasets/d/tables/hidden/rowAccessPolicies", policy)
    assert (status, "not emulated" in answer["error"]["message"]) == (400, True)
    source = {"sourceUris": ["gs://b/*"], "sourceFormat": "PARQUET"}
    made(cloud, "outside", [NUMBER], externalDataConfiguration=source)
    status, answer = asked(cloud, "SELECT x FROM d.outside")
    assert (status, "external table" in answer["error"]["message"]) == (400, True)


def test_a_restart_counts_the_rows_that_are_there(cloud: Local) -> None:
    rows(cloud, "CREATE OR REPLACE TABLE d.counted AS SELECT 1 AS x UNION ALL SELECT 2")
    name = "projects/acme-test/datasets/d/tables/counted"
    kept = cloud.cloud.store.of("bigquery")
    # As where a kill came between the rows and the note of how many they are.
    kept.put(name, "Table", {**(kept.get(name) or {}), "numRows": "1"})
    cloud.restart()
    assert call(cloud, "GET", "/datasets/d/tables/counted")[1]["numRows"] == "2"
