"""Strings, bytes, hashes and JSON: where DuckDB has other functions or other edge cases."""

from __future__ import annotations

import re
from typing import Any

import sqlglot
from sqlglot import exp

from emulator.engines.bigquery.trees import KIND, NAMES, Correction, Tree, call, cast, kind_of, macro, not_carried
from emulator.engines.bigquery.types import quoted
from emulator.engines.bigquery.types import text as quoted_text

DIRECTIVE = re.compile(r"%(?P<flags>[-+ 0#]*)(?P<width>\d*)(?P<precision>\.\d+)?(?P<letter>.)")
WANTED = {**dict.fromkeys("dixXo", ("INT64",)), **dict.fromkeys("feEgG", ("FLOAT64",)), "s": ("STRING",),
          "t": ("STRING", "INT64", "DATE", "BOOL")}  # fmt: skip
"""Letter of FORMAT → types that it is carried for."""


def _like(node: Tree) -> Tree | None:
    """A backslash escapes in BigQuery; DuckDB must be told."""
    if isinstance(node.parent, exp.Escape):
        return None
    return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))


def _substring(node: Tree) -> Tree | None:
    """Position 0, and one left of the string, mean the first character."""
    if kind_of(node.this) == "BYTES":
        raise not_carried("SUBSTR of BYTES")
    return call("bq_substring", node.this, *(node.args[key] for key in ("start", "length") if node.args.get(key)))


def _joined(node: Tree) -> Tree | None:
    """Text beside a bare NULL is a NULL text."""
    for one in list(node.iter_expressions()):
        if isinstance(one, exp.Null):
            one.replace(cast(one, "VARCHAR"))
    return None


def _format(node: Tree) -> Tree | None:
    """FORMAT with a literal text whose letters DuckDB's printf has, too."""
    text = node.this
    if not isinstance(text, exp.Literal) or not text.is_string:
        raise not_carried("FORMAT", "its first argument must be a literal.")
    arguments = list(node.expressions)
    written, given, place, at = "", [], 0, 0
    for found in DIRECTIVE.finditer(text.name):
        written += text.name[at : found.start()]
        at = found.end()
        if found["letter"] == "%":
            written += "%%"
            continue
        if place >= len(arguments):
            raise not_carried("FORMAT", f"{found.group()} has no argument.")
        one = arguments[place]
        place += 1
        if kind_of(one) not in WANTED.get(found["letter"], ()):
            raise not_carried(f"FORMAT('{found.group()}') of {kind_of(one) or 'an unknown type'}", "cast it, or use other letters.")
        if found["letter"] == "t":
            one, letter = exp.Coalesce(this=cast(one, "VARCHAR"), expressions=[exp.Literal.string("NULL")]), "s"
        else:
            letter = "d" if found["letter"] == "i" else found["letter"]
        written += f"%{found['flags']}{found['width']}{found['precision'] or ''}{letter}"
        given.append(one)
    if place != len(arguments):
        raise not_carried("FORMAT", "it has more arguments than its text names.")
    return call("printf", written + text.name[at:], *given)


def _hash(node: Tree) -> Tree | None:
    """SHA256 and SHA512 are BYTES."""
    length = node.args.get("length")
    name = {"256": "sha256", "512": "bq_sha512"}.get(length.name if length else "256")
    if name is None:
        raise not_carried(f"SHA{length.name if length else ''}")
    return call("unhex", call(name, node.this)) if name == "sha256" else call(name, cast(_bytes(node.this), "BLOB"))


def _bytes(value: Tree) -> Tree:
    return value if kind_of(value) == "BYTES" else call("encode", value)


def _fingerprint(node: Tree) -> Tree | None:
    (value,) = node.expressions
    if kind_of(value) not in ("BYTES", "STRING"):
        raise not_carried("FARM_FINGERPRINT of a value whose type cannot be told", "cast it to STRING or BYTES.")
    return call("bq_farm_fingerprint", cast(_bytes(value), "BLOB"))


def _of_text(name: str) -> Correction:
    """A function that is carried for STRING alone."""

    def correction(node: Tree) -> Tree | None:
        if kind_of(node.this) == "BYTES":
            raise not_carried(f"{node.key.upper()} of BYTES")
        return call(name, node.this)

    return correction


def _character(node: Tree) -> Tree | None:
    return call("chr", cast(node.expressions[0], "INTEGER"))


def _json_array(scalars: bool) -> Correction:
    """The elements of an array in JSON; anything else is NULL."""

    def correction(node: Tree) -> Tree | None:
        path = node.args.get("expression")
        at = exp.Literal.string(path.sql("duckdb").strip("'")) if path is not None else exp.Literal.string("$")
        name = "bq_json_values" if scalars else "bq_json_array"
        found = call(name, cast(node.this, "JSON") if kind_of(node.this) == "STRING" else node.this, at)
        return cast(found, "VARCHAR[]") if kind_of(node.this) == "STRING" and not scalars else found

    return correction


def _json_query(node: Tree) -> Tree | None:
    """What is asked of a STRING is one; of one that is no JSON, NULL."""
    if kind_of(node.this) != "STRING":
        return None
    asked = node.copy()
    asked.set("this", call("bq_valid_json", node.this))
    return asked if isinstance(node, exp.JSONExtractScalar) else cast(asked, "VARCHAR")


def _to_json(node: Tree) -> Tree | None:
    """TO_JSON_STRING and TO_JSON, by BigQuery's encodings.

    https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions#json_encodings
    """
    if node.args.get("options") or any(node.args.get(key) for key in ("is_json", "expression")):
        raise not_carried(f"{'TO_JSON' if node.args.get('to_json') else 'TO_JSON_STRING'} with options")
    found = node.this.meta.get(KIND)
    if isinstance(node.this, exp.Null):
        shown = "CAST('null' AS JSON)"
    elif found is None:
        raise not_carried("JSON of a value whose type cannot be told", "cast it, or name its columns.")
    else:
        value = node.this.sql("duckdb")
        shown = f"coalesce({_encoded(f'({value})', found, 0)}, CAST('null' AS JSON))"
    return cast(sqlglot.parse_one(shown, read="duckdb"), "JSON" if node.args.get("to_json") else "VARCHAR")


def _encoded(value: str, type_: Any, depth: int) -> str:
    """DuckDB's SQL of a value as JSON."""
    name = NAMES.get(type_.this, "")
    if name == "ARRAY" and type_.expressions:
        one = f"j{depth}"
        return f"to_json(list_transform(coalesce({value}, []), lambda {one}: {_encoded(one, type_.expressions[0], depth + 1)}))"
    if name == "STRUCT":
        pairs = []
        for place, field in enumerate(type_.expressions, 1):
            label, inner = (field.name, field.args.get("kind")) if isinstance(field, exp.ColumnDef) else (f"_field_{place}", field)
            if inner is None:
                raise not_carried("JSON of a record whose types cannot be told")
            pairs.append(f"{quoted_text(label)}, {_encoded(f'{value}.{quoted(label)}', inner, depth)}")
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE json_object({', '.join(pairs)}) END"
    if type_.is_type("null"):
        return "CAST(NULL AS JSON)"
    if name not in ENCODED:
        raise not_carried(f"JSON of {name or type_.sql('bigquery')}")
    return ENCODED[name].format(x=value)


ENCODED = {
    "STRING": "to_json({x})",
    "BOOL": "to_json({x})",
    "JSON": "{x}",
    # Beyond what a double holds exactly, a string.
    "INT64": "CASE WHEN {x} BETWEEN -9007199254740992 AND 9007199254740992 THEN to_json({x}) ELSE to_json(CAST({x} AS VARCHAR)) END",
    "FLOAT64": "CASE WHEN isfinite({x}) THEN CAST(bq_float({x}) AS JSON) ELSE to_json(bq_infinite({x})) END",
    "DATE": "to_json(CAST({x} AS VARCHAR))",
    "TIME": "to_json(bq_string_time({x}))",
    "DATETIME": "to_json(replace(bq_string_datetime({x}), ' ', 'T'))",
    "TIMESTAMP": "to_json(replace(replace(bq_string_timestamp({x}), ' ', 'T'), '+00', 'Z'))",
    "BYTES": "to_json(base64({x}))",
}
"""GoogleSQL's type → DuckDB's SQL of its JSON."""
CORRECTIONS: dict[type[Tree], Correction] = {
    exp.Like: _like,
    exp.Substring: _substring,
    exp.Concat: _joined,
    exp.DPipe: _joined,
    exp.Format: _format,
    exp.SHA2: _hash,
    exp.SHA2Digest: _hash,
    exp.FarmFingerprint: _fingerprint,
    exp.ByteLength: macro("bq_byte_length"),
    exp.Chr: _character,
    exp.Unicode: _of_text("bq_unicode"),
    exp.ToCodePoints: _of_text("bq_code_points"),
    exp.CodePointsToString: macro("bq_of_code_points"),
    exp.SafeConvertBytesToString: macro("decode"),
    exp.JSONValueArray: _json_array(True),
    exp.JSONExtractArray: _json_array(False),
    exp.JSONExtract: _json_query,
    exp.JSONExtractScalar: _json_query,
    exp.JSONFormat: _to_json,
}
