"""What a launcher is asked to run, and how it ended: the two messages between the emulator and its launchers."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal, Self

Form = Literal["component", "module", "program"]
END = b"end"
"""Says to a launcher that no more commands will come: it ends when nothing runs."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message on one line of JSON."""

    def line(self) -> bytes:
        """The message as sent."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """The message of that line."""
        return cls(**json.loads(line))


@dataclass(frozen=True, kw_only=True)
class Command(Message):
    """A process to run in a folder of its own, which is also its TMPDIR.

    `component` runs KFP's lightweight executor on `source` with `arguments`; `module` runs `python -m` with `arguments`;
    `program` executes `arguments`. The first two are forks of a warm launcher.
    """

    form: Form
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    preload: tuple[str, ...] = ()
    """Modules that the image of the process has imported: names the launcher that forks a component or a module."""
    source: str = ""
    mount: str = ""
    """Folder in which the process finds `gs://bucket/object` as `bucket/object`; empty where it reads no artifacts."""
    seconds: float | None = None
    """Time limit; None for a server."""
    memory: int | None = None
    """Bytes that it may hold; None where that is not limited."""


@dataclass(frozen=True, kw_only=True)
class Ended(Message):
    """How a process ended, and what it used."""

    code: int
    """Exit code; negative is the signal that ended it."""
    reason: str
    """`stopped`, `time limit`, `memory limit of N MB`, `signal N`, or empty after a plain exit."""
    seconds: float
    cpu_seconds: float
    peak_mb: int
