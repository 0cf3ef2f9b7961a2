"""Pub/Sub through Google's own clients: pull, streaming pull, push, order, dead letters, and nothing lost by a kill."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import NotFound

from emulator.clock import read
from emulator.engines.messages import HELD_SECONDS, Messages

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

PROJECT = "projects/acme-gemini-local"
numbers = itertools.count()


@pytest.fixture(scope="module")
def clients(google_cloud: dict[str, Any]) -> tuple[Any, Any]:
    from google.cloud import pubsub_v1

    ordered = pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
    return pubsub_v1.PublisherClient(publisher_options=ordered), pubsub_v1.SubscriberClient()


def made(clients: tuple[Any, Any], **settings: Any) -> tuple[str, str]:
    """A new topic and a subscription to it."""
    publisher, subscriber = clients
    number = next(numbers)
    topic, subscription = f"{PROJECT}/topics/pubsub-{number}", f"{PROJECT}/subscriptions/pubsub-{number}"
    publisher.create_topic(name=topic)
    subscriber.create_subscription(request={"name": subscription, "topic": topic, **settings})
    return topic, subscription


def pulled(clients: tuple[Any, Any], subscription: str, limit: int = 10) -> list[Any]:
    return list(clients[1].pull(subscription=subscription, max_messages=limit).received_messages)


def test_a_subscriber_is_sent_messages_as_they_come(clients: tuple[Any, Any]) -> None:
    publisher, subscriber = clients
    topic, subscription = made(clients)
    received: queue.Queue[tuple[bytes, str]] = queue.Queue()

    def take(message: Any) -> None:
        received.put((message.data, message.attributes["n"]))
        message.ack()

    streaming = subscriber.subscribe(subscription, callback=take)
    published = {publisher.publish(topic, b"%d" % number, n=str(number)).result() for number in range(100)}
    assert {received.get(timeout=20) for _ in range(100)} == {(b"%d" % number, str(number)) for number in range(100)}
    assert len(published) == 100
    streaming.cancel()
    streaming.result(timeout=20)


def test_what_is_given_back_comes_again_and_what_is_acknowledged_does_not(clients: tuple[Any, Any]) -> None:
    publisher, subscriber = clients
    topic, subscription = made(clients)
    publisher.publish(topic, b"m").result()
    (first,) = pulled(clients, subscription)
    assert pulled(clients, subscription) == []
    subscriber.modify_ack_deadline(subscription=subscription, ack_ids=[first.ack_id], ack_deadline_seconds=0)
    (second,) = pulled(clients, subscription)
    assert (second.message, second.ack_id != first.ack_id) == (first.message, True)
    # The first lease is over, so it acknowledges nothing.
    subscriber.acknowledge(subscription=subscription, ack_ids=[first.ack_id])
    subscriber.modify_ack_deadline(subscription=subscription, ack_ids=[second.ack_id], ack_deadline_seconds=0)
    (third,) = pulled(clients, subscription)
    subscriber.acknowledge(subscription=subscription, ack_ids=[third.ack_id])
    assert pulled(clients, subscription) == []


def test_a_lease_that_runs_out_brings_the_message_back(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = local.cloud.messages
    topic, name, subscription = _local(local, {"ackDeadlineSeconds": 10})
    messages.publish(topic, [{"data": "bQ=="}])
    assert len(messages.pull(name, subscription, 5)) == 1
    assert messages.pull(name, subscription, 5) == []
    _later(monkeypatch, 11)
    assert len(messages.pull(name, subscription, 5)) == 1


def test_a_retry_policy_makes_the_next_delivery_wait(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = local.cloud.messages
    topic, name, subscription = _local(local, {"retryPolicy": {"minimumBackoff": "60s", "maximumBackoff": "90s"}})
    messages.publish(topic, [{"data": "bQ=="}])
    (leased,) = messages.pull(name, subscription, 1)
    messages.extend(name, subscription, [leased["ackId"]], 0)
    _later(monkeypatch, 59)
    assert messages.pull(name, subscription, 1) == []
    _later(monkeypatch, 2)
    assert len(messages.pull(name, subscription, 1)) == 1


def _later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    then = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: then)


def _local(local: Local, settings: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    number = next(numbers)
    topic, name = f"projects/acme-test/topics/topic-{number}", f"projects/acme-test/subscriptions/inbox-{number}"
    local.call("PUT", f"/v1/{topic}", {}, host="pubsub.googleapis.com")
    status, subscription = local.call("PUT", f"/v1/{name}", {"topic": topic, **settings}, host="pubsub.googleapis.com")
    assert status == 200, subscription
    return topic, name, subscription


def test_a_message_that_is_never_accepted_becomes_a_dead_letter(clients: tuple[Any, Any]) -> None:
    publisher, subscriber = clients
    letters, inbox = made(clients)
    topic, subscription = made(clients, dead_letter_policy={"dead_letter_topic": letters, "max_delivery_attempts": 5})
    publisher.publish(topic, b"poison", task="vision").result()
    attempts = []
    while received := pulled(clients, subscription):
        attempts.append(received[0].delivery_attempt)
        subscriber.modify_ack_deadline(subscription=subscription, ack_ids=[received[0].ack_id], ack_deadline_seconds=0)
    assert attempts == [1, 2, 3, 4, 5]
    (letter,) = pulled(clients, inbox)
    assert (letter.message.data, letter.message.attributes["task"]) == (b"poison", "vision")
    assert letter.message.attributes["CloudPubSubDeadLetterSourceSubscription"] == subscription.rpartition("/")[2]


def test_messages_of_one_key_come_in_order_and_wait_for_each_other(clients: tuple[Any, Any]) -> None:
    publisher, subscriber = clients
    topic, subscription = made(clients, enable_message_ordering=True)
    for text in (b"1", b"2", b"3"):
        publisher.publish(topic, text, ordering_key="k").result()
    publisher.publish(topic, b"other", ordering_key="l").result()
    (first,) = pulled(clients, subscription, 1)
    assert [one.message.data for one in pulled(clients, subscription)] == [b"other"]
    subscriber.acknowledge(subscription=subscription, ack_ids=[first.ack_id])
    assert [one.message.data for one in pulled(clients, subscription)] == [b"2", b"3"]


def test_what_waits_for_another_message_is_not_looked_for_without_a_pause(local: Local) -> None:
    messages = local.cloud.messages
    topic, name, subscription = _local(local, {"enableMessageOrdering": True})
    messages.publish(topic, [{"data": "bQ==", "orderingKey": "k"}, {"data": "bg==", "orderingKey": "k"}])
    assert len(messages.pull(name, subscription, 1)) == 1
    started = time.monotonic()
    local.run(messages.arrival(name, 60))
    assert HELD_SECONDS / 2 < time.monotonic() - started < 30


def test_a_filter_keeps_messages_out(clients: tuple[Any, Any]) -> None:
    topic, subscription = made(clients, filter='attributes.task = "vision"')
    for task in ("vision", "nlp"):
        clients[0].publish(topic, task.encode(), task=task).result()
    assert [one.message.data for one in pulled(clients, subscription)] == [b"vision"]


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[int], queue.Queue[tuple[dict[str, Any], str]]]]:
    """Address of an HTTP server, the statuses that it will answer, and what it was sent with which authorisation."""
    statuses: list[int] = []
    sent: queue.Queue[tuple[dict[str, Any], str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()
            sent.put((body, self.headers.get("Authorization", "")))

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/push", statuses, sent
        server.shutdown()


def test_messages_are_pushed_with_identity_until_they_are_accepted(clients: tuple[Any, Any], receiver: Any) -> None:
    address, statuses, sent = receiver
    statuses.append(500)
    account = "caller@acme-gemini-local.iam.gserviceaccount.com"
    config = {"push_endpoint": address, "oidc_token": {"service_account_email": account}}
    topic, subscription = made(clients, push_config=config)
    clients[0].publish(topic, b"hello", task="vision").result()
    (refused, _), (accepted, authorisation) = sent.get(timeout=10), sent.get(timeout=10)
    assert accepted == refused
    assert accepted["subscription"] == subscription
    assert (accepted["message"]["data"], accepted["message"]["attributes"]) == ("aGVsbG8=", {"task": "vision"})
    claims = authorisation.removeprefix("Bearer ").split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (decoded["email"], decoded["aud"]) == (account, address)
    clients[0].publish(topic, b"next").result()
    assert sent.get(timeout=10)[0]["message"]["data"] == "bmV4dA=="


def test_nothing_is_pushed_off_this_machine(local: Local) -> None:
    _, name, _ = _local(local, {"pushConfig": {"pushEndpoint": "https://example.com/push"}})
    topic = local.cloud.store.of("pubsub").get(name)
    assert topic is not None
    local.cloud.messages.publish(topic["topic"], [{"data": "bQ=="}])
    local.run(asyncio.sleep(0))
    assert "reaches nothing else" in local.cloud.store.last_lines(name, 1)[0][2]
    assert local.cloud.messages.counts()[name][0] == 1


def test_an_empty_message_is_refused(clients: tuple[Any, Any]) -> None:
    from google.api_core.exceptions import InvalidArgument

    topic, _ = made(clients)
    with pytest.raises(InvalidArgument, match="no data and attributes"):
        clients[0].publish(topic, b"").result()


def test_messages_and_leases_outlive_a_kill(local: Local) -> None:
    topic, name, subscription = _local(local, {})
    local.cloud.messages.publish(topic, [{"data": "bQ=="}, {"data": "bg=="}])
    (leased,) = local.cloud.messages.pull(name, subscription, 1)
    # Opened beside the one that runs, as it would be after a kill: what was written is what is there.
    after = Messages(local.cloud)
    assert [one["message"]["data"] for one in after.pull(name, subscription, 5)] == ["bg=="]
    after.acknowledge(name, subscription, [leased["ackId"]])
    assert local.cloud.messages.counts()[name][0] == 1


def test_what_is_retained_comes_again_when_a_time_in_the_past_is_sought(clients: tuple[Any, Any]) -> None:
    publisher, subscriber = clients
    topic, subscription = made(clients, retain_acked_messages=True)
    for text in (b"1", b"2"):
        publisher.publish(topic, text).result()
    received = pulled(clients, subscription)
    subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
    assert pulled(clients, subscription) == []
    second = received[1].message.publish_time
    subscriber.seek(request={"subscription": subscription, "time": second})
    assert [one.message.data for one in pulled(clients, subscription)] == [b"2"]
    # Forward again: what was published before is acknowledged, and stays retained.
    subscriber.seek(request={"subscription": subscription, "time": datetime.now(UTC) + timedelta(seconds=1)})
    assert pulled(clients, subscription) == []
    subscriber.seek(request={"subscription": subscription, "time": received[0].message.publish_time})
    assert [one.message.data for one in pulled(clients, subscription)] == [b"1", b"2"]


def test_what_is_not_retained_does_not_come_again(clients: tuple[Any, Any]) -> None:
    publisher, subscriber = clients
    topic, subscription = made(clients)
    publisher.publish(topic, b"1").result()
    (received,) = pulled(clients, subscription)
    subscriber.acknowledge(subscription=subscription, ack_ids=[received.ack_id])
    subscriber.seek(request={"subscription": subscription, "time": received.message.publish_time})
    assert pulled(clients, subscription) == []


def test_a_snapshot_brings_back_what_was_not_acknowledged_and_what_came_since(clients: tuple[Any, Any]) -> None:
    publisher, subscriber = clients
    topic, subscription = made(clients)
    for text in (b"done", b"open"):
        publisher.publish(topic, text).result()
    (done,) = pulled(clients, subscription, 1)
    subscriber.acknowledge(subscription=subscription, ack_ids=[done.ack_id])
    name = f"{PROJECT}/snapshots/before-{next(numbers)}"
    snapshot = subscriber.create_snapshot(name=name, subscription=subscription)
    assert (snapshot.topic, snapshot.expire_time > datetime.now(UTC) + timedelta(days=6)) == (topic, True)
    publisher.publish(topic, b"since").result()
    received = pulled(clients, subscription)
    subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
    for _ in range(2):
        subscriber.seek(request={"subscription": subscription, "snapshot": name})
        assert [one.message.data for one in pulled(clients, subscription)] == [b"open", b"since"]
    assert list(publisher.list_topic_snapshots(topic=topic)) == [name]
    subscriber.delete_snapshot(snapshot=name)
    with pytest.raises(NotFound):
        subscriber.seek(request={"subscription": subscription, "snapshot": name})


def test_a_snapshot_is_of_one_topic_and_expires_by_the_clock(local: Local) -> None:
    host, (topic, name, _), (_, other, _) = {"host": "pubsub.googleapis.com"}, _local(local, {}), _local(local, {})
    local.cloud.messages.publish(topic, [{"data": "bQ=="}])
    status, snapshot = local.call("PUT", "/v1/projects/acme-test/snapshots/week", {"subscription": name}, **host)
    assert status == 200, snapshot
    assert local.call("PUT", "/v1/projects/acme-test/snapshots/week", {"subscription": name}, **host)[0] == 409
    for wrong in ({"snapshot": snapshot["name"]}, {}, {"time": "2026-99-01T00:00:00Z"}):
        assert local.call("POST", f"/v1/{other}:seek", wrong, **host)[0] == 400
    assert local.cloud.messages.counts()[name][0] == 1
    local.restart()
    local.run(local.cloud.clockwork.fire(read(snapshot["expireTime"])))
    assert local.call("GET", f"/v1/{snapshot['name']}", **host)[0] == 404
    assert local.call("POST", f"/v1/{name}:pull", {"maxMessages": 5}, **host)[1]["receivedMessages"]
