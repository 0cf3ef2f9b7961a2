"""CREATE, ALTER and DROP: what of a table's resource a statement declares."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from emulator.engines.bigquery import partitions
from emulator.engines.bigquery.declarations import column, kept
from emulator.engines.bigquery.statement import Statement
from emulator.engines.bigquery.trees import Tree, invalid, not_carried

if TYPE_CHECKING:
    from emulator.engines.bigquery.scope import Scope
Json = dict[str, Any]

DAY_MILLISECONDS = 24 * 3600 * 1000
PLAIN = {"description": "description", "friendly_name": "friendlyName", "require_partition_filter": "requirePartitionFilter"}
"""OPTIONS of a table → field of its resource."""


def of_statement(tree: Tree, scope: Scope) -> Statement:
    """What CREATE, ALTER or DROP is to do.

    Raises:
        Refusal: It is wrong, or not emulated.
    """
    kind = str(tree.args.get("kind", "")).upper()
    if isinstance(tree, exp.Alter):
        return _altered(tree, scope)
    if kind == "SCHEMA":
        return _schema(tree, scope)
    if kind not in ("TABLE", "VIEW"):
        raise not_carried(f"{tree.key.upper()} {kind}")
    properties = _properties(tree)
    if exp.MaterializedProperty in properties or tree.args.get("materialized"):
        raise not_carried(f"{tree.key.upper()} MATERIALIZED VIEW", "use a view.")
    if exp.ExternalProperty in properties:
        raise not_carried("CREATE EXTERNAL TABLE", "load the files.")
    if isinstance(tree, exp.Drop):
        name = scope.target(tree.args["tables"][0] if tree.args.get("tables") else tree.this)
        return Statement(f"DROP_{kind}", "", target=name, options=_flags(tree))
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    temporary = exp.TemporaryProperty in properties
    name = scope.temporary(target) if temporary else scope.target(target)
    made = (_view if kind == "VIEW" else _table)(tree, scope, name, properties)
    made.temporary = target.name if temporary else ""
    return made


def _flags(tree: Tree) -> frozenset[str]:
    flags = {"replace": tree.args.get("replace"), "if_exists": tree.args.get("exists"), "if_not_exists": tree.args.get("exists"),
             "cascade": tree.args.get("cascade")}  # fmt: skip
    return frozenset(flag for flag, given in flags.items() if given)


def _properties(tree: Tree) -> dict[type[Tree], list[Tree]]:
    found: dict[type[Tree], list[Tree]] = {}
    for one in tree.args["properties"].expressions if tree.args.get("properties") else []:
        found.setdefault(type(one), []).append(one)
    return found


def _view(tree: Tree, scope: Scope, name: str, properties: dict[type[Tree], list[Tree]]) -> Statement:
    body = tree.expression
    if body is None:
        raise invalid("A view needs a query.")
    if isinstance(tree.this, exp.Schema):
        raise not_carried("CREATE VIEW with names of columns", "name them in its query.")
    resource = _options(properties.get(exp.Property, []))
    scope.defining = True
    sql = scope.query(body.copy())
    return Statement("CREATE_VIEW", sql, scope.tables, target=name, options=_flags(tree), view=body.sql("bigquery"), resource=resource)


def _table(tree: Tree, scope: Scope, name: str, properties: dict[type[Tree], list[Tree]]) -> Statement:
    resource = _options(properties.pop(exp.Property, []))
    fields = tuple(column(one) for one in tree.this.expressions) if isinstance(tree.this, exp.Schema) else ()
    options, body = _flags(tree), tree.expression
    for one in properties.pop(exp.PartitionedByProperty, []):
        resource |= _with_days(partitions.declared(one.this), resource.pop("partitionExpirationMs", ""))
    for one in properties.pop(exp.ClusterProperty, []):
        resource["clustering"] = {"fields": [field.name for field in one.expressions]}
    like = properties.pop(exp.LikeProperty, [])
    properties.pop(exp.TemporaryProperty, None)
    if properties:
        raise not_carried(f"{next(iter(properties)).__name__} of CREATE TABLE")
    if "partitionExpirationMs" in resource:
        raise invalid("partition_expiration_days needs PARTITION BY.")
    clone = tree.args.get("clone")
    if clone is not None or like:
        source = scope.found(clone.this if clone is not None else like[0].this)
        if source.view:
            raise invalid(f"{source.short} is a view, which has no rows of its own.")
        copied = {
            key: source.resource[key] for key in (*partitions.PARTITIONED, "clustering", "requirePartitionFilter") if key in source.resource
        }
        resource = {**copied, **resource}
        kind = "CREATE_TABLE_AS_SELECT" if body is not None else "CREATE_TABLE"
        sql = scope.query(body) if body is not None else scope.whole(source) if clone is not None else ""
        return Statement(kind, sql, scope.tables, {"*"}, name, tuple(source.fields), options, resource=resource)
    sql = scope.query(body) if body is not None else ""
    if not sql and not fields:
        raise invalid("CREATE TABLE needs columns or a query.")
    kind = "CREATE_TABLE_AS_SELECT" if sql else "CREATE_TABLE"
    return Statement(kind, sql, scope.tables, scope.columns, target=name, fields=fields, options=options, resource=resource)


def _with_days(partitioning: Json, milliseconds: str) -> Json:
    if milliseconds and "timePartitioning" in partitioning:
        partitioning["timePartitioning"]["expirationMs"] = milliseconds
    return partitioning


def _options(given: list[Tree]) -> Json:
    """OPTIONS (…) of a table, a view or a dataset as fields of its resource."""
    resource: Json = {}
    for one in given:
        name, value = one.this.name.lower(), one.args["value"]
        if name in PLAIN:
            resource[PLAIN[name]] = None if isinstance(value, exp.Null) else value.this if isinstance(value, exp.Boolean) else value.name
        elif name == "labels":
            resource["labels"] = {pair.expressions[0].name: pair.expressions[1].name for pair in value.expressions}
        elif name == "expiration_timestamp":
            stamp = value.this.name if isinstance(value, exp.Cast) else value.name
            try:
                resource["expirationTime"] = str(int(datetime.fromisoformat(stamp + ("" if "+" in stamp else "+00:00")).timestamp() * 1000))
            except ValueError:
                raise not_carried("expiration_timestamp that is no literal") from None
        elif name == "partition_expiration_days":
            resource["partitionExpirationMs"] = str(int(float(value.name) * DAY_MILLISECONDS))
        elif name == "default_table_expiration_days":
            resource["defaultTableExpirationMs"] = str(int(float(value.name) * DAY_MILLISECONDS))
        else:
            raise not_carried(f"The option {name}")
    return resource


def _schema(tree: Tree, scope: Scope) -> Statement:
    """CREATE SCHEMA and DROP SCHEMA: a dataset."""
    node = tree.args["tables"][0] if isinstance(tree, exp.Drop) else tree.this
    project = node.args["catalog"].name if node.args.get("catalog") else scope.project
    name = f"projects/{project}/datasets/{node.args['db'].name if node.args.get('db') else node.name}"
    properties = _properties(tree)
    resource = _options(properties.pop(exp.Property, []))
    for one in properties.pop(exp.LocationProperty, []):
        resource["location"] = one.this.name
    if properties:
        raise not_carried(f"{next(iter(properties)).__name__} of CREATE SCHEMA")
    return Statement(
        f"{'DROP' if isinstance(tree, exp.Drop) else 'CREATE'}_SCHEMA", "", target=name, options=_flags(tree), resource=resource
    )


def _altered(tree: Tree, scope: Scope) -> Statement:
    """ALTER TABLE: the resource as it becomes, and what DuckDB must do to the rows."""
    if str(tree.args.get("kind", "")).upper() != "TABLE":
        raise not_carried(f"ALTER {tree.args.get('kind')}")
    table = scope.found(tree.this)
    fields: list[Json] = [dict(one) for one in table.fields]
    resource: Json = {}
    renamed = ""
    changes: list[tuple[str, ...]] = []
    for action in tree.args["actions"]:
        if isinstance(action, exp.ColumnDef):
            one = column(action)
            if any(kept["name"].lower() == one["name"].lower() for kept in fields):
                if action.args.get("exists"):
                    continue
                raise invalid(f"Column already exists: {one['name']}")
            if one.get("mode") == "REQUIRED":
                raise invalid(f"Cannot add required fields to an existing schema (field: {one['name']})")
            fields.append(one)
        elif isinstance(action, exp.AlterRename):
            project, dataset, _ = table.short.split(".", 2)
            renamed = scope.target(exp.table_(action.this.name, db=dataset, catalog=project))
        elif isinstance(action, exp.RenameColumn):
            one = kept(fields, action.this.name)
            changes.append(("rename", one["name"], action.args["to"].name))
            one["name"] = action.args["to"].name
        elif isinstance(action, exp.Drop) and str(action.args.get("kind", "")).upper() == "COLUMN":
            one = kept(fields, action.args["tables"][0].name if action.args.get("tables") else action.this.name)
            changes.append(("drop", one["name"]))
            fields.remove(one)
        elif isinstance(action, exp.AlterColumn) and action.args.get("allow_null"):
            kept(fields, action.name)["mode"] = "NULLABLE"
        elif isinstance(action, exp.AlterColumn) and action.args.get("default") is not None:
            kept(fields, action.name)["defaultValueExpression"] = action.args["default"].sql("bigquery")
        elif isinstance(action, exp.AlterSet):
            resource |= _options([one for group in action.expressions for one in group.expressions])
        else:
            raise not_carried(f"ALTER TABLE … {action.sql('bigquery')}")
    found = partitions.of(table.resource)
    if found is not None and any(change[1].lower() == found.column.lower() for change in changes):
        raise invalid(f"The column {found.column} partitions the table and stays as it is.")
    if milliseconds := resource.pop("partitionExpirationMs", ""):
        resource |= _with_days({"timePartitioning": dict(table.resource.get("timePartitioning", {}))}, milliseconds)
    resource["schema"] = {"fields": fields}
    return Statement("ALTER_TABLE", "", scope.tables, set(), table.name, tuple(fields), _flags(tree), resource=resource, renamed=renamed,
                     changes=tuple(changes))  # fmt: skip
