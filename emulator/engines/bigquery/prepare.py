"""From the text of a statement to what DuckDB is to do: queries, DML and DDL."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from emulator.engines.bigquery import definitions, dialect, dml
from emulator.engines.bigquery.catalogue import Catalogue
from emulator.engines.bigquery.dialect import parsed
from emulator.engines.bigquery.parameters import with_values
from emulator.engines.bigquery.scope import Scope
from emulator.engines.bigquery.statement import Statement
from emulator.engines.bigquery.trees import Tree, invalid, not_carried

Json = dict[str, Any]

STUMBLES = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What sqlglot raises over statements that are only nearly SQL."""


def prepared(sql: str | Tree, catalogue: Catalogue, project: str, dataset: str, parameters: list[Json]) -> Statement:
    """The statement, with its tables found and its meaning kept.

    Args:
        sql: GoogleSQL.
        catalogue: All tables.
        project: Of names without one.
        dataset: Of names without one; may be empty.
        parameters: `queryParameters` of the request.

    Raises:
        Refusal: It is wrong, or cannot be carried.
    """
    try:
        return _prepared(parsed(sql) if isinstance(sql, str) else sql, Scope(catalogue, project, dataset), parameters)
    except STUMBLES as error:
        raise invalid(f"Syntax error: the statement cannot be read ({error!r})") from error


def _prepared(tree: Tree, scope: Scope, parameters: list[Json]) -> Statement:
    with_values(tree, parameters)
    if isinstance(tree, (exp.Create, exp.Drop, exp.Alter)):
        return definitions.of_statement(tree, scope)
    if (changed := dml.of_statement(tree, scope)) is not None:
        return changed
    if not isinstance(tree, (exp.Query, exp.Subquery)):
        if isinstance(tree, exp.Condition):
            raise invalid(f"Syntax error: Unexpected {tree.sql('bigquery')!r}; a statement was expected")
        raise not_carried(f"The statement {tree.key.upper()}")
    return Statement("SELECT", scope.query(tree), scope.tables, scope.columns)


def expression(sql: str) -> str:
    """DuckDB's SQL of an expression without names, as a column's default is.

    Raises:
        Refusal: It is none, or speaks of columns.
    """
    tree = parsed(f"SELECT {sql}")
    value = tree.expressions[0] if isinstance(tree, exp.Select) and len(tree.expressions) == 1 else None
    if value is None or value.find(exp.Column, exp.Query) is not None or tree.args.get("from_"):
        raise invalid(f"The default {sql!r} is no expression of constants.")
    query = Scope(Catalogue({}), "", "").resolved(tree, 0)
    return dialect.written(query.expressions[0])
