"""The feature online store: the one part of Feature Store that is paid for by the hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.vertex_ai_feature_online_store import (
    VertexAiFeatureOnlineStore,
    VertexAiFeatureOnlineStoreBigtable,
    VertexAiFeatureOnlineStoreBigtableAutoScaling,
    VertexAiFeatureOnlineStoreOptimized,
)
from cdktf_cdktf_provider_google.vertex_ai_feature_online_store_featureview import (
    VertexAiFeatureOnlineStoreFeatureview,
    VertexAiFeatureOnlineStoreFeatureviewFeatureRegistrySource,
    VertexAiFeatureOnlineStoreFeatureviewFeatureRegistrySourceFeatureGroups,
    VertexAiFeatureOnlineStoreFeatureviewSyncConfig,
)
from constructs import Construct

from infra.components.feature_group import FeatureGroup

SYNC_CRON = "0 4 * * *"
NODES = VertexAiFeatureOnlineStoreBigtableAutoScaling(min_node_count=1, max_node_count=3, cpu_utilization_target=60)


@dataclass(frozen=True, kw_only=True)
class View:
    """What is served of one task."""

    name: str
    groups: Sequence[FeatureGroup]


@dataclass(frozen=True, kw_only=True)
class OnlineStoreProps:
    """A store and the views in it."""

    name: str
    region: str
    kind: Literal["bigtable", "optimized"]
    """Another one replaces the store; its rows are copied out of BigQuery again."""
    views: Mapping[str, View]
    """Task → its view."""
    deletion_protection: bool


class OnlineStore(Construct):
    """Creates one store (Bigtable of one to three nodes, or optimised) and a view a task, synchronised every night.

    Deliberately uses the feature registry as source, never a second query over BigQuery, so that what is served online is
    what training reads. It creates no index over embeddings, which this provider knows no field for: `serving/features.py`
    makes that view in an optimised store. Nor has the store a key of ours, for the same reason.
    """

    def __init__(self, scope: Construct, id: str, props: OnlineStoreProps) -> None:
        super().__init__(scope, id)
        store = VertexAiFeatureOnlineStore(
            self,
            "store",
            name=props.name,
            region=props.region,
            bigtable=VertexAiFeatureOnlineStoreBigtable(auto_scaling=NODES) if props.kind == "bigtable" else None,
            optimized=VertexAiFeatureOnlineStoreOptimized() if props.kind == "optimized" else None,
            force_destroy=not props.deletion_protection,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        for task, view in props.views.items():
            VertexAiFeatureOnlineStoreFeatureview(
                self,
                f"view-{task}",
                name=view.name,
                region=props.region,
                feature_online_store=store.name,
                sync_config=VertexAiFeatureOnlineStoreFeatureviewSyncConfig(cron=SYNC_CRON),
                feature_registry_source=VertexAiFeatureOnlineStoreFeatureviewFeatureRegistrySource(
                    feature_groups=[
                        VertexAiFeatureOnlineStoreFeatureviewFeatureRegistrySourceFeatureGroups(
                            feature_group_id=group.name, feature_ids=group.features
                        )
                        for group in view.groups
                    ]
                ),
                labels={"task": task},
            )
