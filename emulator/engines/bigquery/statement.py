"""What a statement of GoogleSQL has become, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emulator.engines.bigquery.catalogue import Table
from emulator.engines.bigquery.rows import Fields

Json = dict[str, Any]


@dataclass
class Statement:
    """A statement that is ready for DuckDB."""

    kind: str
    """As `statistics.query.statementType` says it: SELECT, INSERT, CREATE_TABLE_AS_SELECT, …"""
    sql: str
    """DuckDB's SQL of the query or the DML statement; empty where DDL has no query."""
    tables: dict[str, Table] = field(default_factory=dict)
    """What it reads and writes, by `P.D.T`."""
    columns: set[str] = field(default_factory=set)
    """Names of columns that it mentions, in lower case; `*` stands for all."""
    target: str = ""
    """`projects/P/datasets/D/tables/T` that DML or DDL changes."""
    fields: tuple[Json, ...] = ()
    """Columns that DDL declares."""
    options: frozenset[str] = frozenset()
    """`replace`, `if_exists`, `if_not_exists`, `cascade`."""
    view: str = ""
    resource: Json = field(default_factory=dict)
    """Fields of the target's resource that DDL sets."""
    renamed: str = ""
    """What ALTER TABLE RENAME makes of the target's name."""
    changes: tuple[tuple[str, ...], ...] = ()
    """`("rename", old, new)` and `("drop", column)` of ALTER TABLE."""
    temporary: str = ""
    """Name, within its script, of the temporary table that it makes."""
    forbidden: str = ""
    """DuckDB's query of rows that DML would change twice: where it gives one, the statement fails."""


@dataclass(frozen=True)
class Written:
    """What a statement did."""

    statement: Statement
    destination: str
    """`projects/P/datasets/D/tables/T` of the rows that it gave; empty where it gave none."""
    fields: Fields
    bytes: int
    affected: int = 0
    operation: str = ""
    """`ddlOperationPerformed`."""
