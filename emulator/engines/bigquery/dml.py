"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE: what BigQuery forbids and DuckDB would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlglot import exp

from emulator.engines.bigquery import dialect
from emulator.engines.bigquery.catalogue import Table
from emulator.engines.bigquery.scope import Scope
from emulator.engines.bigquery.statement import Statement
from emulator.engines.bigquery.trees import Tree, coerces, invalid, is_literal, kind_of, not_carried
from emulator.engines.bigquery.types import kind, quoted, repeated

Json = dict[str, Any]

KINDS = {exp.Insert: "INSERT", exp.Update: "UPDATE", exp.Delete: "DELETE", exp.Merge: "MERGE", exp.TruncateTable: "TRUNCATE_TABLE"}
NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def of_statement(tree: Tree, scope: Scope) -> Statement | None:
    """What a statement of DML is to do; none where it is no such statement.

    Raises:
        Refusal: It is wrong, or not emulated.
    """
    name = next((name for node, name in KINDS.items() if isinstance(tree, node)), "")
    if not name:
        return None
    target = tree.expressions[0] if isinstance(tree, exp.TruncateTable) else tree.this
    target = target.this if isinstance(target, exp.Schema) else target
    table = scope.found(target)
    if table.view:
        raise invalid(f"{table.short} is a view, which DML cannot change.")
    if isinstance(tree, (exp.Update, exp.Delete)) and tree.args.get("where") is None:
        raise invalid(f"{name} must have a WHERE clause")
    columns: list[Tree] = [exp.Identifier(this=one["name"], quoted=True) for one in table.fields]
    if isinstance(tree, exp.Insert) and not isinstance(tree.this, exp.Schema):
        tree.set("this", exp.Schema(this=tree.this, expressions=columns))
    if isinstance(tree, exp.Merge):
        _spell_rows(tree, columns)
    for record in tree.find_all(exp.Struct):
        # What is written into a table is a record by the places of its fields.
        record.meta["written"] = not isinstance(record.parent, (exp.Dot, exp.Paren))
    _assign(tree, table, target.alias_or_name)
    tree = scope.resolved(tree, 0)
    _check_types(tree, table)
    return Statement(name, dialect.written(tree), scope.tables, scope.columns, target=table.name, forbidden=_twice(tree))


def _spell_rows(tree: Tree, columns: Sequence[Tree]) -> None:
    """`INSERT ROW` names all columns of the source."""
    source = tree.args["using"].alias_or_name
    for insert in tree.args["whens"].find_all(exp.Insert):
        if isinstance(insert.this, exp.Var):
            insert.set("this", exp.Tuple(expressions=[exp.Column(this=one.copy()) for one in columns]))
            values = [exp.Column(this=one.copy(), table=exp.to_identifier(source, quoted=True)) for one in columns]
            insert.set("expression", exp.Tuple(expressions=values))


def _assignments(tree: Tree) -> Iterator[Tree]:
    for update in tree.find_all(exp.Update):
        yield from (one for one in update.expressions if isinstance(one, exp.EQ))


def _assign(tree: Tree, table: Table, alias: str) -> None:
    """`SET t.a = 1` names a column; `SET r.a = 1` changes a field of a record."""
    for one in _assignments(tree):
        parts = [part.name for part in one.this.parts] if isinstance(one.this, exp.Column) else [one.this.name]
        if len(parts) == 2 and parts[0].lower() == alias.lower():
            one.this.replace(exp.column(parts[1]))
        elif len(parts) > 1:
            field = next((field for field in table.fields if field["name"].lower() == parts[0].lower()), None)
            if len(parts) != 2 or field is None or kind(field) != "RECORD" or repeated(field):
                raise not_carried(f"SET {one.this.sql('bigquery')}")
            children = [child["name"] for child in field["fields"]]
            if parts[1].lower() not in map(str.lower, children):
                raise invalid(f"Field {parts[1]} does not exist in {parts[0]}")
            values: list[Tree] = [
                one.expression.copy() if child.lower() == parts[1].lower() else exp.column(child, table=field["name"]) for child in children
            ]
            one.expression.replace(_record(values))
            one.this.replace(exp.column(field["name"]))


def _record(values: list[Tree]) -> Tree:
    record = exp.Struct(expressions=values)
    record.meta["written"] = True
    return record


def _check_types(tree: Tree, table: Table) -> None:
    """A value has the type of its column, or one that becomes it by itself; DuckDB would read a number out of a text."""
    fields = {one["name"].lower(): one for one in table.fields}
    for one in _assignments(tree):
        _check_value(one.expression, fields.get(one.this.name.lower()))
    if isinstance(tree, exp.Insert) and isinstance(tree.this, exp.Schema):
        targets = [fields.get(one.name.lower()) for one in tree.this.expressions]
        if unknown := [one.name for one in tree.this.expressions if one.name.lower() not in fields]:
            raise invalid(f"Column {unknown[0]} is not present in table {table.short}")
        source = tree.expression
        rows = [one.expressions for one in source.expressions] if isinstance(source, exp.Values) else []
        rows += [source.expressions] if isinstance(source, exp.Select) and not source.is_star else []
        for row in rows:
            if len(row) != len(targets):
                raise invalid(f"Inserted row has wrong column count; Has {len(row)}, expected {len(targets)}")
            for value, field in zip(row, targets, strict=True):
                _check_value(value, field)


def _check_value(value: Tree, field: Json | None) -> None:
    given = "" if isinstance(value.unalias(), exp.Null) else kind_of(value)
    if field is None or not given:
        return
    wanted = "ARRAY" if repeated(field) else NAMES.get(kind(field), kind(field))
    if not coerces(given, wanted, is_literal(value.unalias())):
        raise invalid(f"Value has type {given} which cannot be inserted into column {field['name']}, which has type {wanted}")


def _twice(tree: Tree) -> str:
    """DuckDB's query of rows that would be changed twice, which must not be; empty where none can be."""
    if isinstance(tree, exp.Merge):
        matched = [one for one in tree.args["whens"].expressions if one.args.get("matched")]
        if not matched:
            return ""
        conditions = [one.args.get("condition") for one in matched]
        chosen = "" if None in conditions else " AND (" + " OR ".join(one.sql("duckdb") for one in conditions if one is not None) + ")"
        joined = f"{tree.this.sql('duckdb')} JOIN {tree.args['using'].sql('duckdb')} ON ({tree.args['on'].sql('duckdb')}){chosen}"
    elif isinstance(tree, exp.Update) and tree.args.get("from_"):
        joined = f"{tree.this.sql('duckdb')}, {tree.args['from_'].sql('duckdb').partition('FROM ')[2]} {tree.args['where'].sql('duckdb')}"
    else:
        return ""
    return f"SELECT 1 FROM {joined} GROUP BY {quoted(tree.this.alias_or_name)}.rowid HAVING count(*) > 1 LIMIT 1"
