"""Instances are read as they were written, from anywhere; results are whole or not there."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import pytest

from emulator.behaviours import Refusal
from emulator.engines import instances
from emulator.engines.instances import START, Drafts, Row, Source

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

HOST = "bigquery.googleapis.com"


def record(content: bytes) -> bytes:
    def masked(part: bytes) -> bytes:
        value = google_crc32c.value(part)
        return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(content))
    return length + masked(length) + content + masked(content)


CONTENTS = {
    "jsonl": b'{"a": 1}\n\n[1, "\xc3\xa9"]\nnot json\n2.5',
    "csv": b'"a",b\n1,"x,\ny"\n2.5,"7"\noops,"z"\n3\n4,"last"\n',
    "file-list": b"gs://acme-test-bucket/one\ngs://acme-test-bucket/none\n",
    "tf-record": record(b"one") + record(b"") + record(b"three"),
    "tf-record-gzip": gzip.compress(record(b"one") + record(b"two")),
}
VALUES: dict[str, list[Any]] = {
    "jsonl": [{"a": 1}, [1, "é"], "not json", 2.5],
    "csv": [{"a": 1.0, "b": "x,\ny"}, {"a": 2.5, "b": "7"}, "", [3.0], {"a": 4.0, "b": "last"}],
    "file-list": ["gs://acme-test-bucket/one", "gs://acme-test-bucket/none"],
    "tf-record": [b"one", b"", b"three"],
    "tf-record-gzip": [b"one", b"two"],
}
UNREADABLE = {"jsonl": [2], "csv": [2, 3], "file-list": [1], "tf-record": [], "tf-record-gzip": []}


def read(local: Local, source: Source, start: instances.Position = START, size: int = 1) -> list[tuple[Row, instances.Position]]:
    async def work() -> list[tuple[Row, instances.Position]]:
        return [(row, after) async for page, after in instances.pages(local.cloud, source, start, size) for row in page]

    return list(local.run(work()))


@pytest.mark.parametrize("form", CONTENTS)
def test_every_format_is_read_as_it_was_written_and_from_anywhere(local: Local, form: str) -> None:
    local.cloud.objects.put(local.bucket, "one", b"content")
    for number in (0, 1):
        local.cloud.objects.put(local.bucket, f"{form}/{number}", CONTENTS[form])
    configuration = {"instancesFormat": form, "gcsSource": {"uris": [f"gs://{local.bucket}/{form}/*"]}}
    source = instances.source_of(local.cloud, configuration)
    assert Source.of(json.loads(json.dumps(source.kept()))) == source
    whole = read(local, source)
    found = [row.content if form.startswith("tf") else row.value for row, _ in whole]
    assert found == 2 * VALUES[form]
    bad = UNREADABLE[form]
    assert [number for number, (row, _) in enumerate(whole) if row.error] == bad + [len(VALUES[form]) + one for one in bad]
    for number, (_, after) in enumerate(whole):
        assert [row for row, _ in read(local, source, after, size=3)] == [row for row, _ in whole[number + 1 :]]


def test_a_torn_file_of_records_is_read_up_to_the_tear(local: Local) -> None:
    for name, content in {"cut": record(b"one") + record(b"two")[:-1], "flipped": record(b"one") + record(b"two")[:-1] + b"\0"}.items():
        local.cloud.objects.put(local.bucket, name, content)
        configuration = {"instancesFormat": "tf-record", "gcsSource": {"uris": [f"gs://{local.bucket}/{name}"]}}
        rows = [row for row, _ in read(local, instances.source_of(local.cloud, configuration))]
        assert ([row.content for row in rows], bool(rows[1].error)) == ([b"one", None], True)


def test_rows_of_a_table_are_json_in_the_order_of_its_columns(local: Local) -> None:
    local.call("POST", "/bigquery/v2/projects/acme-test/datasets", {"datasetReference": {"datasetId": "d"}}, host=HOST)
    sql = (
        "CREATE TABLE d.t AS SELECT 9007199254740993 AS i, 1.5 AS f, 'x' AS s, [1, 2] AS l, STRUCT(true AS b, b'ab' AS y) AS r, "
        "TIMESTAMP '2026-01-02 03:04:05+00' AS t, DATE '2026-01-02' AS d, CAST(NULL AS STRING) AS n UNION ALL "
        "SELECT 2, 2.5, 'y', [], NULL, NULL, NULL, 'n'"
    )
    status, answer = local.call("POST", "/bigquery/v2/projects/acme-test/queries", {"query": sql, "useLegacySql": False}, host=HOST)
    assert status == 200, answer
    configuration = {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://acme-test.d.t"}}
    source = instances.source_of(local.cloud, configuration)
    (first, after), (second, _) = sorted(read(local, source), key=lambda item: str(item[0].value["s"]))
    moments = {"t": "2026-01-02T03:04:05Z", "d": "2026-01-02", "n": None}
    assert first.value == {"i": 9007199254740993, "f": 1.5, "s": "x", "l": [1, 2], "r": {"b": True, "y": "YWI="}, **moments}
    assert list(second.value) == ["i", "f", "s", "l", "r", "t", "d", "n"]
    assert len(read(local, source, (0, 1))) == 1
    assert after[0] == 0


def test_a_source_that_was_changed_since_the_job_began_is_refused(local: Local) -> None:
    local.cloud.objects.put(local.bucket, "moving", b"1\n")
    configuration = {"instancesFormat": "jsonl", "gcsSource": {"uris": [f"gs://{local.bucket}/moving", f"gs://{local.bucket}/none"]}}
    source = instances.source_of(local.cloud, configuration)
    assert source.missing == (f"gs://{local.bucket}/none",)
    local.cloud.objects.put(local.bucket, "moving", b"2\n")
    with pytest.raises(Refusal, match="written anew while the job ran"):
        read(local, source)


@pytest.mark.parametrize(
    "configuration",
    [
        {"instancesFormat": "parquet", "gcsSource": {"uris": ["gs://acme-test-bucket/one"]}},
        {"instancesFormat": "jsonl", "bigquerySource": {"inputUri": "bq://acme-test.d.t"}},
        {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://acme-test-bucket/nothing/*"]}},
        {"instancesFormat": "jsonl", "gcsSource": {"uris": ["https://elsewhere/x"]}},
        {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "acme-test"}},
        {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://acme-test.d.none"}},
    ],
)
def test_what_is_no_source_is_refused(local: Local, configuration: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        instances.source_of(local.cloud, configuration)


def test_drafts_are_cut_back_to_their_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "SHARD_ROWS", 3)
    drafts = Drafts(tmp_path, {}, {})
    drafts.append("results", [str(number) for number in range(4)])
    rows, sizes = dict(drafts.rows), dict(drafts.sizes)
    drafts.append("results", [str(number) for number in range(4, 20)])
    drafts.append("errors", ["lost"])
    again = Drafts(tmp_path, rows, sizes)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["results-0", "results-1"]
    again.append("results", ["4", "5", "6"])
    assert [file.read_text() for file in again.files("results")] == ["0\n1\n2\n", "3\n4\n5\n", "6\n"]


def test_a_publication_that_was_cut_off_is_finished(local: Local, tmp_path: Path) -> None:
    files = {f"results-{number}": tmp_path / str(number) for number in range(2)}
    for name, file in files.items():
        file.write_text(name)
    instances.publish(local.cloud, f"gs://{local.bucket}/out", dict(list(files.items())[:1]))
    instances.publish(local.cloud, f"gs://{local.bucket}/out", files)
    assert [local.cloud.objects.read(local.bucket, f"out/{name}").decode() for name in files] == list(files)


def test_lines_become_the_rows_of_a_table_that_is_made_for_them(local: Local, tmp_path: Path) -> None:
    fields = [{"name": "n", "type": "INTEGER"}, {"name": "s", "type": "STRING"}]
    file = tmp_path / "lines"
    file.write_text('{"n": 1, "s": "a"}\n{"n": 2, "s": null}\n')
    for _ in range(2):
        local.run(instances.publish_rows(local.cloud, "projects/acme-test/datasets/made/tables/t", fields, [file], "job"))
    rows = local.run(local.cloud.bigquery.read("projects/acme-test/datasets/made/tables/t"))
    assert sorted(rows) == [(1, "a"), (2, None)]
    local.run(instances.publish_rows(local.cloud, "projects/acme-test/datasets/made/tables/empty", fields, [], "job"))
    assert local.run(local.cloud.bigquery.read("projects/acme-test/datasets/made/tables/empty")) == []
