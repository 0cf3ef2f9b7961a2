"""Functions of a script: their calls become their bodies."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from emulator.engines.bigquery.trees import Tree, invalid


def applied(tree: Tree, functions: dict[str, Tree]) -> Tree:
    """A copy of the tree in which the functions are in place.

    Args:
        tree: A statement, or a body.
        functions: Name in lower case → CREATE FUNCTION.

    Raises:
        Refusal: A call has another number of arguments.
    """
    tree = tree.copy()
    for node in reversed(list(tree.walk(bfs=True))):
        function = functions.get(str(node.this).lower()) if isinstance(node, exp.Anonymous) else None
        if function is None:
            continue
        declared = function.this.expressions
        if len(declared) != len(node.expressions):
            raise invalid(f"Number of arguments does not match for function {node.this}: {len(declared)} are declared")
        given = {one.name.lower(): _cast(value, one.args.get("kind")) for one, value in zip(declared, node.expressions, strict=True)}
        body = exp.Paren(this=applied(function.expression, {name: one for name, one in functions.items() if one is not function}))
        for column in list(body.find_all(exp.Column)):
            if not column.table and column.name.lower() in given:
                column.replace(given[column.name.lower()].copy())
        returns = next((one.this for one in function.args["properties"].expressions if isinstance(one, exp.ReturnsProperty)), None)
        placed = _cast(body, returns)
        if node is tree:
            return placed
        node.replace(placed)
    return tree


def _cast(value: Tree, kind: Any) -> Tree:
    return value.copy() if kind is None else exp.Cast(this=value.copy(), to=kind.copy())
