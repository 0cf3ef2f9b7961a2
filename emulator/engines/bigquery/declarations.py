"""Columns as GoogleSQL declares them and as REST describes them."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from emulator.engines.bigquery.trees import Tree, not_carried
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


def declared(definition: Tree) -> Json:
    """A column of CREATE TABLE as REST describes it."""
    if not isinstance(definition, exp.ColumnDef):
        raise not_carried(f"{definition.sql('bigquery')} in CREATE TABLE")
    required = any(isinstance(one.kind, exp.NotNullColumnConstraint) for one in definition.args.get("constraints") or [])
    return {"name": definition.name, **_type(definition.kind), **({"mode": "REQUIRED"} if required else {})}


def _type(found: Any) -> Json:
    if found.this == exp.DataType.Type.ARRAY:
        return {**_type(found.expressions[0]), "mode": "REPEATED"}
    if found.this == exp.DataType.Type.STRUCT:
        return {"type": "RECORD", "mode": "NULLABLE", "fields": [{"name": one.name, **_type(one.kind)} for one in found.expressions]}
    written = re.sub(r"\(.*\)", "", found.sql("bigquery"))
    names = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
    one = {"type": names.get(written, written), "mode": "NULLABLE"}
    stored({"name": "", **one})
    return one
