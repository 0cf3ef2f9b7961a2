"""Pub/Sub's methods over the messages of `emulator.engines.messages`."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, at_start, completes, defaults, not_emulated, on
from emulator.clock import read, written
from emulator.engines.clockwork import fires
from emulator.engines.messages import WEEK_SECONDS
from emulator.engines.push import endpoint_of
from emulator.resources import check_name

if TYPE_CHECKING:
    from emulator.cloud import Cloud

DELETED_TOPIC = "_deleted-topic_"
PULL_SECONDS = 0.5
"""How long an empty pull waits for a message."""
SHORTEST_SNAPSHOT_SECONDS = 3600.0
ID = re.compile(r"(?!goog)[A-Za-z][A-Za-z0-9._~%+-]{2,254}")
"""https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names"""

defaults("pubsub", "Subscription", ackDeadlineSeconds=10, messageRetentionDuration="604800s", expirationPolicy={"ttl": "2678400s"})


@at_start
async def push(cloud: Cloud) -> None:
    """Push subscriptions go on where they stood."""
    for name, subscription in cloud.store.of("pubsub").items(kind="Subscription"):
        if endpoint_of(subscription):
            cloud.pushes.settle(name)


@completes("pubsub", "Topic")
def named(call: Call, cloud: Cloud, name: str, topic: Json) -> None:
    """What may be the id of a topic or a subscription."""
    if not ID.fullmatch(name.rpartition("/")[2]):
        message = (
            f"Invalid resource name given (name={name}). Nothing was made. Begin its last part with a letter that does not begin `goog`, "
            "and use 3 to 255 letters, digits and -._~%+."
        )
        raise Refusal(400, "INVALID_ARGUMENT", message)


@completes("pubsub", "Subscription")
def complete(call: Call, cloud: Cloud, name: str, subscription: Json) -> None:
    """A subscription that pushes begins to do so, and goes by what it now says."""
    named(call, cloud, name, subscription)
    if "bigqueryConfig" in subscription or "cloudStorageConfig" in subscription:
        raise not_emulated("A subscription that writes to BigQuery or Cloud Storage")
    if endpoint_of(subscription) or endpoint_of(cloud.store.of("pubsub").get(name)):
        # Once it is stored.
        asyncio.get_running_loop().call_soon(cloud.pushes.settle, name)


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
    return {"messageIds": cloud.messages.publish(call.name, call.body.get("messages", []))}


@on("pubsub", "projects.subscriptions.pull")
async def pull(call: Call, cloud: Cloud) -> Json:
    """Leases messages to the caller; where there are none it waits a moment for one, unless told to answer at once."""
    subscription = cloud.resources.load(call)
    limit = int(call.body.get("maxMessages", 0))
    if limit < 1:
        raise Refusal(400, "INVALID_ARGUMENT", f"maxMessages is {limit}; ask for at least one message.")
    if endpoint_of(subscription):
        raise Refusal(400, "FAILED_PRECONDITION", f"{call.name} pushes its messages: clear its pushConfig to pull them.")
    received = cloud.messages.pull(call.name, subscription, limit)
    if not received and not call.body.get("returnImmediately"):
        await cloud.messages.arrival(call.name, PULL_SECONDS)
        received = cloud.messages.pull(call.name, cloud.resources.load(call), limit)
    return {"receivedMessages": received} if received else {}


@on("pubsub", "projects.subscriptions.acknowledge")
async def acknowledge(call: Call, cloud: Cloud) -> Json:
    """What is acknowledged does not come again, unless it is retained and sought."""
    cloud.messages.acknowledge(call.name, cloud.resources.load(call), call.body.get("ackIds", []))
    return {}


@on("pubsub", "projects.subscriptions.modifyAckDeadline")
async def modify_deadline(call: Call, cloud: Cloud) -> Json:
    """A lease is prolonged; a deadline of 0 gives the message back."""
    subscription = cloud.resources.load(call)
    seconds = int(call.body.get("ackDeadlineSeconds", 0))
    if not 0 <= seconds <= 600:
        raise Refusal(400, "INVALID_ARGUMENT", f"An acknowledgement deadline is 0 to 600 seconds, not {seconds}.")
    cloud.messages.extend(call.name, subscription, call.body.get("ackIds", []), seconds)
    return {}


@on("pubsub", "projects.subscriptions.seek")
async def seek(call: Call, cloud: Cloud) -> Json:
    """Goes back, or forward, to a moment or to a snapshot: what was acknowledged comes again as far as it is retained."""
    subscription = cloud.resources.load(call)
    if snapshot := call.body.get("snapshot"):
        snapshot = cloud.projects.by_id(snapshot)
        if cloud.resources.load(call, snapshot)["topic"] != cloud.projects.by_id(subscription.get("topic", "")):
            raise Refusal(400, "INVALID_ARGUMENT", f"{snapshot} is of another topic than {call.name}. Nothing was sought.")
        cloud.messages.seek_snapshot(call.name, subscription, snapshot)
        return {}
    try:
        moment = read(call.body.get("time", ""))
    except ValueError as error:
        raise Refusal(400, "INVALID_ARGUMENT", f"A subscription seeks to a time or to a snapshot: {error}.") from None
    cloud.messages.seek(call.name, subscription, moment.timestamp())
    return {}


@on("pubsub", "projects.snapshots.create")
async def create_snapshot(call: Call, cloud: Cloud) -> Json:
    """Keeps what a subscription has not acknowledged, and what is published from now on."""
    name, kept = call.name, cloud.store.of("pubsub")
    check_name(name)
    if kept.get(name) is not None:
        raise Refusal(409, "ALREADY_EXISTS", f"Resource '{name}' already exists.", reason="alreadyExists")
    source = cloud.projects.by_id(call.body.get("subscription", ""))
    topic = cloud.projects.by_id(cloud.resources.load(call, source).get("topic", ""))
    if kept.get(topic) is None:
        raise Refusal(400, "FAILED_PRECONDITION", f"The topic of {source} was deleted, so a snapshot of it could retain nothing.")
    # What a kill left of one that was never stored.
    cloud.messages.forget(name)
    expires = cloud.messages.snapshot(name, source) + WEEK_SECONDS
    if expires < time.time() + SHORTEST_SNAPSHOT_SECONDS:
        cloud.messages.forget(name)
        raise Refusal(400, "FAILED_PRECONDITION", f"The backlog of {source} is so old that the snapshot would expire within the hour.")
    labels = {"labels": call.body["labels"]} if call.body.get("labels") else {}
    cloud.clockwork.wake()
    made = {"name": name, "topic": topic, "expireTime": written(datetime.fromtimestamp(expires, UTC)), **labels}
    return kept.put(name, "Snapshot", made)


@on("pubsub", "projects.snapshots.delete")
async def delete_snapshot(call: Call, cloud: Cloud) -> Json | Response:
    """What it kept goes with it."""
    result = await cloud.resources.default(call)
    cloud.messages.forget(call.name)
    return result


@fires("pubsub", "Snapshot", due=lambda snapshot: str(snapshot["expireTime"]))
async def expire_snapshot(cloud: Cloud, name: str, moment: datetime) -> None:
    """A snapshot lasts for a week at most."""
    cloud.store.of("pubsub").delete(name)
    cloud.messages.forget(name)


@on("pubsub", "projects.topics.snapshots.list")
async def snapshots_of(call: Call, cloud: Cloud) -> Json:
    """Names of the snapshots of a topic."""
    topic = call.name.removesuffix("/snapshots")
    cloud.resources.load(call, topic)
    return {"snapshots": [name for name, row in cloud.store.of("pubsub").items(kind="Snapshot") if row["topic"] == topic]}


@on("pubsub", "projects.topics.subscriptions.list")
async def subscriptions_of(call: Call, cloud: Cloud) -> Json:
    """Names of the subscriptions of a topic; one that was detached is none of them."""
    topic = call.name.removesuffix("/subscriptions")
    cloud.resources.load(call, topic)
    rows = cloud.store.of("pubsub").items(kind="Subscription")
    attached = [name for name, row in rows if cloud.projects.by_id(row.get("topic", "")) == topic and not row.get("detached")]
    return {"subscriptions": attached}


@on("pubsub", "projects.subscriptions.detach")
async def detach(call: Call, cloud: Cloud) -> Json:
    """A detached subscription gets nothing any more and loses what it had."""
    cloud.resources.save(call, call.name, {**cloud.resources.load(call), "detached": True}, "Subscription")
    cloud.messages.forget(call.name)
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
    result = await cloud.resources.default(call)
    cloud.messages.forget(call.name)
    cloud.pushes.settle(call.name)
    return result


@on("pubsub", "projects.subscriptions.modifyPushConfig")
async def modify_push(call: Call, cloud: Cloud) -> Json:
    """Where a subscription pushes to."""
    cloud.resources.save(call, call.name, {**cloud.resources.load(call), "pushConfig": call.body.get("pushConfig", {})}, "Subscription")
    cloud.pushes.settle(call.name)
    return {}
