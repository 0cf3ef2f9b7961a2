"""The BigQuery table behind a task's feature group."""

import json
from dataclasses import dataclass

from cdktf_cdktf_provider_google.bigquery_table import BigqueryTable, BigqueryTableTimePartitioning
from constructs import Construct

ENTITY = "entity_id"
TIMESTAMP = "feature_timestamp"
FEATURES: dict[str, dict[str, str]] = {
    "embedding": {"type": "FLOAT", "mode": "REPEATED", "description": "Embedding of the example"},
    "label": {"type": "STRING", "mode": "NULLABLE", "description": "Class of the example, where one is known"},
}
"""Feature name → its column. Feature Store registers exactly these."""


def schema() -> str:
    """The table's columns as the JSON that BigQuery reports, so that a second plan is empty."""
    columns = [
        {"name": ENTITY, "type": "STRING", "mode": "REQUIRED", "description": "Content digest of the example"},
        {"name": TIMESTAMP, "type": "TIMESTAMP", "mode": "REQUIRED", "description": "When the features were computed"},
        *({"name": name, **column} for name, column in FEATURES.items()),
    ]
    return json.dumps(columns)


@dataclass(frozen=True, kw_only=True)
class FeatureTableProps:
    """Where a feature table is."""

    dataset_id: str
    table_id: str
    task: str
    deletion_protection: bool


class FeatureTable(Construct):
    """Creates one table, partitioned by the day of the features and clustered by entity.

    Deliberately holds no rows and no view: pipelines write features, Feature Store reads the newest of each entity.
    """

    def __init__(self, scope: Construct, id: str, props: FeatureTableProps) -> None:
        super().__init__(scope, id)
        BigqueryTable(
            self,
            "table",
            dataset_id=props.dataset_id,
            table_id=props.table_id,
            description=f"Features of the task {props.task}",
            schema=schema(),
            time_partitioning=BigqueryTableTimePartitioning(type="DAY", field=TIMESTAMP),
            clustering=[ENTITY],
            deletion_protection=props.deletion_protection,
            labels={"task": props.task},
        )
