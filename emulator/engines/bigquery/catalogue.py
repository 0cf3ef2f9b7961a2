"""What statements can name: tables, views, datasets and jobs, as they were when a statement began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.engines.bigquery import partitions
from emulator.engines.bigquery.partitions import Partitioning

Json = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table or view of the catalogue."""

    name: str
    """`projects/P/datasets/D/tables/T`."""
    fields: tuple[Json, ...]
    storage: str
    """DuckDB's name of the table that holds its rows."""
    resource: Json = field(default_factory=dict)

    @property
    def short(self) -> str:
        """`P.D.T`."""
        _, project, _, dataset, _, table = self.name.split("/")
        return f"{project}.{dataset}.{table}"

    @property
    def view(self) -> str:
        """The query of a view."""
        described = self.resource.get("view") or self.resource.get("materializedView") or {}
        return str(described.get("query", ""))

    @property
    def partitioning(self) -> Partitioning | None:
        """How its rows are partitioned."""
        return partitions.of(self.resource)

    @property
    def stored(self) -> list[Json]:
        """The columns of DuckDB's table."""
        return stored_columns(self.fields, self.resource)


def stored_columns(fields: list[Json] | tuple[Json, ...], resource: Json) -> list[Json]:
    """Columns of DuckDB's table: those of BigQuery's, and the time of its partition where no column has it."""
    found = partitions.of(resource)
    hidden: list[Json] = []
    if found is not None and found.hidden:
        hidden = [{"name": partitions.TIME, "type": "TIMESTAMP", "mode": "NULLABLE", "default": found.default()}]
    return [*fields, *hidden]


@dataclass(frozen=True)
class Catalogue:
    """All tables, and what INFORMATION_SCHEMA tells beside them."""

    tables: Mapping[str, Table]
    """`P.D.T` → table."""
    datasets: tuple[Json, ...] = ()
    jobs: tuple[Json, ...] = ()
    """Only where a statement asks for them."""
    temporary: Mapping[str, str] = field(default_factory=dict)
    """Name of a script's temporary table → its `P.D.T`."""
