"""GoogleSQL into DuckDB's SQL by sqlglot, with what it leaves different in meaning corrected.

Whatever is not known to give BigQuery's answer is refused, with the reason.
"""

from __future__ import annotations

import logging

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from emulator.engines.bigquery import arrays, moments, numbers, texts
from emulator.engines.bigquery.functions import ANONYMOUS, CARRIED
from emulator.engines.bigquery.trees import KIND, Correction, Tree, call, invalid, kind_of, not_carried

# It warns of what it cannot parse, which is refused here with the reason.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

REFUSED: dict[type[Tree], str] = {
    exp.Declare: "DECLARE inside of a statement",
    exp.Export: "EXPORT DATA",
    exp.Predict: "ML.PREDICT",
    exp.Interval: "A value of the type INTERVAL",
}
TYPES = {exp.DataType.Type.BIGDECIMAL: "BIGNUMERIC", exp.DataType.Type.GEOGRAPHY: "GEOGRAPHY", exp.DataType.Type.INTERVAL: "INTERVAL"}
FALLIBLE = (exp.Div, exp.IntDiv, exp.Mod, exp.Cast, exp.Bracket, exp.Add, exp.Sub, exp.Mul, exp.Ln, exp.Log, exp.Sqrt, exp.Pow, exp.Exp,
            exp.StrToDate, exp.StrToTime, exp.ParseJSON, exp.Anonymous)  # fmt: skip
"""What may fail by itself: inside of a SAFE function it fails all the same."""


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
        raise not_carried(f"The statement {tree.this} {str(tree.expression)[:40]}")
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
    """The statement with BigQuery's meaning in DuckDB."""
    # Children before parents, so that a corrected node may hold corrected ones.
    for node in reversed(list(tree.walk(bfs=True))):
        correction = CORRECTIONS.get(type(node))
        replaced = correction(node) if correction else None
        if replaced is not None:
            if KIND in node.meta:
                replaced.meta[KIND] = node.meta[KIND]
            if node is tree:
                tree = replaced
            else:
                node.replace(replaced)
    return tree


def check(tree: Tree) -> None:
    """Refuses a statement that holds something that is not carried.

    Raises:
        Refusal: Names it.
    """
    for node in tree.walk():
        _check(node)


def _check(node: Tree) -> None:
    if isinstance(node, exp.Select) and (kind := node.args.get("kind")):
        if node.parent is None and kind == "STRUCT":
            # Its fields are the columns, as without.
            node.set("kind", None)
        elif not isinstance(node.parent, exp.Array):
            raise not_carried(f"SELECT AS {kind} outside of ARRAY(…)")
    for refused, name in REFUSED.items():
        if isinstance(node, refused) and not (refused is exp.Interval and isinstance(node.parent, (exp.Func, exp.Binary))):
            raise not_carried(name)
    if isinstance(node, exp.Anonymous):
        name = str(node.this).upper()
        if name not in ANONYMOUS:
            raise not_carried(f"The function {name}")
    elif isinstance(node, exp.SafeFunc):
        if any(found := one for one in node.this.iter_expressions() if one.find(*FALLIBLE) is not None):
            raise not_carried(f"SAFE.… of {found.sql('bigquery')}", "it may fail itself; use SAFE_CAST, SAFE_DIVIDE or a subquery.")
    elif isinstance(node, exp.Func) and type(node).__name__ not in CARRIED:
        raise not_carried(f"The function {node.sql_names()[0] if node.sql_names() else node.key.upper()}")
    elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        raise not_carried(f"The function {node.sql('bigquery').partition('(')[0]}")
    elif isinstance(node, exp.DataType) and node.this in TYPES:
        raise not_carried(f"The type {TYPES[node.this]}", "DuckDB has none like it.")


def _safe(node: Tree) -> Tree | None:
    """`SAFE.f(…)` is NULL where `f(…)` fails."""
    return call("try", node.this)


def _ieee_divide(node: Tree) -> Tree:
    one, other = (exp.Cast(this=side.copy(), to=exp.DataType.build("DOUBLE", dialect="duckdb")) for side in node.expressions)
    return exp.Paren(this=exp.Div(this=one, expression=other))


def _anonymous(node: Tree) -> Tree | None:
    name = str(node.this).upper()
    return _ieee_divide(node) if name == "IEEE_DIVIDE" else call(ANONYMOUS[name], *node.expressions)


CORRECTIONS: dict[type[Tree], Correction] = {
    **numbers.CORRECTIONS,
    **texts.CORRECTIONS,
    **moments.CORRECTIONS,
    **arrays.CORRECTIONS,
    exp.SafeFunc: _safe,
    exp.Anonymous: _anonymous,
}
__all__ = ["Tree", "check", "corrected", "invalid", "kind_of", "not_carried", "parsed", "written"]
