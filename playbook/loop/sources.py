"""Which data each task learns from: its declared data set, or a user's own data for the task of the same kind."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from environments.tasks import Task
from playbook import PlaybookError


class DataError(PlaybookError):
    """The user's data is not something that a task can learn from."""


@dataclass(frozen=True)
class Source:
    """What one task learns from."""

    task: Task
    place: str
    """Name of a declared data set, or a path."""
    own: bool
    """Whether it is a user's own data."""

    @property
    def key(self) -> str:
        """Changes when the data does: of a user's files their names, sizes and times; a declared data set is fixed by its digest."""
        digest = hashlib.sha256(f"{self.task.kind} {self.place}".encode())
        if self.own:
            root = Path(self.place)
            for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
                status = file.stat() if file.exists() else file.lstat()  # a link to nowhere is rejected with the other rows
                digest.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]


def choose(tasks: Sequence[Task], data: Sequence[Path]) -> list[Source]:
    """One source a task. A folder replaces the data of the first picture task, a CSV file that of the first text task.

    Raises:
        DataError: when one of `data` is neither, no task is of its kind, or two are of the same kind.
    """
    own: dict[str, Path] = {}
    for path in (given.expanduser() for given in data):  # make hands `~` on as it is
        kind = _kind(path)
        replaced = next((task.name for task in tasks if task.kind == kind), None)
        if replaced is None:
            raise DataError(
                f"{path} is for {kind.replace('_', ' ')} and tasks.yaml has no such task, so nothing would learn from it. Add one."
            )
        if replaced in own:
            raise DataError(
                f"{own[replaced]} and {path} are both for {replaced}, which learns from one of them. Put them together, or name one."
            )
        own[replaced] = path.resolve()
    return [Source(task, str(own[task.name]), own=True) if task.name in own else Source(task, task.dataset, own=False) for task in tasks]


def _kind(data: Path) -> str:
    shapes = "DATA is a folder with one folder of pictures per class, or a CSV file with the columns text and label."
    if not data.exists():
        raise DataError(f"{data} does not exist, so there is nothing to learn from. {shapes}")
    if data.is_dir():
        if not any(child.is_dir() for child in data.iterdir()):
            raise DataError(f"{data} has no folder in it, so no picture would have a class. {shapes}")
        return "image_classification"
    if data.suffix.lower() != ".csv":
        raise DataError(f"{data} is neither a folder nor a .csv file, so its rows cannot be read. {shapes}")
    return "text_classification"
