"""A Pub/Sub subscription and who reads it."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.pubsub_subscription import (
    PubsubSubscription,
    PubsubSubscriptionExpirationPolicy,
    PubsubSubscriptionRetryPolicy,
)
from cdktf_cdktf_provider_google.pubsub_subscription_iam_member import PubsubSubscriptionIamMember
from constructs import Construct

from infra.components.topic import RETENTION

ACKNOWLEDGED_WITHIN = 60
"""Seconds. A reader acknowledges once a run has been started, not once it has ended."""


@dataclass(frozen=True, kw_only=True)
class SubscriptionProps:
    """A subscription of one reader."""

    name: str
    topic: str
    reader: str
    """Member that pulls and acknowledges."""


class Subscription(Construct):
    """Creates one pull subscription that never expires, and the right to read it.

    Deliberately has no dead letters: a message that cannot be handled stays visible as an old unacknowledged one for as long as
    it is kept, and its grants would need the number of the project.
    """

    def __init__(self, scope: Construct, id: str, props: SubscriptionProps) -> None:
        super().__init__(scope, id)
        subscription = PubsubSubscription(
            self,
            "subscription",
            name=props.name,
            topic=props.topic,
            ack_deadline_seconds=ACKNOWLEDGED_WITHIN,
            message_retention_duration=RETENTION,
            expiration_policy=PubsubSubscriptionExpirationPolicy(ttl=""),
            retry_policy=PubsubSubscriptionRetryPolicy(minimum_backoff="10s", maximum_backoff="600s"),
        )
        PubsubSubscriptionIamMember(self, "reader", subscription=subscription.name, role="roles/pubsub.subscriber", member=props.reader)
