"""What changes in a bucket is told to a topic, by `google-cloud-storage` and `google-cloud-pubsub`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place


@pytest.mark.calls("storage.notifications.insert", "storage.notifications.list", "storage.projects.serviceAccount.get")
@pytest.mark.timeout(300)
def test_an_upload_and_a_deletion_are_published(place: Place, bucket: Any) -> None:
    """Cloud Storage's own account publishes; a message names the event in its attributes and describes the object in its data.

    https://cloud.google.com/storage/docs/pubsub-notifications
    """
    from google.cloud import pubsub_v1, storage

    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    topic = publisher.topic_path(place.project, place.name("objects"))
    inbox = subscriber.subscription_path(place.project, place.name("objects"))
    publisher.create_topic(request={"name": topic, "labels": dict(place.labels)})
    subscriber.create_subscription(request={"name": inbox, "topic": topic, "labels": dict(place.labels)})
    account = storage.Client().get_service_account_email()
    policy = publisher.get_iam_policy(request={"resource": topic})
    policy.bindings.add(role="roles/pubsub.publisher", members=[f"serviceAccount:{account}"])
    publisher.set_iam_policy(request={"resource": topic, "policy": policy})
    notification = bucket.notification(
        topic_name=place.name("objects"), topic_project=place.project, payload_format="JSON_API_V1", blob_name_prefix="told/",
        custom_attributes={"task": "vision"},
    )  # fmt: skip
    notification.create()
    try:
        assert [one.notification_id for one in bucket.list_notifications()] == [notification.notification_id]
        bucket.blob("untold").upload_from_string("x")
        blob = bucket.blob("told/a.txt")
        blob.upload_from_string("hello")
        blob.delete()
        events: dict[str, Any] = {}
        while len(events) < 2:
            pulled = subscriber.pull(request={"subscription": inbox, "max_messages": 10}).received_messages
            events |= {one.message.attributes["eventType"]: one.message for one in pulled}
        assert events.keys() == {"OBJECT_FINALIZE", "OBJECT_DELETE"}
        told = events["OBJECT_FINALIZE"]
        assert (told.attributes["objectId"], told.attributes["bucketId"], told.attributes["task"]) == ("told/a.txt", bucket.name, "vision")
        assert json.loads(told.data)["size"] == "5"
    finally:
        notification.delete()
        subscriber.delete_subscription(subscription=inbox)
        publisher.delete_topic(topic=topic)
