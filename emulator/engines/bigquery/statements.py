"""Statements over the tables of a catalogue: names become DuckDB's tables, views their queries, parameters their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp

from emulator.behaviours import Refusal
from emulator.engines.bigquery import dialect
from emulator.engines.bigquery.arrays import pivoted
from emulator.engines.bigquery.declarations import declared, standard
from emulator.engines.bigquery.dialect import check, corrected, parsed
from emulator.engines.bigquery.kinds import annotate
from emulator.engines.bigquery.parameters import with_values
from emulator.engines.bigquery.trees import Tree, invalid, not_carried
from emulator.engines.bigquery.types import quoted, text

Json = dict[str, Any]

VIEWS_IN_VIEWS = 16
INFORMATION_SCHEMA = "INFORMATION_SCHEMA."
STUMBLES = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What sqlglot raises over statements that are only nearly SQL."""
SUFFIXES = {"version": "FOR SYSTEM_TIME AS OF"}
DML = {exp.Insert: "INSERT", exp.Update: "UPDATE", exp.Delete: "DELETE", exp.Merge: "MERGE", exp.TruncateTable: "TRUNCATE_TABLE"}


@dataclass(frozen=True)
class Table:
    """A table or view of the catalogue."""

    name: str
    """`projects/P/datasets/D/tables/T`."""
    fields: tuple[Json, ...]
    storage: str
    """DuckDB's name of the table that holds its rows."""
    view: str = ""
    """The query of a view."""
    created: str = ""

    @property
    def short(self) -> str:
        """`P.D.T`."""
        _, project, _, dataset, _, table = self.name.split("/")
        return f"{project}.{dataset}.{table}"


Catalogue = Mapping[str, Table]
"""`P.D.T` → table."""


@dataclass
class Statement:
    """A statement that is ready for DuckDB."""

    kind: str
    """As `statistics.query.statementType` says it: SELECT, INSERT, CREATE_TABLE_AS_SELECT, …"""
    sql: str
    """DuckDB's SQL of the query or the DML statement; empty where DDL has no query."""
    tables: dict[str, Table] = field(default_factory=dict)
    """What it reads and writes, by `P.D.T`."""
    columns: set[str] = field(default_factory=set)
    """Names of columns that it mentions, in lower case; `*` stands for all."""
    target: str = ""
    """`projects/P/datasets/D/tables/T` that DML or DDL changes."""
    fields: tuple[Json, ...] = ()
    """Columns that CREATE TABLE declares."""
    options: frozenset[str] = frozenset()
    """`replace`, `if_exists`, `if_not_exists`."""
    view: str = ""


def prepared(sql: str, catalogue: Catalogue, project: str, dataset: str, parameters: list[Json]) -> Statement:
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
        return _prepared(sql, _Scope(catalogue, project, dataset), parameters)
    except STUMBLES as error:
        raise invalid(f"Syntax error: the statement cannot be read ({error!r})") from error


def _prepared(sql: str, scope: _Scope, parameters: list[Json]) -> Statement:
    tree = parsed(sql)
    with_values(tree, parameters)
    if isinstance(tree, (exp.Create, exp.Drop)):
        return scope.definition(tree)
    for node, kind in DML.items():
        if isinstance(tree, node):
            return scope.change(tree, kind)
    if not isinstance(tree, (exp.Query, exp.Subquery)):
        if isinstance(tree, exp.Condition):
            raise invalid(f"Syntax error: Unexpected {tree.sql('bigquery')!r}; a statement was expected")
        raise not_carried(f"The statement {tree.key.upper()}")
    return Statement("SELECT", scope.query(tree), scope.tables, scope.columns)


@dataclass
class _Scope:
    catalogue: Catalogue
    project: str
    dataset: str
    tables: dict[str, Table] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)

    def query(self, tree: Tree) -> str:
        """DuckDB's SQL of a query."""
        named(tree)
        tree = self.resolved(tree, 0)
        return dialect.written(tree)

    def change(self, tree: Tree, kind: str) -> Statement:
        """A DML statement."""
        target = tree.expressions[0] if isinstance(tree, exp.TruncateTable) else tree.this
        target = target.this if isinstance(target, exp.Schema) else target
        table = self.found(target)
        if table.view:
            raise invalid(f"{table.short} is a view, which DML cannot change.")
        if isinstance(tree, (exp.Update, exp.Delete)) and tree.args.get("where") is None:
            raise invalid(f"{kind} must have a WHERE clause")
        if isinstance(tree, exp.Insert) and not isinstance(tree.this, exp.Schema):
            names = [exp.to_identifier(one["name"], quoted=True) for one in table.fields]
            tree.set("this", exp.Schema(this=tree.this, expressions=names))
        for record in tree.find_all(exp.Struct):
            # What is written into a table is a record by the places of its fields.
            record.meta["written"] = not isinstance(record.parent, (exp.Dot, exp.Paren))
        sql = dialect.written(self.resolved(tree, 0))
        return Statement(kind, sql, self.tables, self.columns, target=table.name)

    def definition(self, tree: Tree) -> Statement:
        """CREATE or DROP of a table or a view."""
        kind = str(tree.args.get("kind", "")).upper()
        if kind not in ("TABLE", "VIEW"):
            raise not_carried(f"{tree.key.upper()} {kind}")
        schema: Any = tree.find(exp.Table) if isinstance(tree, exp.Drop) else tree.this
        target = self.name(schema.this if isinstance(schema, exp.Schema) else schema)
        name = "projects/{}/datasets/{}/tables/{}".format(*target)
        flags = {"replace": tree.args.get("replace"), "if_exists": tree.args.get("exists"), "if_not_exists": tree.args.get("exists")}
        options = frozenset(flag for flag, given in flags.items() if given)
        if isinstance(tree, exp.Drop):
            return Statement(f"DROP_{kind}", "", target=name, options=options)
        body = tree.expression
        if kind == "VIEW":
            if body is None:
                raise invalid("A view needs a query.")
            return Statement("CREATE_VIEW", self.query(body.copy()), self.tables, target=name, options=options, view=body.sql("bigquery"))
        fields = tuple(declared(one) for one in schema.expressions) if isinstance(schema, exp.Schema) else ()
        sql = self.query(body) if body is not None else ""
        if not sql and not fields:
            raise invalid("CREATE TABLE needs columns or a query.")
        kind = "CREATE_TABLE_AS_SELECT" if sql else "CREATE_TABLE"
        return Statement(kind, sql, self.tables, self.columns, target=name, fields=fields, options=options)

    def resolved(self, tree: Tree, depth: int) -> Tree:
        """The tree with every table in place, corrected."""
        if depth > VIEWS_IN_VIEWS:
            raise invalid("Views reference each other, or too deeply.")
        check(tree)
        annotate(tree, self._known)
        _pivot(tree)
        common = {one.alias for one in tree.find_all(exp.CTE)}
        self.columns |= {"*" if isinstance(one, exp.Star) else one.name.lower() for one in tree.find_all(exp.Column, exp.Star, exp.Dot)}
        replacements: list[tuple[Tree, Tree]] = []
        for node in list(tree.find_all(exp.Table)):
            if not node.name or (not node.args.get("db") and node.name in common):
                continue
            replacements.append((node, self._array(node) or self._table(node, depth)))
        return _without(replacements, tree)

    def _known(self, node: Tree) -> Table | None:
        """The table that a name may mean, without a word where it means none."""
        dataset = node.args["db"].name if node.args.get("db") else self.dataset
        project = node.args["catalog"].name if node.args.get("catalog") else self.project
        return self.catalogue.get(f"{project}.{dataset}.{node.name}")

    def _array(self, node: Tree) -> Tree | None:
        """`FROM t, t.items` unnests a column of `t`."""
        select = node.find_ancestor(exp.Select)
        if not node.args.get("db") or select is None or node.args.get("catalog"):
            return None
        sources = [select.args.get("from_"), *(select.args.get("joins") or [])]
        before = {source.this.alias_or_name for source in sources if source is not None and source.this is not node}
        if node.args["db"].name not in before or isinstance(node.parent, exp.From):
            return None
        column = exp.column(node.name, table=node.args["db"].name)
        alias = node.alias or node.name
        return exp.Unnest(expressions=[column], alias=exp.TableAlias(columns=[exp.to_identifier(alias)]))

    def _table(self, node: Tree, depth: int) -> Tree:
        alias = node.alias or node.name.rpartition(".")[2]
        if more := {key for key, given in node.args.items() if given} - {"this", "db", "catalog", "alias", "joins", "sample"}:
            raise not_carried(SUFFIXES.get(min(more), f"{min(more).upper()} of a table"))
        if node.name.upper().startswith(INFORMATION_SCHEMA):
            return _aliased(self._information(node), alias)
        if node.name.endswith("*"):
            return _aliased(self._wildcard(node), alias)
        if node.args.get("joins") and node.name.endswith("*"):
            raise not_carried("A join in parentheses that begins with a wildcard table")
        table = self.found(node)
        if table.view and node.args.get("joins"):
            raise not_carried("A join in parentheses that begins with a view")
        if table.view:
            inner = self.resolved(parsed(table.view), depth + 1)
            return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        target = isinstance(node.parent, (exp.Insert, exp.TruncateTable)) or (
            isinstance(node.parent, exp.Schema) and isinstance(node.parent.parent, exp.Insert)
        )
        physical = exp.Table(this=exp.to_identifier(table.storage, quoted=True))
        if sample := node.args.get("sample"):
            physical.set("sample", exp.TableSample(percent=sample.args["percent"].copy(), method=exp.var("bernoulli")))
        if not target:
            physical.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        return physical

    def name(self, node: Tree) -> tuple[str, str, str]:
        """Project, dataset and table that a name in SQL means."""
        dataset = node.args["db"].name if node.args.get("db") else self.dataset
        project = node.args["catalog"].name if node.args.get("catalog") else self.project
        if not dataset:
            raise invalid(f'Table "{node.name}" must be qualified with a dataset (e.g. dataset.table).')
        return project, dataset, node.name

    def found(self, node: Tree) -> Table:
        """The table that a name in SQL means."""
        name = ".".join(self.name(node))
        if "$" in name or "@" in name:
            raise not_carried("A table decorator")
        table = self.catalogue.get(name)
        if table is None:
            project, _, rest = name.partition(".")
            raise Refusal(404, "NOT_FOUND", f"Not found: Table {project}:{rest} was not found", reason="notFound")
        self.tables[table.short] = table
        return table

    def _wildcard(self, node: Tree) -> str:
        project, dataset, name = self.name(node)
        prefix = f"{project}.{dataset}.{name[:-1]}"
        found = [table for key, table in sorted(self.catalogue.items()) if key.startswith(prefix) and not table.view]
        if not found:
            raise invalid(f"{project}:{dataset}.{name} does not match any table.")
        self.tables |= {table.short: table for table in found}
        parts = (f"SELECT *, {text(one.short[len(prefix) :])} AS _TABLE_SUFFIX FROM {quoted(one.storage)}" for one in found)
        return " UNION ALL BY NAME ".join(parts)

    def _information(self, node: Tree) -> str:
        project, dataset, name = self.name(node)
        inside = [one for one in self.catalogue.values() if one.short.startswith(f"{project}.{dataset}.")]
        heads: tuple[str, ...] = ("table_catalog", "table_schema", "table_name")
        if name.upper() == f"{INFORMATION_SCHEMA}TABLES":
            rows = [(*one.short.split(".", 2), "VIEW" if one.view else "BASE TABLE") for one in inside]
            return _values((*heads, "table_type"), rows)
        if name.upper() == f"{INFORMATION_SCHEMA}COLUMNS":
            columns = [(*one.short.split(".", 2), *column) for one in inside for column in _columns(one)]
            return _values((*heads, "column_name", "ordinal_position", "is_nullable", "data_type"), columns)
        raise not_carried(name)


def _pivot(tree: Tree) -> None:
    """PIVOT and UNPIVOT become the queries that they mean."""
    for pivot in list(tree.find_all(exp.Pivot)):
        source = pivot.parent
        alias = pivot.args.get("alias")
        if source is None or len(source.args["pivots"]) != 1:
            raise not_carried("Several PIVOTs of one table")
        source.set("pivots", None)
        query = exp.Subquery(this=pivoted(source.copy(), pivot), alias=alias or exp.TableAlias(this=exp.to_identifier("_pivot")))
        source.replace(query)


def _aliased(sql: str, alias: str) -> Tree:
    inner = sqlglot.parse_one(sql, read="duckdb")
    return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))


def _without(replacements: list[tuple[Tree, Tree]], tree: Tree) -> Tree:
    """Corrects what came as GoogleSQL, then puts DuckDB's tables in place: they must not be corrected again."""
    by_name: dict[str, Tree] = {}
    for number, (node, new) in enumerate(replacements):
        if isinstance(new, exp.Unnest):
            node.replace(new)
            continue
        name = f"__table_{number}__"
        by_name[name] = new
        # A join in parentheses hangs on its first table.
        node.replace(exp.Table(this=exp.to_identifier(name), joins=node.args.pop("joins", None)))
    tree = corrected(tree)
    for node in list(tree.find_all(exp.Table)):
        if (placed := by_name.get(node.name)) is not None:
            placed.set("joins", node.args.pop("joins", None))
            node.replace(placed)
    return tree


def _values(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    names = ", ".join(heads)
    if not rows:
        return f"SELECT {', '.join(f'NULL AS {head}' for head in heads)} WHERE false"
    given = ", ".join("(" + ", ".join(text(one) if isinstance(one, str) else str(one) for one in row) + ")" for row in rows)
    return f"SELECT * FROM (VALUES {given}) AS _v({names})"


def _columns(table: Table) -> Iterator[tuple[Any, ...]]:
    for position, one in enumerate(table.fields, 1):
        yield one["name"], position, "NO" if one.get("mode") == "REQUIRED" else "YES", standard(one)


def named(tree: Tree) -> None:
    """Gives columns without a name BigQuery's `f0_`, `f1_`, and refuses two of one name."""
    select = tree
    while isinstance(select, (exp.SetOperation, exp.Subquery)):
        select = select.this
    if not isinstance(select, exp.Select):
        return
    seen: set[str] = set()
    unnamed = 0
    for one in list(select.expressions):
        if isinstance(one, exp.Star) or (isinstance(one, exp.Column) and isinstance(one.this, exp.Star)):
            continue
        name = one.alias_or_name if isinstance(one, (exp.Alias, exp.Column, exp.Dot)) else ""
        if not name:
            name = f"f{unnamed}_"
            unnamed += 1
            one.replace(exp.alias_(one.copy(), name, quoted=True))
        if name.lower() in seen:
            raise invalid(f"Duplicate column names in the result are not supported. Found duplicate(s): {name}")
        seen.add(name.lower())
