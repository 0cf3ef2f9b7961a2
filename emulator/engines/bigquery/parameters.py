"""Query parameters: the values of a request in the places that a statement leaves open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlglot import exp

from emulator.engines.bigquery.trees import Tree, invalid, not_carried
from emulator.engines.bigquery.types import kind as kind_of
from emulator.engines.bigquery.types import repeated

Json = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def with_values(tree: Tree, parameters: list[Json]) -> None:
    """Puts the request's values in the place of `@name` and `?`."""
    by_name = {str(one["name"]).lower(): one for one in parameters if one.get("name")}
    positional = [one for one in parameters if not one.get("name")]
    marks = [node for node in tree.dfs() if isinstance(node, (exp.Parameter, exp.Placeholder))]
    for node in marks:
        if isinstance(node.this, exp.Parameter) or isinstance(node.parent, exp.Parameter):
            raise not_carried("A system variable (@@…)")
        if isinstance(node, exp.Parameter):
            one = by_name.get(node.name.lower())
            if one is None:
                raise invalid(f"Query parameter '{node.name}' not found")
        else:
            if not positional:
                raise invalid("Query parameter number exceeds the values that were given")
            one = positional.pop(0)
        node.replace(value_of(one.get("parameterType", {}), one.get("parameterValue", {})))


def value_of(kind: Json, value: Json) -> Tree:
    """A value of a request as an expression of its type."""
    name = str(kind.get("type", "STRING")).upper()
    if name == "ARRAY":
        items = [value_of(kind["arrayType"], one) for one in value.get("arrayValues", [])]
        return exp.cast(exp.Array(expressions=items), _type_name(kind), dialect="bigquery")
    if name in ("STRUCT", "RECORD"):
        given = value.get("structValues", {})
        pairs = [
            exp.PropertyEQ(this=exp.to_identifier(one["name"]), expression=value_of(one["type"], given.get(one["name"], {})))
            for one in kind.get("structTypes", [])
        ]
        return exp.Struct(expressions=pairs)
    given = value.get("value")
    if given is None:
        return exp.cast(exp.null(), name, dialect="bigquery")
    if name in ("STRING", "JSON"):
        literal = exp.Literal.string(str(given))
        return literal if name == "STRING" else exp.ParseJSON(this=literal)
    if name == "BYTES":
        return exp.FromBase64(this=exp.Literal.string(str(given)))
    return exp.cast(exp.Literal.string(str(given)), name, dialect="bigquery")


def _type_name(kind: Json) -> str:
    if kind["type"] == "ARRAY":
        return f"ARRAY<{_type_name(kind['arrayType'])}>"
    if kind["type"] == "STRUCT":
        inner = ", ".join(f"{one['name']} {_type_name(one['type'])}" for one in kind["structTypes"])
        return f"STRUCT<{inner}>"
    return str(kind["type"])


def type_of(field: Json) -> Json:
    """A column's type as a query parameter has it."""
    if repeated(field):
        return {"type": "ARRAY", "arrayType": type_of({**field, "mode": ""})}
    name = NAMES.get(kind_of(field), kind_of(field))
    if name == "STRUCT":
        return {"type": "STRUCT", "structTypes": [{"name": one["name"], "type": type_of(one)} for one in field["fields"]]}
    return {"type": name}


def parameter_of(field: Json, value: Any) -> Json:
    """A value of a row as a query parameter has it."""
    if repeated(field):
        return {"arrayValues": [parameter_of({**field, "mode": ""}, one["v"]) for one in value or []]}
    if value is None:
        return {}
    if kind_of(field) == "RECORD":
        return {
            "structValues": {one["name"]: parameter_of(one, given["v"]) for one, given in zip(field["fields"], value["f"], strict=True)}
        }
    if kind_of(field) == "TIMESTAMP":
        return {"value": (EPOCH + timedelta(microseconds=int(value))).isoformat()}
    return {"value": value}
