"""The file that a feature view answers from: features as JSON, by entity. It is written whole and never changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from emulator.engines.features.neighbours import Index

Json = dict[str, Any]


def entity_of(parts: Sequence[str]) -> str:
    """The id of an entity: its one part, or all of them as a JSON array."""
    return parts[0] if len(parts) == 1 else json.dumps(list(parts), ensure_ascii=False)


def write(file: Path, rows: Mapping[str, str]) -> None:
    """Writes entity → features (a JSON array of names and values)."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        # Nothing points to the file before it is complete, so a kill needs no journal.
        database.execute("pragma journal_mode=off")
        database.execute("create table rows (entity text primary key, features text not null) without rowid")
        database.execute("begin")
        database.executemany("insert into rows values (?, ?)", rows.items())
        database.execute("commit")


class Online:
    """A file that is read.

    Args:
        file: As `write` made it.
    """

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        self._indexes: dict[str, Index] = {}

    def get(self, entity: str) -> list[Json] | None:
        """The features of an entity, or none."""
        row = self._database.execute("select features from rows where entity = ?", (entity,)).fetchone()
        return shown(json.loads(row[0])) if row else None

    def first(self, limit: int) -> list[tuple[str, list[Json]]]:
        """The first entities by their names, with their features."""
        return list(islice(self._rows(), limit))

    def index(self, column: str) -> Index:
        """Every entity that has an embedding in `column`."""
        if column not in self._indexes:
            self._indexes[column] = Index.of(self._rows(), column)
        return self._indexes[column]

    def _rows(self) -> Iterator[tuple[str, list[Json]]]:
        for entity, features in self._database.execute("select entity, features from rows order by entity"):
            yield entity, shown(json.loads(features))


def shown(features: Iterable[Json]) -> list[Json]:
    """Features as they are answered: one that has no value is named alone."""
    return [feature if feature["value"] is not None else {"name": feature["name"]} for feature in features]


def plain(value: Json | None) -> Any:
    """A `FeatureValue` as a JSON value, as `google.protobuf.Struct` carries it: every number is a double there."""
    if not value:
        return None
    ((form, content),) = value.items()
    if form == "structValue":
        return {one["name"]: plain(one["value"]) for one in content["values"]}
    if form.endswith("ArrayValue"):
        return [float(one) if form == "int64ArrayValue" else one for one in content["values"]]
    return float(content) if form == "int64Value" else content
