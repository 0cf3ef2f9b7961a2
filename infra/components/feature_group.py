"""A task's features in Feature Store, over its BigQuery table."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf_cdktf_provider_google.vertex_ai_feature_group import (
    VertexAiFeatureGroup,
    VertexAiFeatureGroupBigQuery,
    VertexAiFeatureGroupBigQueryBigQuerySource,
)
from cdktf_cdktf_provider_google.vertex_ai_feature_group_feature import VertexAiFeatureGroupFeature
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class FeatureGroupProps:
    """A group, its source table and its features."""

    name: str
    region: str
    table: str
    """`project.dataset.table`."""
    entity: str
    """The column that identifies an entity."""
    features: Mapping[str, str]
    """Column that is a feature → what it says."""
    task: str


class FeatureGroup(Construct):
    """Registers one feature group and its features.

    Deliberately creates no table (the data stack owns it) and no online store: registering costs nothing, serving does.
    """

    def __init__(self, scope: Construct, id: str, props: FeatureGroupProps) -> None:
        super().__init__(scope, id)
        group = VertexAiFeatureGroup(
            self,
            "group",
            name=props.name,
            region=props.region,
            description=f"Features of the task {props.task}",
            big_query=VertexAiFeatureGroupBigQuery(
                big_query_source=VertexAiFeatureGroupBigQueryBigQuerySource(input_uri=f"bq://{props.table}"),
                entity_id_columns=[props.entity],
            ),
            labels={"task": props.task},
        )
        self.name = group.name
        self.features = [
            VertexAiFeatureGroupFeature(
                self,
                feature,
                name=feature,
                description=description,
                region=props.region,
                feature_group=group.name,
                labels={"task": props.task},
            ).name
            for feature, description in props.features.items()
        ]
