"""Pub/Sub: publish, pull, acknowledge. Messages are kept until they are acknowledged; a lease that runs out brings one back."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, defaults, on
from emulator.clock import now, number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

MESSAGES = "pubsub-messages"
DELETED_TOPIC = "_deleted-topic_"

defaults("pubsub", "Subscription", ackDeadlineSeconds=10, messageRetentionDuration="604800s", expirationPolicy={"ttl": "2678400s"})


@on("pubsub", "projects.subscriptions.create")
async def subscribe(call: Call, cloud: Cloud) -> Json | Response:
    """A subscription needs its topic."""
    topic = call.body.get("topic", "")
    if cloud.store.of("pubsub").get(cloud.projects.by_id(topic)) is None:
        raise Refusal(404, "NOT_FOUND", f"Resource not found (resource={topic.rpartition('/')[2]}): create the topic first.")
    return await cloud.resources.default(call)


@on("pubsub", "projects.topics.publish")
async def publish(call: Call, cloud: Cloud) -> Json:
    """Each subscription of the topic gets its own copy."""
    cloud.resources.load(call)
    kept, messages = cloud.store.of("pubsub"), cloud.store.of(MESSAGES)
    subscriptions = [name for name, row in kept.items(kind="Subscription") if cloud.projects.by_id(row.get("topic", "")) == call.name]
    identifiers = []
    for message in call.body.get("messages", []):
        identifier = f"{time.time_ns()}{number()[:3]}"
        identifiers.append(identifier)
        published = {**message, "messageId": identifier, "publishTime": now()}
        for subscription in subscriptions:
            messages.put(f"{subscription}/{identifier}", "Message", {"message": published, "ackId": "", "due": 0})
    return {"messageIds": identifiers}


@on("pubsub", "projects.subscriptions.pull")
async def pull(call: Call, cloud: Cloud) -> Json:
    """Leases messages to the caller; it answers at once, also when there are none."""
    subscription, messages = cloud.resources.load(call), cloud.store.of(MESSAGES)
    received: list[Json] = []
    for name, row in messages.items(call.name):
        if len(received) >= int(call.body.get("maxMessages", 1)):
            break
        if row["due"] <= time.time():
            attempt = row.get("attempt", 0) + 1
            leased = {**row, "ackId": uuid.uuid4().hex, "due": time.time() + subscription["ackDeadlineSeconds"], "attempt": attempt}
            messages.put(name, "Message", leased)
            received.append({"ackId": leased["ackId"], "message": row["message"], "deliveryAttempt": attempt})
    return {"receivedMessages": received} if received else {}


@on("pubsub", "projects.subscriptions.acknowledge", "projects.subscriptions.modifyAckDeadline")
async def acknowledge(call: Call, cloud: Cloud) -> Json:
    """What is acknowledged is gone; a deadline of 0 gives it back at once."""
    cloud.resources.load(call)
    wanted, messages = set(call.body.get("ackIds", [])), cloud.store.of(MESSAGES)
    for name, row in messages.items(call.name):
        if row["ackId"] in wanted:
            if call.verb == "acknowledge":
                messages.remove(name)
            else:
                messages.put(name, "Message", {**row, "due": time.time() + call.body.get("ackDeadlineSeconds", 0)})
    return {}


@on("pubsub", "projects.topics.delete")
async def delete_topic(call: Call, cloud: Cloud) -> Json | Response:
    """The topic's subscriptions stay, with what they have not delivered yet, and name no topic any more."""
    kept = cloud.store.of("pubsub")
    result = await cloud.resources.default(call)
    for name, row in kept.items(kind="Subscription"):
        if cloud.projects.by_id(row.get("topic", "")) == call.name:
            kept.put(name, "Subscription", {**row, "topic": DELETED_TOPIC})
    return result


@on("pubsub", "projects.subscriptions.delete")
async def delete_subscription(call: Call, cloud: Cloud) -> Json | Response:
    """Its messages go with it."""
    cloud.store.of(MESSAGES).delete(call.name)
    return await cloud.resources.default(call)


@on("pubsub", "projects.subscriptions.modifyPushConfig")
async def modify_push(call: Call, cloud: Cloud) -> Json:
    """Where a subscription pushes to."""
    cloud.resources.save(call, call.name, {**cloud.resources.load(call), "pushConfig": call.body.get("pushConfig", {})}, "Subscription")
    return {}
