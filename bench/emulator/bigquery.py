"""Our BigQuery beside plain DuckDB, on the same million rows in the same run: loads from a bucket and a grouped query.

A row has ten columns: numbers, strings, a time, an array and a record. `load` is from `jobs.insert` until the job is done, `query` from
`jobs.query` until its rows are there, both in this process without the gateway; `answered` is the longest that another call waited
while a load ran. DuckDB reads the same files with the same types into a file of its own. The times are medians.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from emulator import behaviours, dispatch
from emulator.cloud import Cloud
from emulator.images import Images

PROJECT, BUCKET = "bench-bigquery", "bench-bigquery-files"
COUNT, REPETITIONS = 1_000_000, 3
TARGETS = {"parquet_load_s": 10.0, "parquet_query_s": 0.5, "json_load_s": 10.0, "json_query_s": 0.5}
SCHEMA = [
    {"name": "id", "type": "INTEGER"},
    {"name": "kind", "type": "STRING"},
    {"name": "text", "type": "STRING"},
    {"name": "score", "type": "FLOAT"},
    {"name": "share", "type": "FLOAT"},
    {"name": "at", "type": "TIMESTAMP"},
    {"name": "day", "type": "DATE"},
    {"name": "seen", "type": "BOOLEAN"},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
    {"name": "origin", "type": "RECORD", "fields": [{"name": "city", "type": "STRING"}, {"name": "zone", "type": "INTEGER"}]},
]
TYPES = {
    "id": "BIGINT", "kind": "VARCHAR", "text": "VARCHAR", "score": "DOUBLE", "share": "DOUBLE", "at": "TIMESTAMPTZ", "day": "DATE",
    "seen": "BOOLEAN", "tags": "VARCHAR[]", "origin": "STRUCT(city VARCHAR, zone BIGINT)",
}  # fmt: skip
ROWS = """
SELECT i AS id, 'kind ' || (i % 100) AS kind, 'a text of row ' || i || ' that is as long as a short sentence' AS text,
i / 7.0::DOUBLE AS score, (i % 1000) / 1000.0::DOUBLE AS share, TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(i) AS at,
DATE '2024-01-01' + CAST(i % 365 AS INTEGER) AS day, i % 3 = 0 AS seen,
['tag ' || (i % 10), 'tag ' || (i % 7)] AS tags, {'city': 'city ' || (i % 50), 'zone': i % 24} AS origin
FROM range(?) AS t(i)
"""
GROUPED = (
    "SELECT kind, COUNT(*) AS n, AVG(score) AS mean, MAX(text) AS last, COUNT(DISTINCT origin.city) AS cities FROM {table} GROUP BY kind"
)
FORMS = {"parquet": ("PARQUET", "FORMAT parquet"), "json": ("NEWLINE_DELIMITED_JSON", "FORMAT json")}


class Local:
    """The cloud in this process, asked as the gateway would."""

    def __init__(self, state: Path) -> None:
        self.cloud = Cloud(state, {}, Images({}))
        behaviours.load()

    async def ask(self, http: str, path: str, body: Any = None, host: str = "bigquery.googleapis.com") -> Any:
        path, _, query = path.partition("?")
        request = dispatch.Request(http, host, path, query, {"content-type": "application/json"}, json.dumps(body or {}).encode())
        answer = await dispatch.answer(request, self.cloud)
        assert isinstance(answer.body, bytes)
        if answer.status >= 400:
            raise RuntimeError(answer.body.decode())
        return json.loads(answer.body or b"{}")


async def load(local: Local, form: str) -> tuple[float, float]:
    """Seconds of a load, and the longest that another call took meanwhile."""
    table = {"projectId": PROJECT, "datasetId": "d", "tableId": form}
    source = {"sourceUris": [f"gs://{BUCKET}/rows.{form}"], "sourceFormat": FORMS[form][0], "schema": {"fields": SCHEMA}}
    settings = {**source, "destinationTable": table, "writeDisposition": "WRITE_TRUNCATE"}
    begun = time.perf_counter()
    job = asyncio.ensure_future(local.ask("POST", f"/bigquery/v2/projects/{PROJECT}/jobs", {"configuration": {"load": settings}}))
    longest = 0.0
    while not job.done():
        asked = time.perf_counter()
        await local.ask("GET", f"/bigquery/v2/projects/{PROJECT}/datasets/d")
        longest = max(longest, time.perf_counter() - asked)
        await asyncio.sleep(0.01)
    made = job.result()
    while made["status"]["state"] != "DONE":
        asked = time.perf_counter()
        await local.ask("GET", f"/bigquery/v2/projects/{PROJECT}/datasets/d")
        longest = max(longest, time.perf_counter() - asked)
        made = await local.ask("GET", f"/bigquery/v2/projects/{PROJECT}/jobs/{made['jobReference']['jobId']}")
    if "errorResult" in made["status"]:
        raise RuntimeError(made["status"]["errorResult"]["message"])
    return time.perf_counter() - begun, longest


async def grouped(local: Local, form: str) -> float:
    begun = time.perf_counter()
    body = {"query": GROUPED.format(table=f"d.{form}"), "useLegacySql": False, "useQueryCache": False}
    answer = await local.ask("POST", f"/bigquery/v2/projects/{PROJECT}/queries", body)
    if len(answer["rows"]) != 100:
        raise RuntimeError(f"{len(answer['rows'])} groups instead of 100")
    return time.perf_counter() - begun


def peer(folder: Path, form: str) -> tuple[float, float]:
    """Seconds of the same load and query in plain DuckDB, with the threads that ours has."""
    file = folder / f"rows.{form}"
    typed = ", ".join(f"'{name}': '{kind}'" for name, kind in TYPES.items())
    source = f"read_parquet('{file}')" if form == "parquet" else f"read_json('{file}', format='newline_delimited', columns={{{typed}}})"
    database = folder / f"{time.monotonic_ns()}.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("SET threads = 2; SET TimeZone = 'UTC'")
        loaded = timed(lambda: connection.execute(f"CREATE TABLE t AS SELECT * FROM {source}").fetchall())
        asked = timed(lambda: connection.execute(GROUPED.format(table="t")).fetchall())
    database.unlink()
    return loaded, asked


def timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


async def measured(rows: int, repetitions: int, folder: Path) -> dict[str, float]:
    local = Local(folder / "state")
    await local.ask("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET, "location": "US"}, "storage.googleapis.com")
    await local.ask("POST", f"/bigquery/v2/projects/{PROJECT}/datasets", {"datasetReference": {"datasetId": "d"}})
    found: dict[str, float] = {"rows": rows}
    for form, (_, written) in FORMS.items():
        file = folder / f"rows.{form}"
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"COPY ({ROWS.replace('?', str(rows))}) TO '{file}' ({written})")
        incoming = local.cloud.objects.incoming()
        incoming.write_bytes(file.read_bytes())
        local.cloud.objects.put(BUCKET, file.name, incoming)
        turns = []
        for _ in range(repetitions):
            ours, answered = await load(local, form)
            asked = await grouped(local, form)
            turns.append((ours, answered, asked, *peer(folder, form)))
        load_s, answered_s, query_s, peer_load_s, peer_query_s = (statistics.median(column) for column in zip(*turns, strict=True))
        figures = {
            "megabytes": file.stat().st_size / 1e6,
            "load_s": load_s, "duckdb_load_s": peer_load_s, "load_ratio": load_s / peer_load_s,
            "query_s": query_s, "duckdb_query_s": peer_query_s, "query_ratio": query_s / peer_query_s,
            "answered_s": answered_s,
        }  # fmt: skip
        found |= {f"{form}_{figure}": round(value, 3) for figure, value in figures.items()}
    await local.cloud.close()
    return found


def measure() -> dict[str, float]:
    """Seconds, MB, and how many times DuckDB's seconds ours are."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "state").mkdir()
        return asyncio.run(measured(COUNT, REPETITIONS, Path(folder)))
