"""Numbers, casts and what is computed from them: where DuckDB would give another value, another type, or no error."""

from __future__ import annotations

from sqlglot import exp

from emulator.engines.bigquery.trees import Correction, Tree, call, called, cast, invalid, is_literal, kind_of, macro, not_carried

NUMERIC = "DECIMAL(38, 9)"
INCOMPARABLE = [{"STRING", other} for other in ("INT64", "FLOAT64", "NUMERIC", "BOOL", "DATE", "TIMESTAMP", "DATETIME", "TIME")]
INCOMPARABLE += [{"DATE", "TIMESTAMP"}, {"DATETIME", "TIMESTAMP"}, {"BOOL", "INT64"}]
SIGNS: dict[type[Tree], str] = {exp.EQ: "=", exp.NEQ: "!=", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
VALUES = (exp.Alias, exp.Select, exp.Array, exp.PropertyEQ, exp.Struct, exp.Tuple, exp.Unnest)
"""Under these a bare whole number is a value, and so an INT64."""


def _literal(node: Tree) -> Tree | None:
    """`2.5` is a FLOAT64, not a decimal; a whole number that is a value is an INT64, where DuckDB takes 32 bits."""
    if node.is_string or isinstance(node.parent, (exp.DataTypeParam, exp.Interval)):
        return None
    if node.name.startswith("0x"):
        return cast(exp.Literal.number(int(node.name, 16)), "BIGINT")
    if any(mark in node.name for mark in ".eE"):
        return cast(node, "DOUBLE")
    return cast(node, "BIGINT") if isinstance(node.parent, VALUES) and node.arg_key in ("this", "expression", "expressions") else None


def _numeric(node: Tree, name: str) -> Tree:
    """A calculation on NUMERIC values, exact to nine places."""
    return call(name, cast(node.args["this"], NUMERIC), cast(node.args["expression"], NUMERIC))


def _arithmetic(node: Tree) -> Tree | None:
    """Whole numbers in arithmetic are INT64; beside a column (or a date) they become what that is."""
    left, right = node.args["this"], node.args["expression"]
    if kind_of(left) == "DATE" and kind_of(right) == "INT64":
        right.replace(cast(exp.Paren(this=right.copy()), "INTEGER"))
    elif kind_of(node) == "NUMERIC":
        if isinstance(node, exp.Mul):
            return _numeric(node, "bq_numeric_multiply")
        for side in (left, right):
            side.replace(cast(side, NUMERIC))
    elif isinstance(left, exp.Literal) and not left.is_string and isinstance(right, (exp.Literal, exp.Paren, exp.Neg)):
        left.replace(cast(left, "BIGINT"))
    return None


def _comparison(node: Tree) -> Tree | None:
    """Types are compared that BigQuery compares; a number with a point beside a NUMERIC value is one, too."""
    if isinstance(node.parent, exp.Update) and node.arg_key == "expressions":
        return None
    sides = node.args["this"], node.args["expression"]
    one, other = map(kind_of, sides)
    if {one, other} in INCOMPARABLE and all(isinstance(side, (exp.Column, exp.Literal, exp.Cast)) for side in sides):
        literal = any(kind_of(side) == "STRING" and is_literal(side) for side in sides)
        if not literal or {one, other} & {"INT64", "FLOAT64", "NUMERIC", "BOOL"}:
            raise invalid(f"No matching signature for operator {SIGNS[type(node)]} for argument types: {one}, {other}")
    for left, right in (sides, sides[::-1]):
        if kind_of(left) == "NUMERIC" and is_literal(right):
            right.replace(cast(right, NUMERIC))
    return _without_nan(node, [side for side in sides if kind_of(side) == "FLOAT64" and not is_literal(side)])


def _without_nan(node: Tree, floats: list[Tree]) -> Tree | None:
    """NaN is neither equal to, nor less or greater than any number; in DuckDB it is the greatest, and equal to itself."""
    if not floats or (isinstance(node, (exp.EQ, exp.NEQ)) and len(floats) < 2):
        return None
    if isinstance(node, exp.NEQ):
        return exp.Paren(this=exp.Or(this=node.copy(), expression=call("isnan", floats[0])))
    whole: Tree = node.copy()
    for one in floats:
        whole = exp.And(this=whole, expression=exp.Not(this=call("isnan", one)))
    return exp.Paren(this=whole)


def _order(node: Tree) -> Tree | None:
    """NaN comes before all numbers, in DuckDB after them."""
    select = node.parent
    if not isinstance(select, exp.Select) or select.args.get("distinct"):
        return None
    for one in list(node.expressions):
        if kind_of(one.this) == "FLOAT64" and isinstance(one.this, exp.Column):
            first = exp.Ordered(this=call("isnan", one.this), desc=not one.args.get("desc"), nulls_first=one.args.get("nulls_first"))
            node.set("expressions", [other for key in node.expressions for other in ((first, key) if key is one else (key,))])
    return None


def _least(node: Tree) -> Tree | None:
    """MIN of what holds a NaN is one, as MAX is."""
    if kind_of(node.this) != "FLOAT64" or isinstance(node.parent, exp.Window) or not isinstance(node.this, exp.Column):
        return None
    nan = cast(exp.Literal.string("NaN"), "DOUBLE")
    return exp.Case(ifs=[exp.If(this=call("bool_or", call("isnan", node.this)), true=nan)], default=node.copy())


def _division(node: Tree) -> Tree | None:
    """By zero is an error, where DuckDB gives infinity or NULL."""
    if kind_of(node) == "NUMERIC" and isinstance(node, (exp.Div, exp.IntDiv)):
        divided = _numeric(node, "bq_numeric_divide")
        return divided if isinstance(node, exp.Div) else cast(exp.Trunc(this=divided), NUMERIC)
    divisor = node.args["expression"]
    divisor.replace(exp.Anonymous(this="bq_divisor", expressions=[divisor.copy()]))
    return None


def _safe_divide(node: Tree) -> Tree | None:
    if kind_of(node) != "NUMERIC":
        return None
    divisor = exp.Nullif(this=cast(node.args["expression"], NUMERIC), expression=exp.Literal.number(0))
    return call("bq_numeric_divide", cast(node.this, NUMERIC), divisor)


def _average(node: Tree) -> Tree | None:
    """The average of NUMERIC values is one."""
    if kind_of(node) != "NUMERIC":
        return None
    if isinstance(node.parent, exp.Window):
        raise not_carried("AVG of NUMERIC values over a window", "cast them to FLOAT64.")
    return call("bq_numeric_divide", exp.Sum(this=node.this.copy()), cast(exp.Count(this=node.this.copy()), NUMERIC))


def _safely(operator: type[Tree]) -> Correction:
    """SAFE_ADD and its like give NULL instead of an error."""

    def correction(node: Tree) -> Tree | None:
        kinds = {kind_of(node.args["this"]), kind_of(node.args["expression"])}
        if kinds != {"INT64"}:
            raise not_carried(f"{node.key.upper()} of other types than INT64")
        return call("try", operator(this=cast(node.args["this"], "BIGINT"), expression=cast(node.args["expression"], "BIGINT")))

    return correction


def _safe_negate(node: Tree) -> Tree | None:
    if kind_of(node.this) != "INT64":
        raise not_carried("SAFE_NEGATE of other types than INT64")
    return call("try", exp.Sub(this=cast(exp.Literal.number(0), "BIGINT"), expression=cast(node.this, "BIGINT")))


def _cast(node: Tree) -> Tree | None:
    """Casts to INT64, BOOL and STRING by BigQuery's rules; NUMERIC has 9 places."""
    to = node.args["to"]
    if node.args.get("format"):
        raise not_carried("CAST … FORMAT", "use FORMAT_DATE, PARSE_DATE and their like.")
    if isinstance(node.this, exp.Null):
        if to.this == exp.DataType.Type.DECIMAL and not to.expressions:
            to.replace(exp.DataType.build(NUMERIC, dialect="duckdb"))
        return None
    safe = isinstance(node, exp.TryCast)
    if to.this == exp.DataType.Type.BIGINT:
        return called("bq_try_int64" if safe else "bq_int64", node.this)
    if to.this == exp.DataType.Type.BOOLEAN and kind_of(node.this) == "STRING":
        return called("bq_try_bool" if safe else "bq_bool", node.this)
    if to.this == exp.DataType.Type.DATE and kind_of(node.this) == "STRING":
        return call("bq_try_date" if safe else "bq_date", node.this)
    if to.this == exp.DataType.Type.TEXT:
        if safe and kind_of(node.this) == "BYTES":
            return call("try", exp.Anonymous(this="decode", expressions=[node.this.copy()]))
        return called("bq_string", node.this)
    if to.this in (exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY) and kind_of(node.this) != "BYTES":
        if kind_of(node.this) != "STRING":
            raise not_carried("A cast to BYTES of a value whose type cannot be told")
        return call("encode", node.this)
    if to.this == exp.DataType.Type.DECIMAL and not to.expressions:
        to.replace(exp.DataType.build(NUMERIC, dialect="duckdb"))
    return None


def _real(name: str) -> Correction:
    """A function of real numbers: outside of where it is defined stands an error, in DuckDB NaN or infinity."""

    def correction(node: Tree) -> Tree | None:
        given = [node.args[key] for key in ("this", "expression") if node.args.get(key) is not None]
        if "NUMERIC" in (kind_of(node), *map(kind_of, given)):
            raise not_carried(f"{name} of NUMERIC values", "cast them to FLOAT64.")
        if isinstance(node, exp.Log) and len(given) == 2:
            # sqlglot puts the base first.
            base, value = (cast(one, "DOUBLE") for one in given)
            return call("bq_real", "LOG", exp.Div(this=call("ln", value), expression=call("ln", base)), value)
        inner = "ln" if isinstance(node, exp.Log) else name.lower()
        return call("bq_real", name, call(inner, *(cast(one, "DOUBLE") for one in given)), cast(given[0], "DOUBLE"))

    return correction


def _round(node: Tree) -> Tree | None:
    if node.args.get("truncate"):
        raise not_carried("ROUND with a rounding mode")
    return macro("bq_round", "decimals")(node)


def _bucket(node: Tree) -> Tree | None:
    """RANGE_BUCKET counts the boundaries that are not greater."""
    return call("bq_range_bucket", node.this, node.expression)


CORRECTIONS: dict[type[Tree], Correction] = {
    exp.Literal: _literal,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul), _arithmetic),
    **dict.fromkeys(SIGNS, _comparison),
    **dict.fromkeys((exp.Div, exp.IntDiv, exp.Mod), _division),
    exp.Order: _order,
    exp.Min: _least,
    exp.SafeDivide: _safe_divide,
    exp.Avg: _average,
    exp.SafeAdd: _safely(exp.Add),
    exp.SafeSubtract: _safely(exp.Sub),
    exp.SafeMultiply: _safely(exp.Mul),
    exp.SafeNegate: _safe_negate,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Sign: macro("bq_sign"),
    exp.Round: _round,
    exp.RangeBucket: _bucket,
    exp.Ln: _real("LN"),
    exp.Log: _real("LOG"),
    exp.Sqrt: _real("SQRT"),
    exp.Exp: _real("EXP"),
    exp.Pow: _real("POW"),
    exp.Acos: _real("ACOS"),
    exp.Asin: _real("ASIN"),
    exp.Sinh: _real("SINH"),
    exp.Cosh: _real("COSH"),
}
