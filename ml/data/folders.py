"""A folder of one folder per class → pictures with their labels, and of every other file why it is none.

The label is the name of the first folder below the source, however deep the picture lies beneath it. Links are followed;
what is hidden is skipped.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ml.data.files import is_utf8, shown, size_of
from ml.data.rows import DataError, Found

MAX_FILE = 32 * 2**20
"""Bytes; more than any camera writes as JPEG, and three times what the servers take."""
SPLITS = {"train", "training", "validation", "valid", "val", "dev", "test", "testing"}


def pictures(folder: Path) -> Iterator[Found]:
    """Every file below `folder/<class>/`, in a fixed order.

    Raises:
        DataError: when the folder is a file, or its folders are plainly no classes.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; pictures come as a folder with one folder per class. Nothing was read. Give that folder.")
    _refuse_other_layouts(folder)
    read: dict[tuple[int, int], str] = {}
    waiting = [folder]
    while waiting:
        parent = waiting.pop()
        within = parent.relative_to(folder).parts
        name, label = shown(os.sep.join(within)), within[0] if within else ""
        try:
            status = parent.stat()
            first = read.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                yield name, DataError(f"the same folder as {first or 'the source itself'}"), label
                continue
            if not is_utf8(label):
                yield name, DataError("the folder's name, which would be the label, is not UTF-8; rename it"), ""
                continue
            entries = sorted(entry for entry in os.listdir(parent) if not entry.startswith("."))
        except OSError as error:
            yield name, DataError(f"the folder cannot be read: {error.strerror}"), label
            continue
        if within and not entries:
            yield name, DataError("the folder is empty"), label
        inner = []
        for path in map(parent.joinpath, entries):
            if path.is_dir():
                inner.append(path)
            else:
                yield shown(str(path.relative_to(folder))), _content(path), label
        waiting += reversed(inner)


def _content(path: Path) -> bytes | DataError:
    try:
        size = size_of(path)
        if size > MAX_FILE:
            return DataError(f"a file of {size / 2**20:.0f} MiB; at most {MAX_FILE // 2**20} MiB are taken")
        with path.open("rb") as file:
            # What the system makes up on the fly states no size.
            content = file.read(MAX_FILE + 1)
    except DataError as error:
        return error
    except OSError as error:
        return DataError(f"the file cannot be read: {error.strerror}")
    return content if len(content) <= MAX_FILE else DataError(f"more than the {MAX_FILE // 2**20} MiB that are taken")


def _refuse_other_layouts(folder: Path) -> None:
    """Folders that a person means otherwise would be learnt as classes."""
    folders = _folders(folder)
    names = {path.name for path in folders}
    if len(folders) > 1 and {name.lower() for name in names} <= SPLITS:
        raise DataError(
            f"{folder} holds the folders {', '.join(sorted(names))}: they look like splits and would be learnt as classes. Nothing was "
            "read. Give a folder with one folder per class, for example the first of them; the splits are made here."
        )
    if len(folders) == 1 and len(inner := _folders(folders[0])) > 1:
        raise DataError(
            f"{folder} holds one folder alone, which would be the only class, and it holds {len(inner)} folders. Nothing was read. "
            f"If those are the classes, give {shown(str(folders[0]))}"
        )


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir()]
    except OSError:
        # The walk lists it, with the reason.
        return []
