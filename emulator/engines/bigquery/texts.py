"""Strings, bytes, hashes and JSON: where DuckDB has other functions or other edge cases."""

from __future__ import annotations

import re

from sqlglot import exp

from emulator.engines.bigquery.trees import Correction, Tree, call, cast, kind_of, macro, not_carried

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
    """What is asked of a STRING is one."""
    if kind_of(node.this) != "STRING" or isinstance(node.parent, exp.Cast):
        return None
    return exp.Cast(this=node.copy(), to=exp.DataType.build("VARCHAR", dialect="duckdb"))


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
}
