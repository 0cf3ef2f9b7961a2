"""A BigQuery table: typed columns, a partition a day, clustered by what is asked for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cdktf_cdktf_provider_google.bigquery_table import (
    BigqueryTable,
    BigqueryTableEncryptionConfiguration,
    BigqueryTableTimePartitioning,
)
from constructs import Construct

MILLISECONDS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    type: Literal["STRING", "FLOAT", "INTEGER", "TIMESTAMP"]
    description: str
    mode: Literal["REQUIRED", "NULLABLE", "REPEATED"] = "NULLABLE"


def schema(columns: Sequence[Column]) -> str:
    """The columns as the JSON that BigQuery reports, so that a second plan is empty."""
    return json.dumps([{"name": one.name, "type": one.type, "mode": one.mode, "description": one.description} for one in columns])


@dataclass(frozen=True, kw_only=True)
class TableProps:
    """What a table holds, and how long."""

    dataset_id: str
    table_id: str
    description: str
    columns: Sequence[Column]
    partitioned_by: str
    """TIMESTAMP column whose day is a row's partition."""
    clustered_by: Sequence[str]
    """Columns by which rows are asked for, the most often asked first; at most four."""
    expire_after_days: int | None = None
    """Age at which a partition is deleted; None keeps them."""
    kms_key: str | None
    deletion_protection: bool
    labels: Mapping[str, str]


class Table(Construct):
    """Creates one table.

    Deliberately holds no row and no view, and grants nothing: who reads the dataset reads its tables.
    """

    def __init__(self, scope: Construct, id: str, props: TableProps) -> None:
        super().__init__(scope, id)
        BigqueryTable(
            self,
            "table",
            dataset_id=props.dataset_id,
            table_id=props.table_id,
            description=props.description,
            schema=schema(props.columns),
            time_partitioning=BigqueryTableTimePartitioning(
                type="DAY",
                field=props.partitioned_by,
                expiration_ms=props.expire_after_days * MILLISECONDS_PER_DAY if props.expire_after_days else None,
            ),
            clustering=list(props.clustered_by),
            # The dataset's key would do; said again, since a table keeps the key that it was made with.
            encryption_configuration=BigqueryTableEncryptionConfiguration(kms_key_name=props.kms_key) if props.kms_key else None,
            deletion_protection=props.deletion_protection,
            labels=dict(props.labels),
        )
