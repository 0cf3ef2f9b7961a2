"""A window of traffic: what the model was asked, and what it answered."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.data.rows import replacing


@dataclass(frozen=True)
class Answered:
    """One instance and its prediction."""

    instance: Any
    """As the serving contract takes it."""
    scores: Mapping[str, float]
    """Class → probability."""


def write(window: Iterable[Answered], path: Path) -> None:
    """Keep a window as JSON lines."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        for one in window:
            file.write(json.dumps({"instance": one.instance, "scores": one.scores}, ensure_ascii=False) + "\n")


def read(path: Path) -> list[Answered]:
    """The window that `write` kept."""
    with path.open(encoding="utf-8") as file:
        return [Answered(**json.loads(line)) for line in file]
