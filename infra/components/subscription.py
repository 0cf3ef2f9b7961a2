"""A Pub/Sub subscription and who reads it."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.pubsub_subscription import (
    PubsubSubscription,
    PubsubSubscriptionDeadLetterPolicy,
    PubsubSubscriptionExpirationPolicy,
    PubsubSubscriptionRetryPolicy,
)
from cdktf_cdktf_provider_google.pubsub_subscription_iam_member import PubsubSubscriptionIamMember
from constructs import Construct

from infra.components.topic import RETENTION

ACKNOWLEDGED_WITHIN = 60
"""Seconds. A reader acknowledges once a run has been started, not once it has ended."""
ATTEMPTS = 100
"""At the longest pause between two deliveries this is most of a day, in which people can label rows or mend what is missing."""


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """Where messages go that could not be handled."""

    topic: str
    """Id of the topic."""
    forwarder: str
    """Member that moves them: Pub/Sub's own service agent, which must also be allowed to publish to the topic."""


@dataclass(frozen=True, kw_only=True)
class SubscriptionProps:
    """A subscription of one reader."""

    name: str
    topic: str
    reader: str
    """Member that pulls and acknowledges."""
    dead_letters: DeadLetters | None
    """None for the reader of dead letters itself."""


class Subscription(Construct):
    """Creates one pull subscription that never expires, the right to read it, and what moves a message that was never handled.

    Deliberately never drops a message by itself: one that was delivered too often goes to the dead letters, where an alert sees it.
    """

    def __init__(self, scope: Construct, id: str, props: SubscriptionProps) -> None:
        super().__init__(scope, id)
        dead = props.dead_letters
        subscription = PubsubSubscription(
            self,
            "subscription",
            name=props.name,
            topic=props.topic,
            ack_deadline_seconds=ACKNOWLEDGED_WITHIN,
            message_retention_duration=RETENTION,
            expiration_policy=PubsubSubscriptionExpirationPolicy(ttl=""),
            retry_policy=PubsubSubscriptionRetryPolicy(minimum_backoff="10s", maximum_backoff="600s"),
            dead_letter_policy=PubsubSubscriptionDeadLetterPolicy(dead_letter_topic=dead.topic, max_delivery_attempts=ATTEMPTS)
            if dead
            else None,
        )
        members = {"reader": props.reader, **({"forwarder": dead.forwarder} if dead else {})}
        for word, member in members.items():
            PubsubSubscriptionIamMember(self, word, subscription=subscription.name, role="roles/pubsub.subscriber", member=member)
