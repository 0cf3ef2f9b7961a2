"""Instances in, results out: what batch jobs read from Cloud Storage or BigQuery, and write there.

A job reads page by page, appends what came of it to files below the state folder (`Drafts`), and then keeps a checkpoint: where it is in
its source, and how long the files are. After a kill it cuts the files back to the checkpoint and goes on. Only whole files become objects
or the rows of a table.
https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions#input_data_requirements
"""

from __future__ import annotations

import base64
import csv
import gzip
import json
import math
import os
import re
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from emulator.behaviours import Refusal, not_emulated
from emulator.engines.bigquery.names import parts, reference_of
from emulator.engines.objects import split

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

JSONL, CSV, FILES, RECORDS, ZIPPED_RECORDS, BIGQUERY = "jsonl", "csv", "file-list", "tf-record", "tf-record-gzip", "bigquery"
FORMATS = (JSONL, CSV, FILES, RECORDS, ZIPPED_RECORDS, BIGQUERY)
SHARD_ROWS = 10_000
"""Lines of one file of results."""
LARGEST_LINE = 100 << 20
WILDCARDS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
MASK = 0xA282EAD8
"""What TFRecords add to the rotated CRC32C of their parts."""


@dataclass(frozen=True)
class Part:
    """One file or table of a source, as it was when the job began."""

    address: str
    """`gs://BUCKET/NAME`, or `projects/P/datasets/D/tables/T`."""
    version: str
    """The object's generation, or when the table was last changed."""


@dataclass(frozen=True)
class Source:
    """Where a job's instances come from."""

    form: str
    """One of `FORMATS`."""
    parts: tuple[Part, ...]
    missing: tuple[str, ...] = ()
    """Addresses at which there was nothing."""

    def kept(self) -> Json:
        """The source as JSON."""
        return {"form": self.form, "parts": [[part.address, part.version] for part in self.parts], "missing": list(self.missing)}

    @classmethod
    def of(cls, kept: Json) -> Source:
        """The source that was `kept`."""
        return cls(kept["form"], tuple(Part(*part) for part in kept["parts"]), tuple(kept["missing"]))


@dataclass(frozen=True)
class Row:
    """One instance as it was given."""

    value: Any
    """A JSON value; of CSV and BigQuery, an object in the order of the columns; of a file list, the file's address."""
    content: bytes | None = None
    """Of a TFRecord or a listed file: its bytes."""
    error: str = ""
    """Why it cannot be read; `value` is then the text that was found."""


Position = tuple[int, int]
"""Index of a part, and what of it has been read: bytes of a file, rows of a table."""
START: Position = (0, 0)


def source_of(cloud: Cloud, configuration: Json) -> Source:
    """The source that an `inputConfig` names, as it is now.

    Args:
        cloud: The local Google Cloud.
        configuration: `instancesFormat` with `gcsSource` or `bigquerySource`.

    Raises:
        Refusal: The format is unknown or does not fit, or there is nothing at all.
    """
    form = configuration.get("instancesFormat", "")
    if form not in FORMATS:
        raise Refusal(400, "", f"Instance format {form!r} is not supported. No job was made. Supported values are: {', '.join(FORMATS)}.")
    if "vertexMultimodalDatasetSource" in configuration:
        raise not_emulated("inputConfig.vertexMultimodalDatasetSource")
    given = "bigquerySource" if form == BIGQUERY else "gcsSource"
    if given not in configuration:
        raise Refusal(400, "", f"Instances in the format {form} come from inputConfig.{given}, which is not set. No job was made.")
    if form == BIGQUERY:
        table = table_of(configuration[given].get("inputUri", ""))
        return Source(form, (Part(table, cloud.bigquery.tables.table(table).get("lastModifiedTime", "")),))
    found, missing = [], []
    for uri in configuration[given].get("uris", []):
        here = matching(cloud, uri)
        found += [Part(f"gs://{one['bucket']}/{one['name']}", one["generation"]) for one in here]
        missing += [] if here else [uri]
    if not found:
        raise Refusal(
            400, "FAILED_PRECONDITION", f"There is nothing at {', '.join(missing) or 'no address'}. Write the instances there first."
        )
    return Source(form, tuple(dict.fromkeys(found)), tuple(missing))


def table_of(uri: str) -> str:
    """`bq://PROJECT.DATASET.TABLE` → `projects/P/datasets/D/tables/T`.

    Raises:
        Refusal: It is no such address.
    """
    match = re.fullmatch(r"(?:bq://)?([^.]+)[.:]([^.]+)\.([^.]+)", uri)
    if match is None:
        raise Refusal(400, "", f"{uri!r} is no address of a table. They look like bq://PROJECT.DATASET.TABLE.")
    name = f"projects/{match[1]}/datasets/{match[2]}/tables/{match[3]}"
    parts(name)
    return name


async def pages(cloud: Cloud, source: Source, start: Position, size: int) -> AsyncIterator[tuple[list[Row], Position]]:
    """The instances from `start` on, at most `size` at a time and never of two parts, each page with where the next begins.

    Raises:
        Refusal: A file or table was changed or removed since the job began.
    """
    index, offset = start
    for index_, part in list(enumerate(source.parts))[index:]:
        at = offset if index_ == index else 0
        if source.form == BIGQUERY:
            while page := await _rows(cloud, part, at, size):
                at += len(page)
                yield page, (index_, at)
            continue
        with _opened(cloud, source.form, part) as file:
            read = READERS[source.form](cloud, file, at)
            ended = False
            while not ended:
                page, ended = [], True
                for row, after in read:
                    page.append(row)
                    at = after
                    if len(page) == size:
                        ended = False
                        break
                if page:
                    yield page, (index_, at)


def matching(cloud: Cloud, uri: str) -> list[Json]:
    """The objects at an address, which may hold wildcards: https://cloud.google.com/storage/docs/wildcards.

    Raises:
        Refusal: It is no address of Cloud Storage.
    """
    bucket, name = split(uri)
    if not re.search(r"[*?]", name):
        found = cloud.objects.get(bucket, name)
        return [] if found is None else [found]
    pattern = "".join(WILDCARDS.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*|\?)", name))
    return [one for one in cloud.objects.list(bucket, re.split(r"[*?]", name)[0]) if re.fullmatch(pattern, one["name"])]


def _opened(cloud: Cloud, form: str, part: Part) -> IO[bytes]:
    bucket, _, name = part.address.removeprefix("gs://").partition("/")
    found = cloud.objects.get(bucket, name)
    if found is None or found["generation"] != part.version:
        problem = "was removed" if found is None else "was written anew"
        raise Refusal(
            400, "FAILED_PRECONDITION", f"{part.address} {problem} while the job ran. Run it again on instances that stay as they are."
        )
    path = cloud.objects.path(bucket, name)
    return gzip.open(path) if form == ZIPPED_RECORDS else path.open("rb")  # type: ignore[return-value]


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(LARGEST_LINE):
        yield line


def _json_lines(cloud: Cloud, file: IO[bytes], at: int) -> Iterator[tuple[Row, int]]:
    file.seek(at)
    for line in _lines(file):
        at += len(line)
        if line.strip():
            try:
                yield Row(json.loads(line, parse_constant=_no_number)), at
            except (ValueError, RecursionError) as error:
                yield Row(line.decode(errors="replace").rstrip("\r\n"), error=f"The line is no JSON: {error}"), at


def _csv(cloud: Cloud, file: IO[bytes], at: int) -> Iterator[tuple[Row, int]]:
    """Rows below a header; what is not quoted is a number."""
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for line in _lines(file):
            first, read = read == 0, read + len(line)
            yield line.decode("utf-8-sig" if first else "utf-8", "replace")

    lines = texts()
    header = next(csv.reader(lines), [])
    if at:
        file.seek(at)
        read = at
    rows = csv.reader(lines, quoting=csv.QUOTE_NONNUMERIC)
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except (csv.Error, ValueError) as error:
            yield Row("", error=f"The row is no CSV whose texts are quoted: {error}"), read
            continue
        if len(cells) == len(header):
            yield Row(dict(zip(header, cells, strict=True))), read
        elif cells:
            yield Row(cells, error=f"The row has {len(cells)} values, the header {len(header)}."), read


def _listed(cloud: Cloud, file: IO[bytes], at: int) -> Iterator[tuple[Row, int]]:
    file.seek(at)
    for line in _lines(file):
        at += len(line)
        address = line.decode(errors="replace").strip()
        if address:
            try:
                yield Row(address, cloud.objects.read(*split(address))), at
            except Refusal as refusal:
                yield Row(address, error=refusal.message), at


def _records(cloud: Cloud, file: IO[bytes], at: int) -> Iterator[tuple[Row, int]]:
    """https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details."""
    file.seek(at)
    while head := file.read(12):
        length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 and _checksum(head[:8]) == head[8:] else LARGEST_LINE
        body = file.read(min(length, LARGEST_LINE) + 4)
        if length >= LARGEST_LINE or len(body) != length + 4 or _checksum(body[:-4]) != body[-4:]:
            yield Row(f"byte {at}", error="From here on the file holds no TFRecords, or is cut off."), at + len(head) + len(body)
            return
        at += len(head) + len(body)
        yield Row(base64.b64encode(body[:-4]).decode(), body[:-4]), at


def _checksum(content: bytes) -> bytes:
    import google_crc32c

    value: int = google_crc32c.value(content)
    return struct.pack("<I", ((value >> 15 | value << 17) + MASK) & 0xFFFFFFFF)


READERS = {JSONL: _json_lines, CSV: _csv, FILES: _listed, RECORDS: _records, ZIPPED_RECORDS: _records}


async def _rows(cloud: Cloud, part: Part, first: int, limit: int) -> list[Row]:
    table = cloud.bigquery.tables.table(part.address)
    if table.get("lastModifiedTime", "") != part.version:
        raise Refusal(
            400, "FAILED_PRECONDITION", f"{part.address} was changed while the job ran. Run it again on a table that stays as it is."
        )
    fields = table.get("schema", {}).get("fields", [])
    found = await cloud.bigquery.read(part.address, f"SELECT * FROM rows LIMIT {limit} OFFSET {first}")
    return [Row({field["name"]: _value(field, value) for field, value in zip(fields, row, strict=False)}) for row in found]


def _value(field: Json, value: Any) -> Any:
    """A value of a column as JSON has it."""
    if value is None:
        return None
    if isinstance(value, list):
        return [_value({**field, "mode": ""}, one) for one in value]
    if isinstance(value, dict):
        return {child["name"]: _value(child, value.get(child["name"])) for child in field.get("fields", [])}
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if field.get("type") == "JSON":
        return json.loads(value)
    return float(value) if isinstance(value, Decimal) else value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


class Drafts:
    """Files that grow line by line, cut into shards, until they are published.

    Args:
        folder: Holds them; it outlives the process.
        rows: Lines that each stream has, as the checkpoint says; `{}` for a new job.
        sizes: Bytes of each stream's last shard, as the checkpoint says.
    """

    def __init__(self, folder: Path, rows: Mapping[str, int], sizes: Mapping[str, int]) -> None:
        self._folder = folder
        self.rows = dict(rows)
        self.sizes = dict(sizes)
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            stream, _, number = file.name.rpartition("-")
            shards = self._shards(stream)
            if int(number) >= shards:
                file.unlink()
            elif int(number) == shards - 1 and file.stat().st_size > self.sizes[stream]:
                os.truncate(file, self.sizes[stream])

    def append(self, stream: str, lines: Sequence[str]) -> None:
        """Adds lines to a stream."""
        while lines:
            room = SHARD_ROWS - self.rows.get(stream, 0) % SHARD_ROWS
            if room == SHARD_ROWS:
                self.sizes[stream] = 0
            number, now, lines = self.rows.get(stream, 0) // SHARD_ROWS, lines[:room], lines[room:]
            content = "".join(f"{line}\n" for line in now).encode()
            with (self._folder / f"{stream}-{number}").open("ab") as file:
                file.write(content)
            self.rows[stream] = self.rows.get(stream, 0) + len(now)
            self.sizes[stream] += len(content)

    def files(self, stream: str) -> list[Path]:
        """The stream's files, in order; those that were published are gone."""
        return [self._folder / f"{stream}-{number}" for number in range(self._shards(stream))]

    def empty(self, stream: str) -> Path:
        """A file without lines, of a stream that has none."""
        file = self._folder / f"{stream}-0"
        file.touch()
        return file

    def _shards(self, stream: str) -> int:
        return -(-self.rows.get(stream, 0) // SHARD_ROWS)


def publish(cloud: Cloud, directory: str, files: Mapping[str, Path], content_type: str = "application/octet-stream") -> None:
    """Makes whole files objects; those that a publication before a kill has taken already are passed over.

    Args:
        cloud: The local Google Cloud.
        directory: `gs://BUCKET/PREFIX`, without a slash at the end.
        files: Name below the directory → file, which is moved.
        content_type: Of the objects.
    """
    bucket, _, prefix = directory.removeprefix("gs://").partition("/")
    for name, file in files.items():
        place = f"{prefix}/{name}" if prefix else name
        if file.exists():
            cloud.objects.put(bucket, place, file, {"contentType": content_type})
        else:
            # Its file may have been moved without being noted.
            cloud.objects.get(bucket, place)


async def publish_rows(cloud: Cloud, table: str, fields: Sequence[Json], files: Sequence[Path], job: str) -> None:
    """Makes files of JSON lines the rows of a table, all at once; a table of that name is replaced, its dataset is made if need be.

    Args:
        cloud: The local Google Cloud.
        table: `projects/P/datasets/D/tables/T`.
        fields: Its columns.
        files: The lines.
        job: Who writes, in messages.
    """
    cloud.bigquery.tables.declare(table, list(fields))
    configuration = {
        "destinationTable": reference_of(table),
        "schema": {"fields": list(fields)},
        "sourceFormat": "NEWLINE_DELIMITED_JSON",
        "writeDisposition": "WRITE_TRUNCATE",
    }
    if files:
        await cloud.bigquery.load({file: f"{job}, {file.name}" for file in files}, configuration, job)
