"""Columns as GoogleSQL declares them and as REST describes them."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from emulator.engines.bigquery.trees import Tree, invalid, not_carried
from emulator.engines.bigquery.types import stored

Json = dict[str, Any]


def standard(one: Json) -> str:
    """A column's type as GoogleSQL writes it: `ARRAY<STRUCT<a INT64>>`."""
    names = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
    kind = str(names.get(one["type"], one["type"]))
    if kind in ("RECORD", "STRUCT"):
        inner = ", ".join(f"{child['name']} {standard(child)}" for child in one.get("fields", []))
        kind = f"STRUCT<{inner}>"
    return f"ARRAY<{kind}>" if one.get("mode") == "REPEATED" else kind


def column(definition: Tree) -> Json:
    """A column of CREATE TABLE as REST describes it.

    Raises:
        Refusal: Its type, or a constraint, is not emulated.
    """
    if not isinstance(definition, exp.ColumnDef) or definition.args.get("kind") is None:
        raise not_carried(f"{definition.sql('bigquery')} in CREATE TABLE")
    one: Json = {"name": definition.name, **_type(definition.args["kind"])}
    for constraint in definition.args.get("constraints") or []:
        found = constraint.args["kind"]
        if isinstance(found, exp.NotNullColumnConstraint) and not found.args.get("allow_null"):
            one["mode"] = "REQUIRED"
        elif isinstance(found, exp.DefaultColumnConstraint):
            one["defaultValueExpression"] = found.this.sql("bigquery")
        elif isinstance(found, exp.Properties) and all(option.name.lower() == "description" for option in found.expressions):
            one["description"] = found.expressions[0].args["value"].name
        else:
            raise not_carried(f"{constraint.sql('bigquery')} of a column")
    return one


def kept(fields: list[Json], name: str) -> Json:
    """The column of a table that a statement names.

    Raises:
        Refusal: There is none.
    """
    found = next((one for one in fields if one["name"].lower() == name.lower()), None)
    if found is None:
        raise invalid(f"Column not found: {name}")
    return found


def _type(found: Any) -> Json:
    if found.this == exp.DataType.Type.ARRAY:
        return {**_type(found.expressions[0]), "mode": "REPEATED"}
    if found.this == exp.DataType.Type.STRUCT:
        inner = [{"name": one.name, **_type(one.args["kind"])} for one in found.expressions]
        return {"type": "RECORD", "mode": "NULLABLE", "fields": inner}
    shown = found.sql("bigquery")
    if "(" in shown:
        raise not_carried(f"The type {shown}", "declare it without a length or precision.")
    names = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
    one = {"type": names.get(shown, re.sub(r"^DECIMAL$", "NUMERIC", shown)), "mode": "NULLABLE"}
    stored({"name": "", **one})
    return one
