"""GoogleSQL into DuckDB's SQL by sqlglot, with what it leaves different in meaning corrected.

Whatever is not known to give BigQuery's answer is refused, with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from emulator.behaviours import Refusal
from emulator.engines.bigquery.functions import ANONYMOUS, CARRIED, OVERLOADED

# It warns of what it cannot parse, which is refused here with the reason.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

Json = dict[str, Any]
Tree = exp.Expr

REFUSED: dict[type[Tree], str] = {
    exp.Pivot: "PIVOT and UNPIVOT",
    exp.Declare: "A script with variables",
    exp.Export: "EXPORT DATA",
    exp.JSONExtractArray: "JSON_EXTRACT_ARRAY and JSON_QUERY_ARRAY",
    exp.TableSample: "TABLESAMPLE",
    exp.SafeFunc: "The SAFE. prefix",
}


def invalid(message: str) -> Refusal:
    """The refusal of a statement."""
    return Refusal(400, "INVALID_ARGUMENT", message, reason="invalidQuery")


def not_carried(what: str, why: str = "") -> Refusal:
    """The refusal of what BigQuery can do and the local one cannot."""
    return invalid(f"{what} is not emulated by the local Google Cloud's BigQuery{f': {why}' if why else '.'}")


def parsed(sql: str) -> Tree:
    """The one statement of a query.

    Raises:
        Refusal: It is none, or more than one.
    """
    try:
        found = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except ParseError as error:
        where = error.errors[0] if error.errors else {}
        message = f"Syntax error: {where.get('description', error)} at [{where.get('line', 1)}:{where.get('col', 1)}]"
        raise invalid(message) from None
    except SqlglotError as error:
        raise invalid(f"Syntax error: {error}") from None
    if len(found) != 1:
        raise not_carried("A script of several statements") if found else invalid("Syntax error: Unexpected end of statement")
    (tree,) = found
    if isinstance(tree, exp.Command):
        raise not_carried(f"The statement {tree.this}")
    return tree


def written(tree: Tree) -> str:
    """A checked and corrected statement in DuckDB's SQL.

    Raises:
        Refusal: It says what DuckDB cannot say.
    """
    try:
        return tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise not_carried("This statement", str(error).replace("\n\n", "; ")) from None


def corrected(tree: Tree) -> Tree:
    """The statement with BigQuery's meaning in DuckDB.

    Raises:
        Refusal: It holds something that is not carried.
    """
    nodes = list(tree.walk(bfs=True))
    for node in nodes:
        _check(node)
    # Children before parents, so that a corrected node may hold corrected ones.
    for node in reversed(nodes):
        correction = CORRECTIONS.get(type(node))
        replaced = correction(node) if correction else None
        if replaced is not None:
            if node is tree:
                tree = replaced
            else:
                node.replace(replaced)
    return tree


def _check(node: Tree) -> None:
    if isinstance(node, exp.Select) and node.args.get("kind") and not isinstance(node.parent, exp.Array):
        raise not_carried(f"SELECT AS {node.args['kind']} outside of ARRAY(…)")
    for kind, name in REFUSED.items():
        if isinstance(node, kind):
            raise not_carried(name)
    if isinstance(node, exp.Anonymous):
        name = str(node.this).upper()
        if name not in ANONYMOUS:
            raise not_carried(f"The function {name}")
    elif isinstance(node, exp.Func) and type(node).__name__ not in CARRIED:
        raise not_carried(f"The function {node.sql_names()[0] if node.sql_names() else node.key.upper()}")
    elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        raise not_carried(f"The function {node.sql('bigquery').partition('(')[0]}")
    elif isinstance(node, exp.DataType) and node.this in (exp.DataType.Type.BIGDECIMAL, exp.DataType.Type.GEOGRAPHY):
        raise not_carried(f"The type {node.sql('bigquery')}", "DuckDB has none like it.")


def cast(value: Tree, kind: str) -> Tree:
    """A cast in DuckDB's own types."""
    return exp.Cast(this=value.copy(), to=exp.DataType.build(kind, dialect="duckdb"))


def called(name: str, *arguments: Tree) -> Tree:
    """A call of one of DuckDB's functions; which of those that it has for several types, a bare number does not tell."""
    unknown = name in OVERLOADED and arguments[0].find(exp.AggFunc, exp.Window, exp.Query) is not None
    typed = [cast(one, "BIGINT") if isinstance(one, exp.Literal) and not one.is_string else one.copy() for one in arguments]
    return exp.Anonymous(this=f"{name}_any" if unknown else name, expressions=typed)


def _literal(node: Tree) -> Tree | None:
    """`2.5` is a FLOAT64, not a decimal."""
    if node.is_string or isinstance(node.parent, (exp.DataTypeParam, exp.Interval)):
        return None
    return cast(node, "DOUBLE") if any(mark in node.name for mark in ".eE") and not node.name.startswith("0x") else None


def _arithmetic(node: Tree) -> Tree | None:
    """Whole numbers in arithmetic are INT64, where DuckDB takes 32 bits; beside a column (or a date) they become what that is."""
    left, right = node.args["this"], node.args["expression"]
    if isinstance(left, exp.Literal) and not left.is_string and isinstance(right, (exp.Literal, exp.Paren, exp.Neg)):
        left.replace(cast(left, "BIGINT"))
    return None


def _division(node: Tree) -> Tree | None:
    """By zero is an error, where DuckDB gives infinity or NULL."""
    divisor = node.args["expression"]
    divisor.replace(exp.Anonymous(this="bq_divisor", expressions=[divisor.copy()]))
    return None


def _bracket(node: Tree) -> Tree | None:
    """`a[OFFSET(9)]` beyond the end is an error, where DuckDB gives NULL."""
    (index,) = node.expressions if len(node.expressions) == 1 else (None,)
    if index is None or index.is_string or node.args.get("safe"):
        return None
    place: Tree = exp.Add(this=exp.Paren(this=index.copy()), expression=exp.Literal.number(1 - (node.args.get("offset") or 0)))
    return exp.Anonymous(this="bq_at", expressions=[node.this.copy(), place])


def _unnest(node: Tree) -> Tree | None:
    """`WITH OFFSET` counts from zero, `WITH ORDINALITY` from one: a list of pairs gives the former."""
    offset = node.args.get("offset")
    if not offset:
        return None
    if len(node.expressions) != 1:
        raise not_carried("UNNEST of several arrays with an offset")
    alias = node.args.get("alias")
    names = alias.columns if alias else []
    column = names[0] if names else exp.to_identifier("value")
    counter = offset if isinstance(offset, exp.Identifier) else exp.to_identifier("offset")
    array = node.expressions[0].sql("duckdb")
    inner = sqlglot.parse_one(
        f"SELECT unnest(a) AS {column.sql('duckdb', identify=True)}, unnest(range(len(a))) AS {counter.sql('duckdb', identify=True)} "
        f"FROM (SELECT {array} AS a)",
        read="duckdb",
    )
    return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(f"_{counter.name}_of_{column.name}")))


def _cast(node: Tree) -> Tree | None:
    """Casts to INT64 and STRING by BigQuery's rules; NUMERIC has 9 places."""
    to = node.args["to"]
    if isinstance(node.this, exp.Null):
        return None
    safe = isinstance(node, exp.TryCast)
    if to.this == exp.DataType.Type.BIGINT:
        return called("bq_try_int64" if safe else "bq_int64", node.this)
    if to.this == exp.DataType.Type.TEXT and not safe:
        return called("bq_string", node.this)
    if to.this == exp.DataType.Type.DECIMAL and not to.expressions:
        to.replace(exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb"))
    return None


def _like(node: Tree) -> Tree | None:
    """A backslash escapes in BigQuery; DuckDB must be told."""
    if isinstance(node.parent, exp.Escape):
        return None
    return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))


def _date(node: Tree) -> Tree | None:
    """What is made of a date is a date, in DuckDB a timestamp."""
    return called("bq_like", node.this, node)


def _macro(name: str) -> Callable[[Tree], Tree | None]:
    """The call of a macro of ours in the place of a function with the same arguments."""

    def correction(node: Tree) -> Tree | None:
        more = [node.args[key] for key in ("decimals",) if node.args.get(key)]
        return called(name, node.this, *more)

    return correction


def _parse_timestamp(node: Tree) -> Tree | None:
    """PARSE_TIMESTAMP gives a moment in UTC, in DuckDB a time without zone."""
    return cast(node, "TIMESTAMPTZ")


def _timestamp_diff(node: Tree) -> Tree | None:
    """Whole units between two moments, where DuckDB's date_diff counts the boundaries that lie between."""
    unit = exp.Literal.string(node.args["unit"].name.lower())
    return exp.Anonymous(this="date_sub", expressions=[unit, node.args["expression"].copy(), node.this.copy()])


def _extract(node: Tree) -> Tree | None:
    """The week begins on Sunday, which is day 1."""
    part = node.this.name.upper()
    if part == "DAYOFWEEK":
        return exp.Paren(this=exp.Add(this=node.copy(), expression=exp.Literal.number(1)))
    if part == "WEEK" or isinstance(node.this, exp.WeekStart):
        raise not_carried("EXTRACT(WEEK …)", "DuckDB counts weeks by ISO 8601; use ISOWEEK.")
    if part == "ISOWEEK":
        node.this.replace(exp.var("WEEK"))
    if part == "DATE":
        return cast(node.expression, "DATE")
    return None


def _micros(node: Tree) -> Tree | None:
    """TIMESTAMP_MICROS and its like give a TIMESTAMP, which has a zone."""
    scale = node.args.get("scale")
    factor = {"0": 10**6, "3": 10**3, "6": 1}.get(scale.name if scale else "0")
    if factor is None:
        raise not_carried("This conversion to a timestamp")
    micros = exp.Mul(this=exp.Paren(this=node.this.copy()), expression=cast(exp.Literal.number(factor), "BIGINT"))
    return exp.Anonymous(this="make_timestamptz", expressions=[micros])


def _struct(node: Tree) -> Tree | None:
    """A field without a name is `_field_1` by its place; in a cast, places alone count."""
    if isinstance(node.parent, exp.Cast):
        return None
    for place, one in enumerate(list(node.expressions), 1):
        if not isinstance(one, (exp.PropertyEQ, exp.Alias, exp.Column)):
            one.replace(exp.PropertyEQ(this=exp.to_identifier(f"_field_{place}"), expression=one.copy()))
    return None


def _substring(node: Tree) -> Tree | None:
    """The position 0 means the first character, as 1 does."""
    start = node.args.get("start")
    if isinstance(start, exp.Literal) and start.name == "0":
        start.replace(exp.Literal.number(1))
    return None


def _anonymous(node: Tree) -> Tree | None:
    name = str(node.this)
    return exp.Anonymous(this=ANONYMOUS[name.upper()], expressions=[one.copy() for one in node.expressions])


CORRECTIONS: dict[type[Tree], Callable[[Tree], Tree | None]] = {
    exp.Literal: _literal,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul), _arithmetic),
    **dict.fromkeys((exp.Div, exp.IntDiv, exp.Mod), _division),
    exp.Bracket: _bracket,
    exp.Unnest: _unnest,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Like: _like,
    exp.DateAdd: _date,
    exp.DateSub: _date,
    exp.DateTrunc: _date,
    exp.Sign: _macro("bq_sign"),
    exp.Round: _macro("bq_round"),
    exp.ByteLength: _macro("bq_byte_length"),
    exp.UnixSeconds: _macro("bq_unix_seconds"),
    exp.StrToTime: _parse_timestamp,
    exp.TimestampDiff: _timestamp_diff,
    exp.Extract: _extract,
    exp.UnixToTime: _micros,
    exp.Substring: _substring,
    exp.Struct: _struct,
    exp.Anonymous: _anonymous,
}
