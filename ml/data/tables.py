"""A CSV file with a header that names `text` and `label` → texts with their labels, and of every other row why it is none.

The file is read line by line. One row never costs another: where a quote is not closed, reading goes on with the next line.
"""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ml.data.files import is_utf8, shown, size_of
from ml.data.rows import DataError, Found

MAX_TABLE = 2**30
"""Bytes."""
MAX_TEXT = 1_000_000
"""Characters of one field; also how far an open quote is followed."""
DELIMITERS = ",;\t"

Record = tuple[int, list[str] | DataError]
"""Number of its first line; its fields, or why there are none."""


def texts(path: Path) -> Iterator[Found]:
    """The rows of a CSV file in UTF-8, separated by comma, semicolon or tabulator.

    Raises:
        DataError: when it is no file, too large, or its header does not say which column is which.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; texts come as one CSV file with the columns text,label. Nothing was read. Give that file.")
    try:
        size = size_of(path)
    except DataError as error:
        raise DataError(f"{path}: {error}. Nothing was read. Give a CSV file with the columns text,label.") from None
    if size > MAX_TABLE:
        raise DataError(
            f"{path} has {size / 2**30:.1f} GiB, at most {MAX_TABLE >> 30} are taken. Nothing was read. Give a part of its rows."
        )
    try:
        # Bytes that are not UTF-8 are carried along as lone surrogates, so that only their own row is lost.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from _rows(path, file)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Nothing was written. Mend its permissions or its disk.") from None


def _rows(path: Path, file: TextIO) -> Iterator[Found]:
    begin = file.readline(MAX_TEXT)
    file.seek(0)
    records = _records(file, max(DELIMITERS, key=begin.count))
    _, header = next(records, (1, []))
    columns = {} if isinstance(header, DataError) else {name.strip().lower(): at for at, name in enumerate(header)}
    if isinstance(header, DataError) or not {"text", "label"} <= set(columns):
        mend = "Put the line text,label on top"
        if not begin.isprintable() and ("\0" in begin or not is_utf8(begin)):
            mend = f"Save it as CSV UTF-8, or run: iconv -f UTF-16 -t UTF-8 '{path}'. {mend}"
        raise DataError(
            f"{path} begins with {shown(begin[:80])!r}, but a header with the columns text,label is needed to tell them apart. "
            f"Nothing was written. {mend}."
        )
    for number, record in records:
        yield f"{shown(path.name)}:{number}", *_row(record, columns, len(header))


def _row(record: list[str] | DataError, columns: dict[str, int], width: int) -> tuple[str | DataError, str]:
    if isinstance(record, DataError):
        return record, ""
    if len(record) > width:
        # An unquoted comma would cut the text and shift the label.
        return DataError("more columns than the header; put quotes around a text with commas"), ""
    text, label = (record[columns[name]] if columns[name] < len(record) else "" for name in ("text", "label"))
    if not is_utf8(text + label):
        return DataError("not UTF-8, its words would be read wrongly; save the file as CSV UTF-8, for example by iconv -t UTF-8"), ""
    return text, label


def _records(file: TextIO, delimiter: str) -> Iterator[Record]:
    """The records of a file. One over several lines that is malformed is given up after its first line."""
    again: deque[str] = deque()
    taken: list[str] = []

    def lines() -> Iterator[str]:
        while line := again.popleft() if again else file.readline(2 * MAX_TEXT):
            taken.append(line)
            yield line

    csv.field_size_limit(MAX_TEXT)
    number, width = 1, 0
    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        try:
            record: list[str] | DataError = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            record = DataError(f"malformed ({error}); mend the quotes of this row")
        if isinstance(record, list) and len(taken) > 1 and width and len(record) != width:
            record = DataError("a quote is not closed in this row; mend the quotes")
        if record:
            yield number, record
        if isinstance(record, DataError):
            again.extendleft(reversed(taken[1:]))
            del taken[1:]
            # A reader that has met the end, or an error, is not used again.
            reader = csv.reader(lines(), delimiter=delimiter, strict=True)
        elif not width:
            width = len(record)
        number += len(taken)
