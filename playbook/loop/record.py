"""What the loop did and when: shown line by line as it happens, kept for the report."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TextIO

Status = Literal["done", "cached", "skipped", "failed"]
SIGNS: dict[Status, str] = {"done": "✓", "cached": "=", "skipped": "-", "failed": "✗"}


@dataclass(frozen=True)
class Step:
    """One step that has ended."""

    name: str
    status: Status
    started: float
    """Seconds since the loop began."""
    seconds: float
    detail: str
    """Its numbers, in one line."""


@dataclass
class Outcome:
    """What a running step says about itself before it ends."""

    detail: str = ""
    status: Status = "done"


@dataclass
class Record:
    """The steps of one run, in the order in which they ended."""

    stream: TextIO = sys.stdout
    began: float = field(default_factory=time.time)
    steps: list[Step] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def elapsed(self) -> float:
        """Seconds since the loop began."""
        return time.time() - self.began

    @contextmanager
    def step(self, name: str) -> Iterator[Outcome]:
        """Time a step; what it leaves in the outcome is its line. An exception marks it as failed and goes on."""
        outcome, started = Outcome(), self.elapsed
        try:
            yield outcome
        except BaseException as error:
            self.add(Step(name, "failed", started, self.elapsed - started, (str(error) or type(error).__name__).strip().splitlines()[0]))
            raise
        self.add(Step(name, outcome.status, started, self.elapsed - started, outcome.detail))

    def add(self, step: Step) -> None:
        """Keep a step that has ended, and show it."""
        with self._lock:
            self.steps.append(step)
            print(
                f"{self.elapsed:6.1f} s  {SIGNS[step.status]} {step.name:<22}{step.seconds:5.1f} s  {step.detail}",
                file=self.stream,
                flush=True,
            )

    def say(self, line: str) -> None:
        """Show a line that is no step."""
        with self._lock:
            print(line, file=self.stream, flush=True)
