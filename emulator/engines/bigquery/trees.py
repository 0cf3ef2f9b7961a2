"""What all corrections of a statement share: refusals, and nodes in DuckDB's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from emulator.behaviours import Refusal
from emulator.engines.bigquery.functions import OVERLOADED

Json = dict[str, Any]
Tree = exp.Expr
Correction = Callable[[Tree], Tree | None]
"""The node in DuckDB's terms; none where it may stay, perhaps with other children."""

KIND = "kind"
"""Under this key of a node's `meta` stands its GoogleSQL type, where it is known."""
_TYPE = exp.DataType.Type
NAMES = {
    **dict.fromkeys((_TYPE.BIGINT, _TYPE.INT, _TYPE.SMALLINT, _TYPE.TINYINT), "INT64"),
    **dict.fromkeys((_TYPE.DOUBLE, _TYPE.FLOAT), "FLOAT64"),
    **dict.fromkeys((_TYPE.TEXT, _TYPE.VARCHAR, _TYPE.CHAR, _TYPE.NVARCHAR), "STRING"),
    **dict.fromkeys((_TYPE.BINARY, _TYPE.VARBINARY, _TYPE.BLOB), "BYTES"),
    **dict.fromkeys((_TYPE.TIMESTAMPTZ, _TYPE.TIMESTAMPLTZ), "TIMESTAMP"),
    **dict.fromkeys((_TYPE.TIMESTAMP, _TYPE.DATETIME, _TYPE.TIMESTAMPNTZ), "DATETIME"),
    _TYPE.DECIMAL: "NUMERIC",
    _TYPE.BOOLEAN: "BOOL",
    _TYPE.DATE: "DATE",
    _TYPE.TIME: "TIME",
    _TYPE.JSON: "JSON",
    _TYPE.ARRAY: "ARRAY",
    _TYPE.STRUCT: "STRUCT",
}
"""sqlglot's types as GoogleSQL names them."""
TOLD = {("bq_string", kind): f"bq_string_{kind.lower()}" for kind in ("TIMESTAMP", "DATETIME", "TIME")}
"""Macros for one type, for values whose type DuckDB does not know yet."""


def invalid(message: str) -> Refusal:
    """The refusal of a statement."""
    return Refusal(400, "INVALID_ARGUMENT", message, reason="invalidQuery")


def not_carried(what: str, why: str = "") -> Refusal:
    """The refusal of what BigQuery can do and the local one cannot."""
    return invalid(f"{what} is not emulated by the local Google Cloud's BigQuery{f': {why}' if why else '.'}")


def kind_of(node: Tree | None) -> str:
    """GoogleSQL's type of a node, `INT64`; empty where it is not known."""
    found = node.meta.get(KIND) if node is not None else None
    return NAMES.get(found.this, "") if found is not None else ""


def is_literal(node: Tree) -> bool:
    """Whether a node is a constant as it was written, perhaps typed meanwhile."""
    node = node.this if isinstance(node, (exp.Neg, exp.Paren)) else node
    return isinstance(node, exp.Literal) or (isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal))


def coerces(given: str, wanted: str, literal: bool) -> bool:
    """Whether a value of one type becomes one of another by itself.

    https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_rules
    """
    more = {"INT64": ("NUMERIC", "FLOAT64"), "NUMERIC": ("FLOAT64",), "DATE": ("DATETIME",)}.get(given, ())
    if literal:
        more += {"STRING": ("DATE", "DATETIME", "TIME", "TIMESTAMP"), "FLOAT64": ("NUMERIC",)}.get(given, ())
    return given == wanted or wanted in more


def cast(value: Tree, kind: str) -> Tree:
    """A cast in DuckDB's own types."""
    return exp.Cast(this=value.copy(), to=exp.DataType.build(kind, dialect="duckdb"))


def call(name: str, *arguments: Tree | str | int) -> Tree:
    """A call of one of DuckDB's functions."""
    given = [exp.Literal.string(one) if isinstance(one, str) else exp.Literal.number(one) if isinstance(one, int) else one.copy()
             for one in arguments]  # fmt: skip
    return exp.Anonymous(this=name, expressions=given)


def called(name: str, *arguments: Tree) -> Tree:
    """A call of a macro of ours; which of those that it has for several types, neither a bare number nor an aggregate tells."""
    first, typed = (
        arguments[0],
        [cast(one, "BIGINT") if isinstance(one, exp.Literal) and not one.is_string else one.copy() for one in arguments],
    )
    if name in OVERLOADED and first.find(exp.AggFunc, exp.Window, exp.Query) is not None:
        name = TOLD.get((name, kind_of(first)), f"{name}_any")
    return exp.Anonymous(this=name, expressions=typed)


def macro(name: str, *more: str) -> Correction:
    """The call of a macro of ours in the place of a function with the same arguments.

    Args:
        name: Of the macro.
        more: Names of the node's further arguments; those that are absent are left out.
    """

    def correction(node: Tree) -> Tree | None:
        return called(name, node.this, *(node.args[key] for key in more if node.args.get(key)))

    return correction


def unit_of(node: Tree) -> str:
    """The part of a date that a function names, in lower case: `week(monday)` for `WEEK(MONDAY)`."""
    unit = node.args.get("unit")
    if isinstance(unit, exp.WeekStart):
        return f"week({unit.this.name.lower()})"
    return unit.name.lower() if unit is not None else "day"
