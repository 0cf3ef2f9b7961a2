"""GoogleSQL's types of the parts of a statement, as far as sqlglot can tell them: some corrections depend on them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from emulator.engines.bigquery.trees import KIND, Tree, kind_of, not_carried

if TYPE_CHECKING:
    from emulator.engines.bigquery.catalogue import Table

Json = dict[str, Any]

MARK = "mark"
NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
BY_NUMERIC = (exp.Mul, exp.Div, exp.IntDiv, exp.SafeDivide, exp.SafeMultiply, exp.Avg, exp.Sqrt, exp.Pow, exp.Exp, exp.Ln, exp.Log)
"""What means one thing for FLOAT64 and another for NUMERIC."""
STUMBLES = (SqlglotError, AttributeError, LookupError, TypeError, ValueError)
"""What sqlglot raises over statements that it cannot resolve; DuckDB may still do so."""


def annotate(tree: Tree, found: Callable[[Tree], Table | None]) -> None:
    """Writes down the types of a statement's parts where they are known.

    Args:
        tree: The statement; its nodes' `meta` are changed.
        found: The catalogue's table that a name in SQL means, or none.

    Raises:
        Refusal: NUMERIC values are in sight, and whether a calculation is one of them cannot be told.
    """
    nodes = list(tree.walk())
    for number, node in enumerate(nodes):
        node.meta[MARK] = number
    known = {node.meta[MARK]: table for node in nodes if isinstance(node, exp.Table) and (table := found(node)) is not None}
    types = _types(tree, known)
    columns = _unambiguous(known.values())
    for node in nodes:
        if (one := types.get(node.meta.pop(MARK))) is not None and not one.is_type("unknown"):
            node.meta[KIND] = one
    unnested = {
        node.alias_or_name.lower(): node.meta[KIND] for node in nodes if isinstance(node, exp.Unnest) and KIND in node.meta and node.alias
    }
    for node in nodes:
        if isinstance(node, exp.Table) and (table := found(node)) is not None and not table.view:
            # A table's name stands for its rows as records.
            record = _written({"type": "RECORD", "fields": table.fields})
            unnested.setdefault(node.alias_or_name.lower(), exp.DataType.build(record, dialect="bigquery"))
    for node in nodes:
        if isinstance(node, exp.Column) and KIND not in node.meta and (one := _path(node, unnested, columns)) is not None:
            node.meta[KIND] = one
    for node in reversed(nodes):
        if isinstance(node, exp.Binary) and kind_of(node) == "FLOAT64" and _among_numeric(node):
            node.meta[KIND] = exp.DataType.build("DECIMAL")
    if any(_holds_numeric(table.fields) for table in known.values()) or any(one.is_type("decimal") for one in types.values()):
        for node in nodes:
            if isinstance(node, BY_NUMERIC) and not kind_of(node):
                raise not_carried(f"{node.sql('bigquery')} beside NUMERIC values", "its type cannot be told; cast its operands.")


def typed(fields: Iterable[Json]) -> dict[str, str]:
    """Columns and their types as GoogleSQL writes them."""
    return {str(one["name"]): _written(one) for one in fields}


def _written(field: Json) -> str:
    name = str(NAMES.get(field["type"], field["type"]))
    if name in ("RECORD", "STRUCT"):
        name = "STRUCT<" + ", ".join(f"`{child['name']}` {_written(child)}" for child in field.get("fields", [])) + ">"
    return f"ARRAY<{name}>" if field.get("mode") == "REPEATED" else name


def _types(tree: Tree, known: Mapping[int, Table]) -> dict[int, Any]:
    """Mark of a node → its type."""
    copy = tree.copy()
    schema: dict[str, Any] = {}
    common = {one.alias for one in copy.find_all(exp.CTE)}
    for node in list(copy.find_all(exp.Table)):
        table = known.get(node.meta.get(MARK, -1))
        if table is not None and (node.args.get("db") or node.name not in common):
            project, dataset, name = table.short.split(".", 2)
            schema.setdefault(project, {}).setdefault(dataset, {})[name] = typed(table.fields)
            for key, value in (("this", name), ("db", dataset), ("catalog", project)):
                node.set(key, exp.to_identifier(value, quoted=True))
    try:
        mapping = MappingSchema(schema, dialect="bigquery", normalize=True) if schema else MappingSchema(dialect="bigquery")
        if isinstance(copy, exp.Query):
            copy = qualify(
                copy, schema=mapping, dialect="bigquery", validate_qualify_columns=False, expand_stars=False, expand_alias_refs=False,
                quote_identifiers=False, identify=False,
            )  # fmt: skip
        copy = annotate_types(copy, schema=mapping, dialect="bigquery")
    except STUMBLES:
        return {}
    return {node.meta[MARK]: node.type for node in copy.walk() if MARK in node.meta and node.type is not None}


def _unambiguous(tables: Iterable[Table]) -> dict[str, Any]:
    """Columns whose name has one type in all tables."""
    found: dict[str, set[str]] = {}
    for table in tables:
        for name, written in typed(table.fields).items():
            found.setdefault(name.lower(), set()).add(written)
    return {name: exp.DataType.build(next(iter(one)), dialect="bigquery") for name, one in found.items() if len(one) == 1}


def _path(node: exp.Column, unnested: Mapping[str, Any], columns: Mapping[str, Any]) -> Any:
    """Type of `alias.field` or `record.field.field`."""
    head, *rest = [part.name.lower() for part in node.parts]
    one = unnested.get(head) or columns.get(head)
    if one is None and rest:
        head, *rest = rest
        one = columns.get(head)
    for name in rest:
        if one is None or not one.is_type("struct"):
            return None
        one = next((child.args.get("kind") for child in one.expressions if child.name.lower() == name), None)
    return one


def _among_numeric(node: Tree) -> bool:
    """Whether a calculation is one of NUMERIC values, for a number with a point beside one is taken as such."""
    sides = [node.args["this"], node.args["expression"]]
    return "NUMERIC" in map(kind_of, sides) and all(kind_of(one) == "NUMERIC" or isinstance(one, exp.Literal) for one in sides)


def fields_of(node: Tree) -> list[str]:
    """Names of the fields of a record; none where the node is not known to be one."""
    one = node.meta.get(KIND)
    if one is None or not one.is_type("struct"):
        return []
    return [child.name for child in one.expressions if isinstance(child, exp.ColumnDef)]


def _holds_numeric(fields: Iterable[Json]) -> bool:
    return any(re.search("NUMERIC|DECIMAL", str(one.get("type"))) or _holds_numeric(one.get("fields", [])) for one in fields)
