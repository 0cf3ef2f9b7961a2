"""What CREATE, ALTER and DROP do to tables and datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.behaviours import DEFAULTS, Refusal
from emulator.clock import etag
from emulator.engines.bigquery.catalogue import stored_columns
from emulator.engines.bigquery.filling import Target, columns_of, fill, of_query
from emulator.engines.bigquery.names import spoken
from emulator.engines.bigquery.partitions import check
from emulator.engines.bigquery.tables import Tables, milliseconds
from emulator.engines.bigquery.types import quoted
from emulator.engines.bigquery.warehouse import Connection, create, new_storage

if TYPE_CHECKING:
    from emulator.engines.bigquery.statement import Statement

Json = dict[str, Any]


async def define(tables: Tables, statement: Statement, job: str) -> str:
    """Does what a statement of DDL says.

    Returns:
        `ddlOperationPerformed`: CREATE, REPLACE, ALTER, DROP or SKIP.

    Raises:
        Refusal: What it makes exists, or what it changes does not.
    """
    verb, _, what = statement.kind.partition("_")
    if what == "SCHEMA":
        return await _dataset(tables, statement)
    if verb == "DROP":
        return await _drop(tables, statement)
    if verb == "ALTER":
        return await _alter(tables, statement)
    await tables.expire(statement.target)
    exists, options = tables.kept.get(statement.target) is not None, statement.options
    if exists and "if_not_exists" in options:
        return "SKIP"
    if exists and "replace" not in options:
        raise Refusal(409, "ALREADY_EXISTS", f"Already Exists: Table {spoken(statement.target)}", reason="duplicate")
    await _create(tables, statement, job, exists)
    return "REPLACE" if exists else "CREATE"


async def _create(tables: Tables, statement: Statement, job: str, exists: bool) -> None:
    name, resource = statement.target, statement.resource
    if statement.kind == "CREATE_VIEW":
        fields = await tables.warehouse.run(lambda connection: columns_of(connection, statement.sql))
        tables.write(name, fields, {**resource, "type": "VIEW", "view": {"query": statement.view, "useLegacySql": False}})
    elif statement.sql:
        target = Target(name, resource=resource, anew=exists)
        await fill(tables, target, {"writeDisposition": "WRITE_TRUNCATE"}, job, of_query(statement.sql, statement.fields))
    else:
        check({**resource, "schema": {"fields": list(statement.fields)}})
        tables.require_dataset(name)
        if exists:
            tables.kept.remove(name)
            await tables.forget(name)
        tables.write(name, statement.fields, resource)
        tables.pointers.put(name, "Rows", {"table": new_storage()})
        await tables.warehouse.ready({tables.storage(name): tables.opened(name).stored})


async def _drop(tables: Tables, statement: Statement) -> str:
    name = statement.target
    found = tables.kept.get(name)
    if found is None:
        if "if_exists" in statement.options:
            return "SKIP"
        tables.table(name)
    is_view = "view" in (found or {})
    if is_view != (statement.kind == "DROP_VIEW"):
        found_as = "VIEW" if is_view else "TABLE"
        message = f"{spoken(name)} is a {found_as.lower()}: use DROP {found_as}."
        raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalidQuery")
    tables.kept.delete(name)
    await tables.forget(name)
    return "DROP"


async def _alter(tables: Tables, statement: Statement) -> str:
    name = statement.target
    table = tables.opened(name)
    if statement.renamed and tables.kept.get(statement.renamed) is not None:
        raise Refusal(409, "ALREADY_EXISTS", f"Already Exists: Table {spoken(statement.renamed)}", reason="duplicate")
    resource = {key: value for key, value in {**tables.table(name), **statement.resource}.items() if value is not None}
    storage = table.storage
    await tables.warehouse.ready({storage: table.stored})
    if statement.changes:
        # The rows are copied, so that names of columns and rows change at once.
        storage = new_storage()
        before = {change[2]: change[1] for change in statement.changes if change[0] == "rename"}
        columns = stored_columns(statement.fields, table.resource)
        values = ", ".join(quoted(str(before.get(one["name"], one["name"]))) for one in columns)

        def work(connection: Connection) -> None:
            create(connection, storage, columns)
            connection.execute(f"INSERT INTO {quoted(storage)} SELECT {values} FROM {quoted(table.storage)}")

        await tables.warehouse.run(work)
    with tables.transaction():
        tables.kept.put(name, "Table", resource)
        tables.pointers.put(name, "Rows", {"table": storage})
        tables.write(name, statement.fields, {})
        if statement.renamed:
            tables.rename(name, statement.renamed)
    if statement.changes:
        await tables.discard([table.storage])
    return "ALTER"


async def _dataset(tables: Tables, statement: Statement) -> str:
    name = statement.target
    short = ":".join(name.split("/")[1::2])
    found = tables.kept.get(name)
    if statement.kind == "CREATE_SCHEMA":
        if found is not None and "if_not_exists" in statement.options:
            return "SKIP"
        if found is not None:
            raise Refusal(409, "ALREADY_EXISTS", f"Already Exists: Dataset {short}", reason="duplicate")
        _, project, _, dataset = name.split("/")
        stamp = milliseconds()
        made = {"kind": "bigquery#dataset", "id": short, "datasetReference": {"projectId": project, "datasetId": dataset}}
        made |= {**DEFAULTS["bigquery", "Dataset"], "creationTime": stamp, "lastModifiedTime": stamp, "etag": etag(), **statement.resource}
        tables.kept.put(name, "Dataset", made)
        return "CREATE"
    if found is None:
        if "if_exists" in statement.options:
            return "SKIP"
        raise Refusal(404, "NOT_FOUND", f"Not found: Dataset {short}", reason="notFound")
    if tables.kept.list(f"{name}/tables", "Table") and "cascade" not in statement.options:
        raise Refusal(400, "FAILED_PRECONDITION", f"Dataset {short} is still in use: use DROP SCHEMA … CASCADE.", reason="resourceInUse")
    tables.kept.delete(name)
    await tables.forget(name)
    return "DROP"
