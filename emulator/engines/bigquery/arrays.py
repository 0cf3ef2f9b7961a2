"""Arrays, records, and what turns rows into columns: places, UNNEST, ARRAY_AGG, PIVOT."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp

from emulator.engines.bigquery.kinds import fields_of
from emulator.engines.bigquery.trees import Correction, Tree, call, kind_of, not_carried

COLUMN = re.compile(r"[A-Za-z_]\w*")


def _bracket(node: Tree) -> Tree | None:
    """`a[OFFSET(9)]` beyond the end is an error, where DuckDB gives NULL; `a[SAFE_OFFSET(-1)]` is NULL, where it counts from the end."""
    (index,) = node.expressions if len(node.expressions) == 1 else (None,)
    if index is None or index.is_string:
        return None
    if kind_of(node.this) == "JSON":
        raise not_carried("A subscript of JSON", "use JSON_QUERY or JSON_VALUE.")
    place: Tree = exp.Add(this=exp.Paren(this=index.copy()), expression=exp.Literal.number(1 - (node.args.get("offset") or 0)))
    return call("bq_at_or_null" if node.args.get("safe") else "bq_at", node.this, place)


def _unnest(node: Tree) -> Tree | None:
    """The elements of an array as rows.

    The fields of records are columns; `WITH OFFSET` counts from zero, where DuckDB's `WITH ORDINALITY` counts from one.
    """
    offset, fields = node.args.get("offset"), fields_of(node)
    if not offset and not fields:
        return None
    if len(node.expressions) != 1:
        raise not_carried("UNNEST of several arrays with an offset, or of records")
    alias = node.args.get("alias")
    names = alias.columns if alias else []
    column = names[0] if names else exp.to_identifier("f0_")
    counter = offset if isinstance(offset, exp.Identifier) else exp.to_identifier("offset")
    array = node.expressions[0].sql("duckdb")
    value, count = column.sql("duckdb", identify=True), counter.sql("duckdb", identify=True)
    counted = f", unnest(range(len(a))) AS {count}" if offset else ""
    inner = f"SELECT unnest(a) AS {value}{counted} FROM (SELECT {array} AS a)"
    if fields:
        shown = [f'{value}."{name}" AS "{name}"' for name in fields]
        if names and _is_named(node, column.name, fields):
            shown.append(value)
        inner = f"SELECT {', '.join([*shown, count] if offset else shown)} FROM ({inner})"
        name = column.name if names else "_records"
    else:
        name = f"_{counter.name}_of_{column.name}"
    return exp.Subquery(this=sqlglot.parse_one(inner, read="duckdb"), alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))


def _is_named(node: Tree, name: str, fields: list[str]) -> bool:
    """Whether a statement speaks of whole elements, beside of their fields."""
    select = node.find_ancestor(exp.Select)
    if select is None or name.lower() in {one.lower() for one in fields}:
        return False
    whole = any(one.name.lower() == name.lower() and not one.table for one in select.find_all(exp.Column))
    star = any(isinstance(one, exp.Star) or (isinstance(one, exp.Column) and isinstance(one.this, exp.Star)) for one in select.expressions)
    if whole and star:
        raise not_carried(f"A star beside {name}, which stands for whole records")
    return whole


def _join(node: Tree) -> Tree | None:
    """`LEFT JOIN UNNEST(a)` needs no condition."""
    if node.args.get("side") and not node.args.get("on") and not node.args.get("using") and not node.args.get("method"):
        node.set("on", exp.true())
    return None


def _struct(node: Tree) -> Tree | None:
    """A field without a name is `_field_1` by its place; in a cast, and in what is written into a table, places alone count."""
    if isinstance(node.parent, exp.Cast):
        return None
    if node.meta.get("written"):
        values = [
            one.expression if isinstance(one, exp.PropertyEQ) else one.this if isinstance(one, exp.Alias) else one
            for one in node.expressions
        ]
        return call("row", *values)
    for place, one in enumerate(list(node.expressions), 1):
        if not isinstance(one, (exp.PropertyEQ, exp.Alias, exp.Column)):
            one.replace(exp.PropertyEQ(this=exp.to_identifier(f"_field_{place}"), expression=one.copy()))
    return None


def _array_agg(node: Tree) -> Tree | None:
    """`LIMIT` inside takes the first elements."""
    limit = node.this if isinstance(node.this, exp.Limit) else None
    if limit is None:
        return None
    parent = node.parent
    inner: Tree = exp.ArrayAgg(this=limit.this.copy())
    if isinstance(parent, exp.IgnoreNulls):
        inner = exp.IgnoreNulls(this=inner)
    cut = call("list_slice", inner, 1, limit.expression)
    if isinstance(parent, exp.IgnoreNulls):
        parent.replace(cut)
        return None
    return cut


def _by(name: str) -> Correction:
    """MAX_BY and its like, also where the value that is asked for is NULL."""

    def correction(node: Tree) -> Tree | None:
        return call(name, node.this, node.expression)

    return correction


def _any_value(node: Tree) -> Tree | None:
    inner = node.this
    if not isinstance(inner, exp.HavingMax):
        return None
    return call("arg_max_null" if inner.args.get("max") else "arg_min_null", inner.this, inner.expression)


def pivoted(source: Tree, pivot: Tree) -> Tree:
    """The query that PIVOT or UNPIVOT of `source` means."""
    fields = pivot.args.get("fields") or []
    if len(fields) != 1 or not isinstance(fields[0], exp.In):
        raise not_carried("This form of PIVOT")
    return (_unpivoted if pivot.args.get("unpivot") else _pivoted)(source, pivot, fields[0])


def _pivoted(source: Tree, pivot: Tree, among: Tree) -> Tree:
    used = {one.name for one in pivot.find_all(exp.Column)}
    shown: list[Tree] = []
    for one in among.expressions:
        value = one.this if isinstance(one, exp.PivotAlias) else one
        label = one.args["alias"].name if isinstance(one, exp.PivotAlias) else _label(value)
        for aggregate in pivot.expressions:
            bare = aggregate.this if isinstance(aggregate, exp.Alias) else aggregate
            if not isinstance(bare, exp.AggFunc):
                raise not_carried("A PIVOT of anything but aggregates")
            if len(pivot.expressions) > 1 and not isinstance(aggregate, exp.Alias):
                raise not_carried("A PIVOT of several aggregates without names")
            name = f"{aggregate.alias}_{label}" if isinstance(aggregate, exp.Alias) else label
            chosen = exp.EQ(this=among.this.copy(), expression=value.copy())
            shown.append(exp.alias_(exp.Filter(this=bare.copy(), expression=exp.Where(this=chosen)), name, quoted=True))
    star = exp.Star(except_=[exp.to_identifier(name, quoted=True) for name in sorted(used)])
    return exp.Select(expressions=[star, *shown], from_=exp.From(this=source), group=exp.Group(all=True))


def _label(value: Tree) -> str:
    text = value.name
    if isinstance(value, exp.Literal) and not value.is_string and text.isdigit():
        return f"_{text}"
    if not isinstance(value, exp.Literal) or not value.is_string or not re.fullmatch(r"\w+", text):
        raise not_carried(f"PIVOT IN ({value.sql('bigquery')}) without a name")
    return text if COLUMN.fullmatch(text) else f"_{text}"


def _unpivoted(source: Tree, pivot: Tree, among: Tree) -> Tree:
    names = [one.name for one in pivot.expressions]
    if len(names) != 1:
        raise not_carried("UNPIVOT of several columns at once")
    columns = [one.this if isinstance(one, exp.PivotAlias) else one for one in among.expressions]
    if not all(isinstance(one, exp.Column) for one in columns):
        raise not_carried("UNPIVOT of several columns at once")
    whole: Tree | None = None
    for given, column in zip(among.expressions, columns, strict=True):
        label = given.args["alias"] if isinstance(given, exp.PivotAlias) else exp.Literal.string(column.name)
        star = exp.Star(except_=[exp.to_identifier(one.name, quoted=True) for one in columns])
        shown = [star, exp.alias_(column.copy(), names[0], quoted=True), exp.alias_(label.copy(), among.this.name, quoted=True)]
        part: Tree = exp.Select(expressions=shown, from_=exp.From(this=source.copy()))
        if not pivot.args.get("include_nulls"):
            part.set("where", exp.Where(this=exp.Not(this=exp.Is(this=column.copy(), expression=exp.null()))))
        whole = part if whole is None else exp.Union(this=whole, expression=part, distinct=False)
    assert whole is not None
    return whole


CORRECTIONS: dict[type[Tree], Correction] = {
    exp.Bracket: _bracket,
    exp.Unnest: _unnest,
    exp.Join: _join,
    exp.Struct: _struct,
    exp.ArrayAgg: _array_agg,
    exp.ArgMax: _by("arg_max_null"),
    exp.ArgMin: _by("arg_min_null"),
    exp.AnyValue: _any_value,
}
