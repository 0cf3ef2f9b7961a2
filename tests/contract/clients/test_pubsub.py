"""Pub/Sub, by `google-cloud-pubsub` over gRPC."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls


@pytest.fixture(scope="module")
def publisher(place: Place) -> Any:
    from google.cloud import pubsub_v1

    return pubsub_v1.PublisherClient()


@pytest.fixture(scope="module")
def subscriber(place: Place) -> Iterator[Any]:
    from google.cloud import pubsub_v1

    with pubsub_v1.SubscriberClient() as client:
        yield client


@pytest.fixture
def topic(place: Place, publisher: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """A topic for one test; subscriptions to it go with it."""
    name = publisher.topic_path(place.project, place.name(str(abs(hash(request.node.name)) % 10**8)))
    publisher.create_topic(request={"name": name, "labels": dict(place.labels)})
    yield name
    publisher.delete_topic(topic=name)


@pytest.fixture
def subscription(place: Place, subscriber: Any, topic: str) -> Iterator[str]:
    name = topic.replace("/topics/", "/subscriptions/")
    subscriber.create_subscription(request={"name": name, "topic": topic, "ack_deadline_seconds": 20, "labels": dict(place.labels)})
    yield name
    subscriber.delete_subscription(subscription=name)


@calls(
    "pubsub.projects.topics.create", "pubsub.projects.subscriptions.create", "pubsub.projects.topics.publish",
    "pubsub.projects.subscriptions.pull", "pubsub.projects.subscriptions.acknowledge",
)  # fmt: skip
def test_what_is_acknowledged_does_not_come_again(publisher: Any, subscriber: Any, topic: str, subscription: str) -> None:
    """https://cloud.google.com/pubsub/docs/pull#synchronous_pull"""
    ids = [publisher.publish(topic, f"{number}".encode(), task="vision").result(timeout=60) for number in range(3)]
    assert len(set(ids)) == 3
    received: dict[str, Any] = {}
    while len(received) < 3:
        for one in subscriber.pull(request={"subscription": subscription, "max_messages": 10}).received_messages:
            received[one.message.message_id] = one
    assert {(one.message.data, one.message.attributes["task"]) for one in received.values()} == {
        (b"0", "vision"), (b"1", "vision"), (b"2", "vision"),
    }  # fmt: skip
    subscriber.acknowledge(request={"subscription": subscription, "ack_ids": [one.ack_id for one in received.values()]})
    assert not subscriber.pull(request={"subscription": subscription, "max_messages": 10, "return_immediately": True}).received_messages


@calls("pubsub.projects.topics.publish")
def test_a_callback_is_given_messages_as_they_come(publisher: Any, subscriber: Any, topic: str, subscription: str) -> None:
    """Streaming pull keeps a stream open, over which messages come and acknowledgements go.

    https://cloud.google.com/pubsub/docs/pull#streamingpull_api
    """
    received: queue.Queue[bytes] = queue.Queue()

    def callback(message: Any) -> None:
        received.put(message.data)
        message.ack()

    streaming = subscriber.subscribe(subscription, callback=callback)
    try:
        for number in range(5):
            publisher.publish(topic, str(number).encode())
        assert {received.get(timeout=30) for _ in range(5)} == {b"0", b"1", b"2", b"3", b"4"}
    finally:
        streaming.cancel()
        streaming.result(timeout=30)


@calls("pubsub.projects.subscriptions.modifyAckDeadline", "pubsub.projects.subscriptions.pull")
def test_what_is_given_back_comes_again(publisher: Any, subscriber: Any, topic: str, subscription: str) -> None:
    """A deadline of 0 makes a message available at once.

    https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions/modifyAckDeadline
    """
    publisher.publish(topic, b"again").result(timeout=60)
    pull = {"subscription": subscription, "max_messages": 1}
    [first] = subscriber.pull(request=pull).received_messages
    subscriber.modify_ack_deadline(request={"subscription": subscription, "ack_ids": [first.ack_id], "ack_deadline_seconds": 0})
    [second] = subscriber.pull(request=pull).received_messages
    assert first.message.message_id == second.message.message_id
    subscriber.acknowledge(request={"subscription": subscription, "ack_ids": [second.ack_id]})


@calls("pubsub.projects.subscriptions.create", "pubsub.projects.topics.publish", "pubsub.projects.subscriptions.pull")
def test_a_filter_keeps_messages_out(place: Place, publisher: Any, subscriber: Any, topic: str) -> None:
    """https://cloud.google.com/pubsub/docs/subscription-message-filter"""
    name = f"{topic.replace('/topics/', '/subscriptions/')}-filtered"
    subscriber.create_subscription(
        request={"name": name, "topic": topic, "filter": 'attributes.task = "nlp"', "labels": dict(place.labels)}
    )
    try:
        publisher.publish(topic, b"out", task="vision").result(timeout=60)
        publisher.publish(topic, b"in", task="nlp").result(timeout=60)
        [one] = subscriber.pull(request={"subscription": name, "max_messages": 10}).received_messages
        assert one.message.data == b"in"
    finally:
        subscriber.delete_subscription(subscription=name)


@calls("pubsub.projects.topics.get", "pubsub.projects.topics.subscriptions.list", "pubsub.projects.subscriptions.patch")
def test_settings_are_kept_and_changed_one_by_one(place: Place, publisher: Any, subscriber: Any, topic: str, subscription: str) -> None:
    """An update changes the fields of its mask alone.

    https://cloud.google.com/pubsub/docs/subscription-properties
    """
    assert dict(publisher.get_topic(topic=topic).labels) == dict(place.labels)
    changed = subscriber.update_subscription(
        request={"subscription": {"name": subscription, "ack_deadline_seconds": 60}, "update_mask": {"paths": ["ack_deadline_seconds"]}}
    )
    assert (changed.ack_deadline_seconds, dict(changed.labels), changed.message_retention_duration.total_seconds()) == (
        60, dict(place.labels), 7 * 24 * 3600,
    )  # fmt: skip
    assert list(publisher.list_topic_subscriptions(topic=topic)) == [subscription]


@calls("pubsub.projects.topics.create", "pubsub.projects.topics.publish", "pubsub.projects.subscriptions.create")
def test_what_is_taken_or_not_there_is_said(place: Place, publisher: Any, subscriber: Any, topic: str) -> None:
    """https://cloud.google.com/pubsub/docs/reference/error-codes"""
    from google.api_core import exceptions

    with pytest.raises(exceptions.AlreadyExists):
        publisher.create_topic(name=topic)
    with pytest.raises(exceptions.NotFound):
        publisher.publish(f"{topic}-none", b"x").result(timeout=60)
    with pytest.raises(exceptions.NotFound):
        subscriber.create_subscription(name=topic.replace("/topics/", "/subscriptions/"), topic=f"{topic}-none")
    with pytest.raises(exceptions.InvalidArgument):
        publisher.create_topic(name=f"projects/{place.project}/topics/goog-reserved")


@calls("pubsub.projects.topics.getIamPolicy", "pubsub.projects.topics.setIamPolicy", "pubsub.projects.topics.testIamPermissions")
def test_a_topic_has_a_policy_of_its_own(place: Place, publisher: Any, topic: str) -> None:
    """https://cloud.google.com/pubsub/docs/access-control"""
    policy = publisher.get_iam_policy(request={"resource": topic})
    policy.bindings.add(role="roles/pubsub.viewer", members=[f"projectViewer:{place.project}"])
    publisher.set_iam_policy(request={"resource": topic, "policy": policy})
    found = publisher.get_iam_policy(request={"resource": topic})
    assert [(one.role, list(one.members)) for one in found.bindings] == [("roles/pubsub.viewer", [f"projectViewer:{place.project}"])]
    allowed = publisher.test_iam_permissions(request={"resource": topic, "permissions": ["pubsub.topics.publish"]})
    assert list(allowed.permissions) == ["pubsub.topics.publish"]


@calls("pubsub.projects.snapshots.create", "pubsub.projects.subscriptions.seek", "pubsub.projects.snapshots.delete")
def test_a_snapshot_brings_a_backlog_back(place: Place, publisher: Any, subscriber: Any, topic: str, subscription: str) -> None:
    """https://cloud.google.com/pubsub/docs/replay-overview"""
    publisher.publish(topic, b"kept").result(timeout=60)
    name = subscription.replace("/subscriptions/", "/snapshots/")
    subscriber.create_snapshot(request={"name": name, "subscription": subscription, "labels": dict(place.labels)})
    try:
        pull = {"subscription": subscription, "max_messages": 1}
        [first] = subscriber.pull(request=pull).received_messages
        subscriber.acknowledge(request={"subscription": subscription, "ack_ids": [first.ack_id]})
        subscriber.seek(request={"subscription": subscription, "snapshot": name})
        [again] = subscriber.pull(request=pull).received_messages
        assert (again.message.data, again.message.message_id) == (b"kept", first.message.message_id)
    finally:
        subscriber.delete_snapshot(snapshot=name)


@calls("pubsub.projects.subscriptions.modifyPushConfig", "pubsub.projects.subscriptions.pull")
def test_a_subscription_that_pushes_cannot_be_pulled_until_it_pushes_no_more(
    place: Place, publisher: Any, subscriber: Any, topic: str, subscription: str
) -> None:
    """https://cloud.google.com/pubsub/docs/create-push-subscription#changing_push_configuration"""
    from google.api_core import exceptions

    pull = {"subscription": subscription, "max_messages": 1}
    subscriber.modify_push_config(subscription=subscription, push_config={"push_endpoint": "https://example.com/push"})
    assert subscriber.get_subscription(subscription=subscription).push_config.push_endpoint == "https://example.com/push"
    with pytest.raises(exceptions.FailedPrecondition):
        subscriber.pull(request=pull)
    subscriber.modify_push_config(subscription=subscription, push_config={})
    publisher.publish(topic, b"pulled").result(timeout=60)
    assert subscriber.pull(request=pull).received_messages[0].message.data == b"pulled"


@calls("pubsub.projects.subscriptions.detach", "pubsub.projects.subscriptions.get")
def test_a_detached_subscription_is_no_longer_its_topics(
    place: Place, publisher: Any, subscriber: Any, topic: str, subscription: str
) -> None:
    """https://cloud.google.com/pubsub/docs/detach-subscriptions"""
    publisher.detach_subscription(request={"subscription": subscription})
    assert subscriber.get_subscription(subscription=subscription).detached
    assert list(publisher.list_topic_subscriptions(topic=topic)) == []
