"""Partitioned tables: which partition a row is in, and which filters choose among them.

https://cloud.google.com/bigquery/docs/partitioned-tables
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from emulator.behaviours import Refusal
from emulator.engines.bigquery.trees import Tree, cast, invalid, not_carried
from emulator.engines.bigquery.types import kind, quoted, text

Json = dict[str, Any]

TIME, DATE = "_PARTITIONTIME", "_PARTITIONDATE"
"""Pseudo-columns of a table that is partitioned by when its rows came."""
FORMATS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}
OF_TIME = {"DATE": ("DAY", "MONTH", "YEAR"), "TIMESTAMP": tuple(FORMATS), "DATETIME": tuple(FORMATS)}
"""Type of a column → by which units it can partition."""
COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is)
FOREVER = 0
PARTITIONED = ("timePartitioning", "rangePartitioning")


@dataclass(frozen=True)
class Partitioning:
    """How a table is partitioned."""

    column: str
    """By its name; `_PARTITIONTIME` where rows are partitioned by when they came."""
    unit: str
    """HOUR, DAY, MONTH, YEAR or RANGE."""
    limits: tuple[int, int, int] = (0, 0, 1)
    """Start, end and interval of ranges."""
    required: bool = False
    """Whether every query must filter by the column."""
    milliseconds: int = FOREVER
    """How long a partition is kept."""

    @property
    def hidden(self) -> bool:
        """Whether the column is no column of the table."""
        return self.column == TIME

    def id(self) -> str:
        """DuckDB's SQL of the id of the partition that a row is in, e.g. `20240101`."""
        column = quoted(self.column)
        if self.unit != "RANGE":
            return f"coalesce(strftime({column}, {text(FORMATS[self.unit])}), '__NULL__')"
        start, end, interval = self.limits
        within = f"CAST({start} + ({column} - {start}) // {interval} * {interval} AS VARCHAR)"
        outside = f"{column} < {start} OR {column} >= {end}"
        return f"CASE WHEN {column} IS NULL THEN '__NULL__' WHEN {outside} THEN '__UNPARTITIONED__' ELSE {within} END"

    def default(self) -> str:
        """DuckDB's SQL of the pseudo-column of a row that comes now."""
        return f"date_trunc('{self.unit.lower()}', now())"

    def start_of(self, partition: str) -> str:
        """DuckDB's SQL of the moment at which a partition begins.

        Raises:
            Refusal: The id is none of this table.
        """
        self.check(partition)
        return f"CAST(strptime({text(partition)}, {text(FORMATS[self.unit])}) AS TIMESTAMPTZ)"

    def check(self, partition: str) -> None:
        """Refuses what is no id of a partition.

        Raises:
            Refusal: Names the form that it must have.
        """
        digits = {"HOUR": 10, "DAY": 8, "MONTH": 6, "YEAR": 4}.get(self.unit)
        fits = re.fullmatch(rf"\d{{{digits}}}" if digits else r"-?\d+", partition) or partition in ("__NULL__", "__UNPARTITIONED__")
        if not fits:
            raise Refusal(
                400, "INVALID_ARGUMENT", f"Invalid partition id {partition!r}: this table is partitioned by {self.unit}.", reason="invalid"
            )

    def expired(self) -> str:
        """DuckDB's condition of the rows whose partition's time is over."""
        last = int(time.time() * 1000) - self.milliseconds
        return f"epoch_ms(CAST(date_trunc('{self.unit.lower()}', {quoted(self.column)}) AS TIMESTAMPTZ)) < {last}"


def of(resource: Json) -> Partitioning | None:
    """The partitioning of a table; none where it has none."""
    ranges, times = resource.get("rangePartitioning"), resource.get("timePartitioning")
    required = bool(resource.get("requirePartitionFilter") or (times or {}).get("requirePartitionFilter"))
    if ranges:
        start, end, interval = (int(ranges.get("range", {}).get(key, 0)) for key in ("start", "end", "interval"))
        return Partitioning(ranges.get("field", ""), "RANGE", (start, end, interval), required)
    if times is None:
        return None
    return Partitioning(
        times.get("field") or TIME, times.get("type", "DAY"), required=required, milliseconds=int(times.get("expirationMs") or 0)
    )


def check(resource: Json) -> None:
    """Refuses a partitioning that does not fit its table.

    Raises:
        Refusal: Names the column or the unit.
    """
    found = of(resource)
    clustered = resource.get("clustering", {}).get("fields", [])
    columns = {str(one["name"]).lower(): one for one in resource.get("schema", {}).get("fields", [])}
    if columns and (missing := [name for name in clustered if name.lower() not in columns]):
        raise invalid(f"The field specified for clustering cannot be found in the schema: {missing[0]}")
    if len(clustered) > 4:
        raise invalid("A table is clustered by at most 4 columns.")
    if found is None or found.hidden:
        return
    column = columns.get(found.column.lower())
    if column is None:
        raise invalid(f"The field specified for partitioning cannot be found in the schema: {found.column or 'none is named'}")
    name = kind(column)
    if found.unit == "RANGE":
        start, end, interval = found.limits
        if name != "INTEGER" or interval <= 0 or start >= end:
            raise invalid("Integer range partitioning needs an INTEGER column, start < end and an interval above 0.")
    elif found.unit not in OF_TIME.get(name, ()):
        raise invalid(f"The field {found.column} of the type {name} cannot partition by {found.unit}.")


def demand_filter(tree: Tree, node: Tree, found: Partitioning, name: str) -> None:
    """Refuses a statement that reads a table without the filter that it requires.

    Args:
        tree: The statement.
        node: Where the table stands in it.
        found: The table's partitioning.
        name: `D.T`.

    Raises:
        Refusal: Names the column.
    """
    names = {found.column.lower()} | ({DATE.lower()} if found.hidden else set())
    above: Tree | None = node
    while above is not None:
        conditions = [above.args.get("where"), above.args.get("on")]
        conditions += [join.args.get("on") for join in above.args.get("joins") or []]
        for one in conditions:
            if one is not None and _filters(one.this if isinstance(one, exp.Where) else one, names):
                return
        above = above.parent
    shown = found.column if not found.hidden else f"{TIME}', '{DATE}"
    raise invalid(f"Cannot query over table '{name}' without a filter over column(s) '{shown}' that can be used for partition elimination")


def _filters(condition: Tree, names: set[str]) -> bool:
    if isinstance(condition, exp.Paren):
        return _filters(condition.this, names)
    if isinstance(condition, exp.And):
        return _filters(condition.left, names) or _filters(condition.right, names)
    if isinstance(condition, exp.Or):
        return _filters(condition.left, names) and _filters(condition.right, names)
    return isinstance(condition, COMPARISONS) and any(one.name.lower() in names for one in condition.find_all(exp.Column))


def declared(by: Tree) -> Json:
    """`timePartitioning` or `rangePartitioning` of PARTITION BY.

    Raises:
        Refusal: BigQuery has no such partitioning.
    """
    if isinstance(by, exp.RangeBucket) and isinstance(by.expression, exp.GenerateSeries):
        series = by.expression
        ends = (series.args["start"], series.args["end"], series.args.get("step") or exp.Literal.number(1))
        values = dict(zip(("start", "end", "interval"), (one.sql("bigquery") for one in ends), strict=True))
        return {"rangePartitioning": {"field": by.this.name, "range": values}}
    unit = by.args.get("unit")
    name = by.this.name if isinstance(by, (exp.Func, exp.Column)) else by.name
    if isinstance(by, (exp.DateTrunc, exp.TimestampTrunc, exp.DatetimeTrunc)) and unit is not None:
        times: Json = {"type": unit.name.upper(), "field": name}
    elif isinstance(by, (exp.Identifier, exp.Column, exp.Date)):
        times = {"type": "DAY", "field": name}
    else:
        raise not_carried(f"PARTITION BY {by.sql('bigquery')}")
    if times["field"].upper() in (TIME, DATE):
        del times["field"]
    return {"timePartitioning": times}


def place_pseudo_columns(tree: Tree, tables: Sequence[Partitioning | None]) -> bool:
    """Makes `_PARTITIONDATE` a date of `_PARTITIONTIME`, and keeps both out of stars; returns whether the statement speaks of either."""
    if not any(one is not None and one.hidden for one in tables):
        return False
    named = [one for one in tree.find_all(exp.Column) if one.name.upper() in (TIME, DATE)]
    for one in named:
        if one.name.upper() == DATE:
            placed = one.copy()
            placed.set("this", exp.to_identifier(TIME))
            one.replace(cast(placed, "DATE"))
    if named and any(isinstance(one, exp.Star) and not isinstance(one.parent, exp.Count) for one in tree.find_all(exp.Star)):
        raise not_carried(f"A star beside {TIME}", "name the columns.")
    return bool(named)
