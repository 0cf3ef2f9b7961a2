"""The feature online store: the one part of Feature Store that is paid for by the hour."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.vertex_ai_feature_online_store import (
    VertexAiFeatureOnlineStore,
    VertexAiFeatureOnlineStoreBigtable,
    VertexAiFeatureOnlineStoreBigtableAutoScaling,
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


@dataclass(frozen=True, kw_only=True)
class OnlineStoreProps:
    """A store and the views in it."""

    name: str
    region: str
    views: Mapping[str, tuple[str, FeatureGroup]]
    """Task → (name of its view, the group it serves)."""
    deletion_protection: bool


class OnlineStore(Construct):
    """Creates one Bigtable-backed store of one to three nodes and a view a task, synchronised every night.

    Deliberately uses the feature registry as source, never a second query over BigQuery, so that what is served online is
    what training reads. It creates no vector index.
    """

    def __init__(self, scope: Construct, id: str, props: OnlineStoreProps) -> None:
        super().__init__(scope, id)
        store = VertexAiFeatureOnlineStore(
            self,
            "store",
            name=props.name,
            region=props.region,
            bigtable=VertexAiFeatureOnlineStoreBigtable(
                auto_scaling=VertexAiFeatureOnlineStoreBigtableAutoScaling(min_node_count=1, max_node_count=3, cpu_utilization_target=60)
            ),
            force_destroy=not props.deletion_protection,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        for task, (view, group) in props.views.items():
            VertexAiFeatureOnlineStoreFeatureview(
                self,
                f"view-{task}",
                name=view,
                region=props.region,
                feature_online_store=store.name,
                sync_config=VertexAiFeatureOnlineStoreFeatureviewSyncConfig(cron=SYNC_CRON),
                feature_registry_source=VertexAiFeatureOnlineStoreFeatureviewFeatureRegistrySource(
                    feature_groups=[
                        VertexAiFeatureOnlineStoreFeatureviewFeatureRegistrySourceFeatureGroups(
                            feature_group_id=group.name, feature_ids=group.features
                        )
                    ]
                ),
                labels={"task": task},
            )
