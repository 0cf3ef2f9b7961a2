"""BigQuery's datasets and tables, as far as declaring them goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, completes, defaults, on

if TYPE_CHECKING:
    from emulator.cloud import Cloud

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
    resource["id"] = f"{call.project}:{name.rpartition('/')[2]}"
    for entry in resource.get("access", []):
        if role := entry.get("role"):
            entry["role"] = LEGACY_ROLES.get(role, role)


@completes("bigquery", "Table")
def table(call: Call, cloud: Cloud, name: str, resource: Json) -> None:
    """Type and size; rows come with what fills the table."""
    parts = name.split("/")
    resource["id"] = f"{parts[1]}:{parts[3]}.{parts[5]}"
    resource.setdefault("type", "VIEW" if "view" in resource else "EXTERNAL" if "externalDataConfiguration" in resource else "TABLE")
    resource.setdefault("numRows", "0")
    resource.setdefault("numBytes", "0")
    dataset_resource = cloud.store.of("bigquery").get("/".join(parts[:4]))
    resource.setdefault("location", (dataset_resource or {}).get("location", "US"))


@on("bigquery", "tables.insert")
async def insert_table(call: Call, cloud: Cloud) -> Json | Response:
    """A table lives in a dataset that exists."""
    cloud.resources.load(call, call.name.removesuffix("/tables"))
    return await cloud.resources.default(call)


@on("bigquery", "datasets.delete")
async def delete_dataset(call: Call, cloud: Cloud) -> Json | Response:
    """A dataset that still holds tables is not deleted unless its contents are to go with it."""
    tables = cloud.store.of("bigquery").list(f"{call.name}/tables", "Table")
    if tables and call.one("deleteContents") != "true":
        message = f"Dataset {call.name} is still in use: it holds {len(tables)} tables. Delete them, or set deleteContents."
        raise Refusal(400, "FAILED_PRECONDITION", message, reason="resourceInUse")
    result = await cloud.resources.default(call)
    return Response(status=204) if result == {} else result
