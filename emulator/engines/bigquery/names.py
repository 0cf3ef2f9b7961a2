"""How BigQuery names a table: as a resource, as a reference, and in its messages."""

from __future__ import annotations

import re
from typing import Any

from emulator.behaviours import Refusal

Json = dict[str, Any]

TABLE = re.compile(r"projects/([^/]+)/datasets/([A-Za-z0-9_]+)/tables/([\w -]+)")


def name_of(reference: Json) -> str:
    """`projects/P/datasets/D/tables/T` of a table reference, without the partition that it may name; empty for none."""
    if not reference.get("tableId"):
        return ""
    table = str(reference["tableId"]).partition("$")[0]
    name = f"projects/{reference.get('projectId', '')}/datasets/{reference.get('datasetId', '')}/tables/{table}"
    parts(name)
    return name


def partition_of(reference: Json) -> str:
    """The id of the partition that a table reference names, `20240101` for `t$20240101`; empty for none."""
    return str(reference.get("tableId", "")).partition("$")[2]


def reference_of(name: str) -> Json:
    """The table reference of a name."""
    project, dataset, table = parts(name)
    return {"projectId": project, "datasetId": dataset, "tableId": table}


def parts(name: str) -> tuple[str, str, str]:
    """Project, dataset and table of `projects/P/datasets/D/tables/T`.

    Raises:
        Refusal: It is no such name, or an id is none.
    """
    match = TABLE.fullmatch(name)
    if match is None:
        message = (
            f"{name[:200]!r} names no table: the ids of datasets and tables are letters, digits and underscores, a table's also dashes."
        )
        raise Refusal(400, "INVALID_ARGUMENT", message, reason="invalid")
    return match[1], match[2], match[3]


def spoken(name: str) -> str:
    """`P:D.T`, as BigQuery's messages name a table."""
    project, dataset, table = parts(name)
    return f"{project}:{dataset}.{table}"
