"""Pub/Sub's messages: each subscription's own copies, in one SQLite file, leased until they are acknowledged.

https://cloud.google.com/pubsub/docs/subscription-overview
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from emulator import filters
from emulator.behaviours import Refusal
from emulator.clock import now
from emulator.store import opened

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

TABLES = """
create table if not exists messages (
    id integer primary key autoincrement, subscription text not null, body text not null, ordering_key text not null,
    published real not null, due real not null, attempt integer not null, lease text not null
);
create index if not exists waiting on messages (subscription, due);
"""
DEFAULT_DEADLINE_SECONDS = 10
MESSAGE_BYTES = 10_000_000
BATCH_MESSAGES = 1000
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 10.0, 600.0
"""Of a retry policy that leaves them out."""
WEEK_SECONDS = 604_800.0
HELD_SECONDS = 0.05
ACKNOWLEDGED = "#acknowledged"
"""What follows a subscription's name where it retains what was acknowledged. Snapshots keep copies under their own names."""


class Messages:
    """What is published and not yet acknowledged."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._kept = cloud.store.of("pubsub")
        self._database = opened(cloud.state / "messages.db", TABLES)
        self._arrivals: dict[str, asyncio.Event] = {}
        cloud.at_end(self._close)

    async def _close(self) -> None:
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._database.execute("rollback")
            raise
        self._database.execute("commit")

    def publish(self, topic: str, given: Sequence[Json]) -> list[str]:
        """Gives each subscription of a topic its own copy of the messages; returns their ids.

        Args:
            topic: `projects/P/topics/T`, which exists.
            given: `PubsubMessage`s.

        Raises:
            Refusal: A message is empty or too large, or there are too many.
        """
        if not 0 < len(given) <= BATCH_MESSAGES:
            raise Refusal(400, "INVALID_ARGUMENT", f"A request publishes 1 to {BATCH_MESSAGES} messages, not {len(given)}.")
        for message in given:
            if not message.get("data") and not message.get("attributes"):
                raise Refusal(400, "INVALID_ARGUMENT", "Some messages in the request contain no data and attributes. Give one of them.")
            if len(json.dumps(message)) > MESSAGE_BYTES:
                raise Refusal(400, "INVALID_ARGUMENT", f"A message is larger than {MESSAGE_BYTES} bytes. Put the content into an object.")
        stamped = [{**message, "messageId": _message_id(), "publishTime": now()} for message in given]
        moment = time.time()
        rows = [
            (name, json.dumps(message), message.get("orderingKey", "") if ordered else "", moment)
            for name, wanted, ordered in self._subscriptions(topic)
            for message in filters.select(stamped, wanted)
        ]
        with self._transaction():
            self._database.executemany("insert into messages values (null, ?, ?, ?, ?, 0, 0, '')", rows)
        for name in {row[0] for row in rows}:
            self._event(name).set()
        return [message["messageId"] for message in stamped]

    def _subscriptions(self, topic: str) -> Iterable[tuple[str, str, bool]]:
        for name, row in self._kept.items(kind="Subscription"):
            if self._cloud.projects.by_id(row.get("topic", "")) == topic and not row.get("detached"):
                yield name, row.get("filter", ""), bool(row.get("enableMessageOrdering"))
        for name, row in self._kept.items(kind="Snapshot"):
            if row["topic"] == topic:
                yield name, "", True

    def pull(self, name: str, subscription: Json, limit: int) -> list[Json]:
        """Leases messages, the oldest first; one that has been delivered too often goes to the dead letters instead.

        Args:
            name: `projects/P/subscriptions/S`.
            subscription: The resource.
            limit: At most so many.

        Returns:
            `ReceivedMessage`s.
        """
        moment = time.time()
        deadline = moment + (subscription.get("ackDeadlineSeconds") or DEFAULT_DEADLINE_SECONDS)
        retention = _seconds(subscription.get("messageRetentionDuration", ""), WEEK_SECONDS)
        retained = (name, name + ACKNOWLEDGED, moment - retention)
        self._database.execute("delete from messages where subscription in (?, ?) and published < ?", retained)
        dead = subscription.get("deadLetterPolicy", {})
        leased: list[Json] = []
        held = self._held(name, moment) if subscription.get("enableMessageOrdering") else None
        rows = self._database.execute(
            "select id, body, ordering_key, attempt from messages where subscription = ? and due <= ? order by id", (name, moment)
        )
        buried = []
        with self._transaction():
            for identifier, body, key, attempt in rows.fetchmany(limit) if held is None and not dead else rows.fetchall():
                if len(leased) >= limit:
                    break
                if held is not None and key in held and held[key] < identifier:
                    # A message of the same key that came before is still out.
                    continue
                if dead.get("deadLetterTopic") and attempt >= int(dead.get("maxDeliveryAttempts") or 5):
                    buried.append((identifier, body, attempt))
                    continue
                lease = f"{identifier}-{secrets.token_hex(8)}"
                changed = (deadline, lease, identifier)
                self._database.execute("update messages set due = ?, attempt = attempt + 1, lease = ? where id = ?", changed)
                one = {"ackId": lease, "message": json.loads(body)}
                leased.append({**one, "deliveryAttempt": attempt + 1} if dead else one)
        for identifier, body, attempt in buried:
            self._bury(name, dead["deadLetterTopic"], identifier, json.loads(body), attempt)
        return leased

    def _held(self, name: str, moment: float) -> dict[str, int]:
        """Ordering key → the earliest message of it that is out with a subscriber."""
        rows = self._database.execute(
            "select ordering_key, min(id) from messages where subscription = ? and due > ? and ordering_key != '' group by 1",
            (name, moment),
        )
        return dict(rows.fetchall())

    def _bury(self, name: str, topic: str, identifier: int, message: Json, attempt: int) -> None:
        """Sends a message to the dead letters; where their topic is gone it stays, as Pub/Sub keeps it."""
        topic = self._cloud.projects.by_id(topic)
        if self._kept.get(topic) is None:
            return
        _, project, _, subscription = name.split("/")
        origin = {
            "CloudPubSubDeadLetterSourceDeliveryCount": str(attempt),
            "CloudPubSubDeadLetterSourceSubscription": subscription,
            "CloudPubSubDeadLetterSourceSubscriptionProject": project,
            "CloudPubSubDeadLetterSourceTopicPublishTime": message["publishTime"],
        }
        letter = {key: value for key, value in message.items() if key not in ("messageId", "publishTime")}
        self.publish(topic, [{**letter, "attributes": {**message.get("attributes", {}), **origin}}])
        self._database.execute("delete from messages where id = ?", (identifier,))

    def acknowledge(self, name: str, subscription: Json, leases: Iterable[str]) -> None:
        """Forgets messages by their leases, or puts them aside where they are retained; one that has been leased anew meanwhile stays."""
        with self._transaction():
            for lease in leases:
                self._settle(name, subscription, "id = ? and lease = ?", (_row(lease), lease))

    def _settle(self, name: str, subscription: Json, which: str, values: tuple[object, ...]) -> None:
        """Takes those messages of a subscription that `which` selects as acknowledged."""
        if subscription.get("retainAckedMessages"):
            aside = (name + ACKNOWLEDGED, name, *values)
            self._database.execute(f"update messages set subscription = ? where subscription = ? and {which}", aside)
        else:
            self._database.execute(f"delete from messages where subscription = ? and {which}", (name, *values))

    def extend(self, name: str, subscription: Json, leases: Sequence[str], seconds: int) -> None:
        """Moves the deadline of leases; 0 seconds give the messages back, to be delivered again by the retry policy."""
        due = time.time() + seconds
        for lease in leases:
            backoff = 0.0
            if not seconds and (policy := subscription.get("retryPolicy")):
                found = self._database.execute("select attempt from messages where id = ?", (_row(lease),)).fetchone()
                backoff = _backoff(policy, found[0] if found else 1)
            self._database.execute(
                "update messages set due = ? where id = ? and subscription = ? and lease = ?", (due + backoff, _row(lease), name, lease)
            )
        if not seconds:
            self._event(name).set()

    def seek(self, name: str, subscription: Json, moment: float) -> None:
        """Takes what was published before a moment as acknowledged, and what is retained of the rest as not."""
        with self._transaction():
            self._settle(name, subscription, "published < ?", (moment,))
            self._database.execute(
                "update messages set subscription = ?, due = 0, attempt = 0, lease = '' where subscription = ? and published >= ?",
                (name, name + ACKNOWLEDGED, moment),
            )
        self._event(name).set()

    def seek_snapshot(self, name: str, subscription: Json, snapshot: str) -> None:
        """Takes what a snapshot holds as not acknowledged, and everything else as acknowledged."""
        kept = self._database.execute("select body, ordering_key, published from messages where subscription = ? order by id", (snapshot,))
        bodies = {body: (key, published) for body, key, published in kept.fetchall()}
        wanted = filters.select([json.loads(body) for body in bodies], subscription.get("filter", ""))
        ids = {message["messageId"] for message in wanted}
        rows = [(body, *rest) for body, rest in bodies.items() if json.loads(body)["messageId"] in ids]
        ordered = bool(subscription.get("enableMessageOrdering"))
        with self._transaction():
            self._settle(name, subscription, "true", ())
            held = [(name + ACKNOWLEDGED, body) for body, _, _ in rows]
            self._database.executemany("delete from messages where subscription = ? and body = ?", held)
            self._database.executemany(
                "insert into messages values (null, ?, ?, ?, ?, 0, 0, '')",
                [(name, body, key if ordered else "", published) for body, key, published in rows],
            )
        self._event(name).set()

    def snapshot(self, name: str, subscription: str) -> float:
        """Copies what a subscription has not acknowledged to a snapshot; when the oldest of it was published, or now."""
        with self._transaction():
            self._database.execute(
                "insert into messages select null, ?, body, ordering_key, published, 0, 0, '' from messages "
                "where subscription = ? order by id",
                (name, subscription),
            )
        (oldest,) = self._database.execute("select min(published) from messages where subscription = ?", (name,)).fetchone()
        return float(oldest or time.time())

    def forget(self, name: str) -> None:
        """Removes the messages of a subscription or a snapshot that is deleted."""
        self._database.execute("delete from messages where subscription in (?, ?)", (name, name + ACKNOWLEDGED))
        self._event(name).set()

    def counts(self) -> dict[str, tuple[int, float]]:
        """Subscription → how many messages wait, and since when the oldest."""
        # Counted in the index alone; only the first message of each subscription is read.
        rows = self._database.execute(
            "select subscription, waiting, (select published from messages where id = first) from"
            " (select subscription, count(*) as waiting, min(id) as first from messages group by subscription)"
        ).fetchall()
        return {name: (count, oldest) for name, count, oldest in rows if "/subscriptions/" in name and not name.endswith(ACKNOWLEDGED)}

    async def arrival(self, name: str, wait: float) -> None:
        """Waits until something may be delivered: a message came or was given back, a lease ran out, or the time is over."""
        event = self._event(name)
        event.clear()
        (due,) = self._database.execute("select min(due) from messages where subscription = ?", (name,)).fetchone()
        # What is due and yet was not delivered is held back by another message: it is looked for again, but not without a pause.
        pause = wait if due is None else min(wait, max(due - time.time(), HELD_SECONDS))
        try:
            await asyncio.wait_for(event.wait(), pause)
        except TimeoutError:
            return

    def _event(self, name: str) -> asyncio.Event:
        return self._arrivals.setdefault(name, asyncio.Event())


def _row(lease: str) -> int:
    head = lease.partition("-")[0]
    return int(head) if head.isdigit() else 0


def _message_id() -> str:
    return f"{time.time_ns()}{secrets.randbelow(1000):03}"


def _backoff(policy: Json, attempt: int) -> float:
    """Seconds before the next delivery, twice as long each time."""
    first = _seconds(policy.get("minimumBackoff", ""), FIRST_BACKOFF_SECONDS)
    longest = _seconds(policy.get("maximumBackoff", ""), LONGEST_BACKOFF_SECONDS)
    return float(min(first * 2 ** max(attempt - 1, 0), longest))


def _seconds(duration: str, default: float) -> float:
    return float(duration.rstrip("s")) if duration else default
