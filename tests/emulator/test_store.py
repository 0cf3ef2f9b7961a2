"""What is asked of the store costs what it gives, not what else is there."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.store import Collection, Store


@pytest.mark.parametrize(
    "ask",
    [
        lambda kept: kept.list("parents/7/children"),
        lambda kept: kept.items("parents/7/children", "Child"),
        lambda kept: kept.after("parents/7/children", "parents/7/children/2", 3),
        lambda kept: kept.under("parents/7"),
        lambda kept: kept.get("parents/7/children/3"),
    ],
)
def test_a_few_of_many_are_found_without_reading_the_others(tmp_path: Path, ask: Callable[[Collection], Any]) -> None:
    store = Store(tmp_path / "state.db")
    kept = store.of("service")
    with store.transaction():
        for parent in range(1000):
            for child in range(5):
                name = f"parents/{parent}/children/{child}"
                kept.put(name, "Child", {"name": name})
    hundreds = itertools.count()
    store._database.set_progress_handler(lambda: next(hundreds) < 0, 100)
    assert ask(kept)
    # SQLite takes several steps for each row; all would be hundreds of hundreds.
    assert next(hundreds) < 10
    store.close()
