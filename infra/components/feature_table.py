"""The BigQuery table behind a task's feature group."""

import json
from dataclasses import dataclass

from cdktf_cdktf_provider_google.bigquery_table import BigqueryTable, BigqueryTableTimePartitioning
from constructs import Construct

from environments.tasks import Kind, Task

ENTITY = "entity_id"
TIMESTAMP = "feature_timestamp"
FEATURES: dict[str, dict[str, str]] = {
    "embedding": {"type": "FLOAT", "mode": "REPEATED", "description": "Embedding of the example"},
    "label": {"type": "STRING", "mode": "NULLABLE", "description": "Class of the example, where one is known"},
    # Null in rows that are older than the column: BigQuery adds no required column to a table that has rows.
    "embedding_model": {"type": "STRING", "mode": "NULLABLE", "description": "Digest of the model that embedded the example"},
}
"""Feature name → its column, for every task. Feature Store registers exactly these and those of the task's kind."""
FEATURES_OF_KIND: dict[Kind, dict[str, dict[str, str]]] = {
    "text_classification": {
        "sentiment": {"type": "FLOAT", "mode": "NULLABLE", "description": "From -1 (negative) to 1 (positive), by the VADER lexicon"},
    },
}


def features(kind: Kind) -> dict[str, dict[str, str]]:
    """The features of a task of that kind."""
    return {**FEATURES, **FEATURES_OF_KIND.get(kind, {})}


def schema(kind: Kind) -> str:
    """The table's columns as the JSON that BigQuery reports, so that a second plan is empty."""
    columns = [
        {"name": ENTITY, "type": "STRING", "mode": "REQUIRED", "description": "Content digest of the example"},
        {"name": TIMESTAMP, "type": "TIMESTAMP", "mode": "REQUIRED", "description": "From when on the features could be read"},
        *({"name": name, **column} for name, column in features(kind).items()),
    ]
    return json.dumps(columns)


@dataclass(frozen=True, kw_only=True)
class FeatureTableProps:
    """Where a feature table is."""

    dataset_id: str
    table_id: str
    task: Task
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
            description=f"Features of the task {props.task.name}",
            schema=schema(props.task.kind),
            time_partitioning=BigqueryTableTimePartitioning(type="DAY", field=TIMESTAMP),
            clustering=[ENTITY],
            deletion_protection=props.deletion_protection,
            labels={"task": props.task.name},
        )
