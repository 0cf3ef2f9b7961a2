"""How objects change and end, by `google-cloud-storage`: told to Pub/Sub, moved, held, soft-deleted and restored, uploaded in parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.clients.place import Place

calls = pytest.mark.calls


@calls(
    "storage.projects.serviceAccount.get", "storage.notifications.insert", "storage.notifications.list", "storage.notifications.get",
    "storage.notifications.delete", "pubsub.projects.subscriptions.pull",
)  # fmt: skip
def test_a_new_object_is_told_to_a_topic(place: Place, bucket: Any) -> None:
    """Cloud Storage's own service account publishes, and so needs a role on the topic.

    https://cloud.google.com/storage/docs/pubsub-notifications
    """
    from google.cloud import pubsub_v1, storage

    publisher, subscriber = pubsub_v1.PublisherClient(transport="rest"), pubsub_v1.SubscriberClient()
    topic, subscription = (f"projects/{place.project}/{kind}/{place.name('objects')}" for kind in ("topics", "subscriptions"))
    publisher.create_topic(request={"name": topic, "labels": dict(place.labels)})
    subscriber.create_subscription(request={"name": subscription, "topic": topic, "labels": dict(place.labels)})
    try:
        member = f"serviceAccount:{storage.Client().get_service_account_email(project=place.project)}"
        policy = {"bindings": [{"role": "roles/pubsub.publisher", "members": [member]}]}
        publisher.set_iam_policy(request={"resource": topic, "policy": policy})
        notification = bucket.notification(
            place.name("objects"),
            topic_project=place.project,
            blob_name_prefix="storage/told/",
            event_types=["OBJECT_FINALIZE"],
            payload_format="JSON_API_V1",
        )
        notification.create()
        assert [one.notification_id for one in bucket.list_notifications()] == [notification.notification_id]
        assert bucket.get_notification(notification.notification_id).event_types == ["OBJECT_FINALIZE"]
        blob = bucket.blob("storage/told/model.txt")
        blob.upload_from_string("weights")
        received: list[Any] = []
        while not received:
            received = list(subscriber.pull(subscription=subscription, max_messages=1).received_messages)
        message = received[0].message
        said = {key: message.attributes[key] for key in ("eventType", "bucketId", "objectId", "objectGeneration", "payloadFormat")}
        assert said == {
            "eventType": "OBJECT_FINALIZE",
            "bucketId": bucket.name,
            "objectId": blob.name,
            "objectGeneration": str(blob.generation),
            "payloadFormat": "JSON_API_V1",
        }
        assert json.loads(message.data)["md5Hash"] == blob.md5_hash
        notification.delete()
        assert not list(bucket.list_notifications())
    finally:
        subscriber.delete_subscription(subscription=subscription)
        publisher.delete_topic(topic=topic)
        subscriber.close()


@calls("storage.objects.delete", "storage.objects.list", "storage.objects.get", "storage.objects.restore")
def test_a_deleted_object_is_restored(bucket: Any) -> None:
    """A bucket keeps what is deleted for seven days, unless it says otherwise.

    https://cloud.google.com/storage/docs/soft-delete
    """
    blob = bucket.blob("storage/deleted.txt")
    blob.upload_from_string("kept")
    generation = blob.generation
    blob.delete()
    assert not bucket.blob("storage/deleted.txt").exists()
    assert [one.generation for one in bucket.list_blobs(prefix="storage/deleted", soft_deleted=True)] == [generation]
    assert bucket.get_blob("storage/deleted.txt", generation=generation, soft_deleted=True).hard_delete_time
    restored = bucket.restore_blob("storage/deleted.txt", generation=generation)
    assert restored.download_as_text() == "kept"
    assert restored.generation > generation


@calls("storage.buckets.lockRetentionPolicy", "storage.objects.patch", "storage.objects.delete")
def test_what_is_held_is_not_deleted_and_a_locked_policy_stays(place: Place) -> None:
    """https://cloud.google.com/storage/docs/object-holds, https://cloud.google.com/storage/docs/bucket-lock"""
    from google.api_core import exceptions
    from google.cloud import storage

    bucket = storage.Client().bucket(f"{place.bucket}-held")
    bucket.labels = dict(place.labels)
    bucket.create(location=place.region)
    try:
        blob = bucket.blob("held")
        blob.upload_from_string("x")
        blob.temporary_hold = True
        blob.patch()
        with pytest.raises(exceptions.Forbidden, match="hold"):
            blob.delete()
        blob.temporary_hold = False
        blob.patch()
        blob.delete()
        bucket.retention_period = 1
        bucket.patch()
        bucket.lock_retention_policy()
        bucket.retention_period = None
        with pytest.raises(exceptions.Forbidden):
            bucket.patch()
    finally:
        bucket.delete(force=True)


@calls("storage.objects.update", "storage.objects.rewrite", "storage.objects.move")
def test_an_object_is_replaced_in_its_metadata_moved_and_made_colder(bucket: Any) -> None:
    """https://cloud.google.com/storage/docs/changing-storage-classes, https://cloud.google.com/storage/docs/copying-renaming-moving-objects"""
    blob = bucket.blob("storage/warm.txt")
    blob.metadata = {"task": "vision"}
    blob.upload_from_string("x", content_type="text/plain")
    blob.cache_control = "no-cache"
    blob.update()
    moved = bucket.move_blob(blob, "storage/moved.txt")
    assert (moved.cache_control, moved.metadata) == ("no-cache", {"task": "vision"})
    assert not bucket.blob("storage/warm.txt").exists()
    moved.update_storage_class("NEARLINE")
    assert bucket.get_blob("storage/moved.txt").storage_class == "NEARLINE"


@calls("storage.objects.get", "storage.objects.insert")
def test_parts_of_a_file_go_up_side_by_side_and_signed_addresses_write_and_delete(bucket: Any, tmp_path: Path) -> None:
    """https://cloud.google.com/storage/docs/multipart-uploads, https://cloud.google.com/storage/docs/access-control/signed-urls"""
    import requests
    from google.cloud.storage import transfer_manager

    content = bytes(range(256)) * 70_000
    (tmp_path / "parts").write_bytes(content)
    blob = bucket.blob("storage/side-by-side.bin")
    threads = {"chunk_size": 5 << 20, "worker_type": transfer_manager.THREAD}
    transfer_manager.upload_chunks_concurrently(str(tmp_path / "parts"), blob, **threads)
    assert blob.download_as_bytes() == content
    signed = {
        method: bucket.blob("storage/signed").generate_signed_url(version="v4", expiration=600, method=method)
        for method in ("PUT", "DELETE")
    }
    assert requests.put(signed["PUT"], data=b"written", timeout=30).status_code == 200
    assert bucket.blob("storage/signed").download_as_bytes() == b"written"
    assert requests.delete(signed["DELETE"], timeout=30).status_code == 204
    session = bucket.blob("storage/never").create_resumable_upload_session(size=10)
    assert requests.delete(session, timeout=30).status_code == 499
    assert not bucket.blob("storage/signed").exists()


@calls("storage.objects.get")
def test_an_upload_that_is_cancelled_leaves_nothing_and_takes_nothing_more(bucket: Any) -> None:
    """https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload"""
    from google.auth.transport.requests import AuthorizedSession

    blob = bucket.blob("changes/cancelled.txt")
    session = AuthorizedSession(bucket.client._credentials)
    address = blob.create_resumable_upload_session(size=1 << 20)
    assert session.delete(address, headers={"Content-Length": "0"}).status_code == 499
    assert session.put(address, data=b"late", headers={"Content-Range": "bytes 0-3/4"}).status_code in (404, 410, 499)
    assert not blob.exists()
