"""BigQuery's datasets and tables, and the rows that are read and written without a job.

https://cloud.google.com/bigquery/docs/reference/rest
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING

from emulator import validation
from emulator.behaviours import Call, Json, Refusal, Response, completes, defaults, on, refuses
from emulator.engines.bigquery.names import parts
from emulator.engines.bigquery.rows import Unfit, accepted
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

MOST_ROWS = 50_000
"""BigQuery's limit for one streaming insert."""
LEGACY_ROLES = {"roles/bigquery.dataViewer": "READER", "roles/bigquery.dataEditor": "WRITER", "roles/bigquery.dataOwner": "OWNER"}

# A dataset is never without access entries: an empty list makes Terraform's provider panic.
defaults(
    "bigquery",
    "Dataset",
    location="US",
    access=[
        {"role": "WRITER", "specialGroup": "projectWriters"},
        {"role": "OWNER", "specialGroup": "projectOwners"},
        {"role": "READER", "specialGroup": "projectReaders"},
    ],
)


@completes("bigquery", "Dataset")
def dataset(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """The three predefined roles are kept under their old names; a resource's id is `project:dataset`."""
    parts(f"{name}/tables/any")
    resource["id"] = f"{call.project}:{name.rpartition('/')[2]}"
    for entry in resource.get("access", []):
        if role := entry.get("role"):
            entry["role"] = LEGACY_ROLES.get(role, role)


@completes("bigquery", "Table")
def table(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """Type and size; rows come with what fills the table, and its partitions must fit its columns."""
    from emulator.engines.bigquery import partitions
    from emulator.engines.bigquery.prepare import expression

    kept = cloud.store.of("bigquery").get(name) or {}
    partitions.check(resource)
    for one in resource.get("schema", {}).get("fields", []):
        if default := one.get("defaultValueExpression"):
            expression(default)
    if kept and (partitions.of(kept) is None) != (partitions.of(resource) is None):
        message = f"Cannot change partitioning of table {name}: make another table and copy the rows."
        raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")
    if not {"view", "materializedView"} & resource.keys():
        refuse_lost_columns(kept.get("schema", {}).get("fields", []), resource.get("schema", {}).get("fields", []))
    project, dataset_id, table_id = parts(name)
    resource["id"] = f"{project}:{dataset_id}.{table_id}"
    resource.setdefault("type", "VIEW" if "view" in resource else "EXTERNAL" if "externalDataConfiguration" in resource else "TABLE")
    resource.setdefault("numRows", "0")
    resource.setdefault("numBytes", "0")
    dataset_resource = cloud.store.of("bigquery").get(f"projects/{project}/datasets/{dataset_id}")
    resource.setdefault("location", (dataset_resource or {}).get("location", "US"))


def refuse_lost_columns(held: list[Json], given: list[Json]) -> None:
    """Refuses a change of a schema that would lose or retype a column: rows would be lost with it.

    Raises:
        Refusal: Names the column.
    """
    from emulator.engines.bigquery.types import kind, repeated

    columns = {str(one["name"]).lower(): one for one in given}
    for one in held:
        now = columns.get(str(one["name"]).lower())
        if now is None:
            message = f"Provided Schema does not match Table. Field {one['name']} is missing in new schema. Use ALTER TABLE … DROP COLUMN."
        elif (kind(now), repeated(now)) != (kind(one), repeated(one)):
            message = f"Provided Schema does not match Table. Field {one['name']} has changed type from {kind(one)} to {kind(now)}"
        elif str(now.get("mode", "")).upper() == "REQUIRED" and str(one.get("mode", "")).upper() != "REQUIRED":
            message = f"Provided Schema does not match Table. Field {one['name']} has changed mode from NULLABLE to REQUIRED"
        else:
            continue
        raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")
    known = {str(one["name"]).lower() for one in held}
    if held and (added := [one for one in given if one["name"].lower() not in known and str(one.get("mode", "")).upper() == "REQUIRED"]):
        message = f"Provided Schema does not match Table. Cannot add required fields to an existing schema (field: {added[0]['name']})"
        raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")


@on("bigquery", "tables.insert")
async def insert_table(call: Call, cloud: Cloud) -> Json | Response:
    """A table lives in a dataset that exists."""
    cloud.resources.load(call, call.name.removesuffix("/tables"))
    await cloud.bigquery.tables.expire(f"{call.name}/{call.body.get('tableReference', {}).get('tableId', '')}")
    return await cloud.resources.default(call)


@on("bigquery", "tables.get")
async def get_table(call: Call, cloud: Cloud) -> Json | Response:
    """The table as it is after every prediction that was answered."""
    await cloud.requests.flush()
    await cloud.bigquery.tables.expire(call.name)
    with contextlib.suppress(Refusal):
        await cloud.bigquery.recount(call.name)
    return await cloud.resources.default(call)


@on("bigquery", "tables.list")
async def list_tables(call: Call, cloud: Cloud) -> Json:
    """The tables of a dataset, in short."""
    await cloud.requests.flush()
    cloud.resources.load(call, call.name.removesuffix("/tables"))
    keys = ("kind", "id", "tableReference", "type", "labels", "creationTime", "timePartitioning", "clustering", "friendlyName", "view")
    return page(call, cloud.store.of("bigquery").list(call.name, "Table"), keys, "tables")


@on("bigquery", "datasets.list")
async def list_datasets(call: Call, cloud: Cloud) -> Json:
    """The datasets of a project, in short."""
    keys = ("kind", "id", "datasetReference", "labels", "friendlyName", "location")
    return page(call, cloud.store.of("bigquery").list(call.name, "Dataset"), keys, "datasets")


def first_row(call: Call) -> int:
    """Where the page begins that the call asks for."""
    token = call.one("pageToken") or call.one("startIndex") or "0"
    if not re.fullmatch(r"[0-9]{1,18}", token):
        raise Refusal(400, "INVALID_ARGUMENT", f"The page token {token[:80]!r} is none: send the one of the page before.", reason="invalid")
    return int(token)


def page(call: Call, rows: list[Json], keys: tuple[str, ...], column: str) -> Json:
    """A page of `rows`, each cut to `keys`."""
    first = first_row(call)
    last = first + int(call.one("maxResults") or len(rows))
    shown = [{key: row[key] for key in keys if key in row} for row in rows[first:last]]
    following = {"nextPageToken": str(last)} if last < len(rows) else {}
    return {"kind": f"bigquery#{column.removesuffix('s')}List", "totalItems": len(rows), column: shown, **following}


@on("bigquery", "datasets.delete")
async def delete_dataset(call: Call, cloud: Cloud) -> Json | Response:
    """A dataset that still holds tables is not deleted unless its contents go with it."""
    tables = cloud.store.of("bigquery").list(f"{call.name}/tables", "Table")
    if tables and call.one("deleteContents") != "true":
        message = f"Dataset {call.name} is still in use: it holds {len(tables)} tables. Delete them, or set deleteContents."
        raise Refusal(400, "FAILED_PRECONDITION", message, reason="resourceInUse")
    result = await cloud.resources.default(call)
    await cloud.bigquery.tables.forget(call.name)
    return Response(status=204) if result == {} else result


@on("bigquery", "tables.delete")
async def delete_table(call: Call, cloud: Cloud) -> Json | Response:
    """The rows go with the table; `t$20240101` is one of its partitions alone."""
    name, _, partition = call.name.partition("$")
    if partition:
        await cloud.bigquery.drop_partition(name, partition)
        return Response(status=204)
    result = await cloud.resources.default(call)
    await cloud.bigquery.tables.forget(call.name)
    return Response(status=204) if result == {} else result


@on("bigquery", "tabledata.insertAll")
async def insert_all(call: Call, cloud: Cloud) -> Json:
    """Adds rows; unless invalid ones are to be skipped, one that does not fit keeps all of them out."""
    name, _, partition = call.name.removesuffix("/insertAll").partition("$")
    fields = cloud.bigquery.tables.table(name).get("schema", {}).get("fields", [])
    fitting: list[Json] = []
    ids: dict[str, None] = {}
    errors: list[Json] = []
    # As they were sent, for a value that is null is none that is missing.
    sent = [row or {} for row in validation.parsed(call.raw).get("rows") or []]
    if not 0 < len(sent) <= MOST_ROWS:
        message = f"{len(sent)} rows present in the request: send 1 to {MOST_ROWS}."
        raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")
    for index, row in enumerate(sent):
        insert_id = row.get("insertId") or ""
        if cloud.bigquery.sent.before(name, insert_id) or insert_id in ids:
            continue
        try:
            fitting.append(accepted(fields, row.get("json", {}), unknown=call.body.get("ignoreUnknownValues", False)))
        except Unfit as fault:
            errors.append({"index": index, "errors": [{"reason": "invalid", "location": fault.location, "message": fault.message}]})
        else:
            ids |= {insert_id: None} if insert_id else {}
    skip = call.body.get("skipInvalidRows", False)
    if errors and not skip:
        known = {error["index"] for error in errors}
        stopped = [{"index": index, "errors": [{"reason": "stopped"}]} for index in range(len(sent)) if index not in known]
        errors = sorted(errors + stopped, key=lambda error: int(error["index"]))
    elif fitting:
        await cloud.bigquery.insert(name, fitting, partition)
        cloud.bigquery.sent.note(name, ids)
    return {"kind": "bigquery#tableDataInsertAllResponse", **({"insertErrors": errors} if errors else {})}


# A policy that nobody held queries to would show rows that Google hides.
refuses("bigquery", *(f"rowAccessPolicies.{verb}" for verb in ("insert", "update", "delete", "batchDelete")))


@on("bigquery", "projects.getServiceAccount")
async def service_agent(call: Call, cloud: Cloud) -> Json:
    """The identity under which BigQuery encrypts in a project."""
    number = project_number(call.project)
    return {"kind": "bigquery#getServiceAccountResponse", "email": f"bq-{number}@bigquery-encryption.iam.gserviceaccount.com"}


@on("bigquery", "tabledata.list")
async def list_rows(call: Call, cloud: Cloud) -> Response:
    """A page of a table's rows."""
    name, _, partition = call.name.removesuffix("/data").partition("$")
    first = first_row(call)
    limit = int(call.one("maxResults") or 2**31)
    fields = [field for field in call.one("selectedFields").split(",") if field]
    micros = call.one("formatOptions.useInt64Timestamp").lower() == "true"
    shown, _ = await cloud.bigquery.page(name, first, limit, fields=fields, micros=micros, partition=partition)
    total = await cloud.bigquery.count(name, partition)
    head: Json = {"kind": "bigquery#tableDataList", "totalRows": str(total)}
    if shown and first + len(shown) < total:
        head["pageToken"] = str(first + len(shown))
    return with_rows(head, shown)


def with_rows(head: Json, rows: list[str]) -> Response:
    """An answer whose rows are JSON text already."""
    body = json.dumps(head)[:-1] + (', "rows": [' + ",".join(rows) + "]}" if rows else "}")
    return Response(body.encode(), content_type="application/json; charset=UTF-8")
