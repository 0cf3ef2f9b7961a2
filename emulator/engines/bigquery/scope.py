"""The names in a statement: each becomes DuckDB's table, a view its query, an array that it stands for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp

from emulator.behaviours import Refusal
from emulator.engines.bigquery import dialect, information, partitions
from emulator.engines.bigquery.arrays import pivoted
from emulator.engines.bigquery.catalogue import Catalogue, Table
from emulator.engines.bigquery.dialect import check, corrected, parsed
from emulator.engines.bigquery.kinds import annotate
from emulator.engines.bigquery.trees import Tree, invalid, not_carried
from emulator.engines.bigquery.types import quoted, text

Json = dict[str, Any]

VIEWS_IN_VIEWS = 16
SUFFIXES = {"version": "FOR SYSTEM_TIME AS OF"}
TEMPORARY = "_results"
"""Dataset of the tables of scripts."""


@dataclass
class Scope:
    """The names of one statement.

    Args:
        catalogue: What they can mean.
        project: Of names without one.
        dataset: Of names without one; may be empty.
    """

    catalogue: Catalogue
    project: str
    dataset: str
    tables: dict[str, Table] = field(default_factory=dict)
    """What was found, by `P.D.T`."""
    columns: set[str] = field(default_factory=set)
    """Names of columns that were mentioned, in lower case; `*` stands for all."""
    defining: bool = False
    """Whether the statement is a view's, whose rows are filtered when it is asked."""

    def query(self, tree: Tree) -> str:
        """DuckDB's SQL of a query."""
        named(tree)
        return dialect.written(self.resolved(tree, 0))

    def whole(self, table: Table) -> str:
        """DuckDB's SQL of all columns of a table."""
        return f"SELECT {', '.join(quoted(one['name']) for one in table.stored)} FROM {quoted(table.storage)}"

    def resolved(self, tree: Tree, depth: int) -> Tree:
        """The tree with every table in place, corrected."""
        if depth > VIEWS_IN_VIEWS:
            raise invalid("Views reference each other, or too deeply.")
        check(tree)
        annotate(tree, self.known)
        _pivot(tree)
        common = {one.alias for one in tree.find_all(exp.CTE)}
        nodes = [node for node in tree.find_all(exp.Table) if node.name and (node.args.get("db") or node.name not in common)]
        found = [table for node in nodes if (table := self.known(node)) is not None]
        mentioned = {"*" if isinstance(one, exp.Star) else one.name.lower() for one in tree.find_all(exp.Column, exp.Star, exp.Dot)}
        pseudo = partitions.place_pseudo_columns(tree, [table.partitioning for table in found])
        if depth == 0:
            self.columns |= mentioned
        replacements: list[tuple[Tree, Tree]] = [(node, self._array(node) or self._table(node, depth, pseudo)) for node in nodes]
        self.columns |= mentioned
        return _without(replacements, tree)

    def known(self, node: Tree) -> Table | None:
        """The table that a name may mean, without a word where it means none."""
        dataset = node.args["db"].name if node.args.get("db") else self.dataset
        project = node.args["catalog"].name if node.args.get("catalog") else self.project
        short = self.catalogue.temporary.get(node.name.lower(), "") if not node.args.get("db") else ""
        return self.catalogue.tables.get(short or f"{project}.{dataset}.{node.name}")

    def found(self, node: Tree) -> Table:
        """The table that a name in SQL means."""
        table = self.known(node)
        if table is None:
            project, dataset, name = self.name(node)
            if "$" in name or "@" in name:
                raise not_carried("A table decorator in a statement", "filter by the column that partitions the table.")
            raise Refusal(404, "NOT_FOUND", f"Not found: Table {project}:{dataset}.{name} was not found", reason="notFound")
        if table.resource.get("type") == "EXTERNAL":
            raise not_carried(f"A query of the external table {table.short}", "load its files into a table.")
        if table.resource.get("view", {}).get("useLegacySql"):
            raise not_carried(f"The view {table.short}, which is in legacy SQL")
        self.tables[table.short] = table
        return table

    def name(self, node: Tree) -> tuple[str, str, str]:
        """Project, dataset and table that a name in SQL means."""
        dataset = node.args["db"].name if node.args.get("db") else self.dataset
        project = node.args["catalog"].name if node.args.get("catalog") else self.project
        if not dataset:
            raise invalid(f'Table "{node.name}" must be qualified with a dataset (e.g. dataset.table).')
        return project, dataset, node.name

    def target(self, node: Tree) -> str:
        """`projects/P/datasets/D/tables/T` of what DDL makes or removes."""
        short = self.catalogue.temporary.get(node.name.lower(), "") if not node.args.get("db") else ""
        return "projects/{}/datasets/{}/tables/{}".format(*(short.split(".", 2) if short else self.name(node)))

    def temporary(self, node: Tree) -> str:
        """The same of a new temporary table."""
        if node.args.get("db") and node.args["db"].name != "_SESSION":
            raise invalid("A temporary table has no dataset.")
        return f"projects/{self.project}/datasets/{TEMPORARY}/tables/{uuid.uuid4().hex}"

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

    def _table(self, node: Tree, depth: int, pseudo: bool) -> Tree:
        alias = node.alias or node.name.rpartition(".")[2]
        if more := {key for key, given in node.args.items() if given} - {"this", "db", "catalog", "alias", "joins", "sample"}:
            raise not_carried(SUFFIXES.get(min(more), f"{min(more).upper()} of a table"))
        if node.name.upper().startswith(information.PREFIX):
            project = node.args["catalog"].name if node.args.get("catalog") else self.project
            dataset = node.args["db"].name if node.args.get("db") else self.dataset
            sql = information.view(node.name, self.catalogue, project, dataset)
            if node.name.upper().endswith(".PARTITIONS"):
                self.tables |= {
                    one.short: one for key, one in self.catalogue.tables.items() if key.startswith(f"{project}.{dataset}.") and not one.view
                }
            return _aliased(sql, alias)
        if node.name.endswith("*"):
            if node.args.get("joins"):
                raise not_carried("A join in parentheses that begins with a wildcard table")
            return _aliased(self._wildcard(node), alias)
        table = self.found(node)
        if table.view:
            if node.args.get("joins"):
                raise not_carried("A join in parentheses that begins with a view")
            inner = self.resolved(parsed(table.view), depth + 1)
            return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        partitioning, statement = table.partitioning, node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Merge)
        # What is asked of a view may filter its rows from outside.
        outside = self.defining or (depth > 0 and partitioning is not None and partitioning.column.lower() in self.columns)
        if partitioning is not None and partitioning.required and statement is not None and not outside:
            partitions.demand_filter(statement, node, partitioning, ".".join(table.short.split(".")[1:]))
        written = (
            isinstance(node.parent, (exp.Insert, exp.TruncateTable, exp.Update, exp.Delete, exp.Merge, exp.Schema))
            and node.arg_key != "using"
        )
        bare = isinstance(node.parent, (exp.Insert, exp.TruncateTable)) or (
            isinstance(node.parent, exp.Schema) and isinstance(node.parent.parent, exp.Insert)
        )
        if partitioning is not None and partitioning.hidden and not pseudo and not written and not node.args.get("joins"):
            return _aliased(f'SELECT * EXCLUDE ("{partitions.TIME}") FROM {quoted(table.storage)}', alias)
        physical = exp.Table(this=exp.to_identifier(table.storage, quoted=True))
        if sample := node.args.get("sample"):
            physical.set("sample", exp.TableSample(percent=sample.args["percent"].copy(), method=exp.var("bernoulli")))
        if not bare:
            physical.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        return physical

    def _wildcard(self, node: Tree) -> str:
        project, dataset, name = self.name(node)
        prefix = f"{project}.{dataset}.{name[:-1]}"
        found = [table for key, table in sorted(self.catalogue.tables.items()) if key.startswith(prefix) and not table.view]
        if not found:
            raise invalid(f"{project}:{dataset}.{name} does not match any table.")
        self.tables |= {table.short: table for table in found}
        parts = (f"SELECT *, {text(one.short[len(prefix) :])} AS _TABLE_SUFFIX FROM ({self._listed(one)})" for one in found)
        return " UNION ALL BY NAME ".join(parts)

    def _listed(self, table: Table) -> str:
        return f"SELECT {', '.join(quoted(one['name']) for one in table.fields)} FROM {quoted(table.storage)}"


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
        unnamed += not name
        if not name or isinstance(one, exp.Dot):
            name = name or f"f{unnamed - 1}_"
            one.replace(exp.alias_(one.copy(), name, quoted=True))
        if name.lower() in seen:
            raise invalid(f"Duplicate column names in the result are not supported. Found duplicate(s): {name}")
        seen.add(name.lower())
