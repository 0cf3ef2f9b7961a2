"""Splits follow from the digest of a row alone."""

from pathlib import Path

import pyarrow as pa
import pytest

from ml.data.rows import DataError, digest, read, schema, write
from ml.data.splits import split


def _rows(path: Path, count: int, classes: int = 2) -> Path:
    texts = [f"text {at}" for at in range(count)]
    columns = [[digest(text) for text in texts], texts, [f"class {at % classes}" for at in range(count)]]
    write(pa.table(columns, schema=schema("text_classification")), path)
    return path


def _parts(path: Path) -> dict[str, str]:
    table = read(path)
    return dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))


def test_the_same_rows_split_the_same_way(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "rows.parquet", 400)
    one, two = split(rows, tmp_path / "one"), split(rows, tmp_path / "two")
    assert one == two
    assert 50 <= one.counts["test"] <= 110
    assert sum(one.counts.values()) == 400


def test_no_row_moves_when_rows_are_added(tmp_path: Path) -> None:
    before = split(_rows(tmp_path / "few.parquet", 300), tmp_path / "few")
    after = split(_rows(tmp_path / "many.parquet", 600), tmp_path / "many")
    old, new = _parts(tmp_path / "few/rows.parquet"), _parts(tmp_path / "many/rows.parquet")
    assert {key: new[key] for key in old} == old
    assert before.frozen != after.frozen


def test_every_class_has_rows_to_train_and_to_test(tmp_path: Path) -> None:
    split(_rows(tmp_path / "rows.parquet", 100, classes=20), tmp_path / "out")
    table = read(tmp_path / "out/rows.parquet")
    pairs = set(zip(table["label"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert {(f"class {at}", part) for at in range(20) for part in ("train", "test")} <= pairs


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to tell apart"):
        split(_rows(tmp_path / "rows.parquet", 10, classes=1), tmp_path / "out")


def test_a_file_that_holds_no_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("no table")
    with pytest.raises(DataError, match=r"ml\.data\.ingest"):
        split(tmp_path / "rows.parquet", tmp_path / "out")
