"""A Pub/Sub topic and who publishes to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf_cdktf_provider_google.pubsub_topic import PubsubTopic, PubsubTopicMessageStoragePolicy
from cdktf_cdktf_provider_google.pubsub_topic_iam_member import PubsubTopicIamMember
from constructs import Construct

RETENTION = "604800s"
"""Seven days: a subscriber that was down over a weekend can still replay what it missed."""


@dataclass(frozen=True, kw_only=True)
class TopicProps:
    """A topic, where its messages may rest and who may publish."""

    name: str
    region: str
    kms_key: str | None
    """Full name of the key that encrypts its messages; None leaves that to Google's own."""
    publishers: Mapping[str, str]
    """Short stable word → member."""


class Topic(Construct):
    """Creates one topic whose messages stay in the region, and the right to publish.

    Deliberately creates no subscription: each reader brings its own, with its own pace. Nor the right of Pub/Sub to use the key: who
    owns the key grants it.
    """

    def __init__(self, scope: Construct, id: str, props: TopicProps) -> None:
        super().__init__(scope, id)
        self.topic = PubsubTopic(
            self,
            "topic",
            name=props.name,
            kms_key_name=props.kms_key,
            message_retention_duration=RETENTION,
            message_storage_policy=PubsubTopicMessageStoragePolicy(allowed_persistence_regions=[props.region]),
        )
        for word, member in props.publishers.items():
            PubsubTopicIamMember(self, f"publisher-{word}", topic=self.topic.name, role="roles/pubsub.publisher", member=member)
