"""Changes of objects are told to Pub/Sub: by whatever way they come about, with Google's attributes, and never lost."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from emulator.engines.changes import ARCHIVE, DELETE, FINALIZE, UPDATE

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

Json = dict[str, Any]

HOST, PUBSUB = "storage.googleapis.com", "pubsub.googleapis.com"
TOPIC, SUBSCRIPTION = "projects/acme-test/topics/changes", "projects/acme-test/subscriptions/changes"


@pytest.fixture
def bucket(local: Local, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own that tells its changes, and a subscription that is empty."""
    name: str = request.node.name.replace("_", "-")[-50:].strip("-")
    assert local.call("POST", "/storage/v1/b?project=acme-test", {"name": name}, host=HOST)[0] == 200
    local.call("DELETE", f"/v1/{SUBSCRIPTION}", host=PUBSUB)
    assert local.call("PUT", f"/v1/{TOPIC}", host=PUBSUB)[0] in (200, 409)
    assert local.call("PUT", f"/v1/{SUBSCRIPTION}", {"topic": TOPIC}, host=PUBSUB)[0] == 200
    return name


def configure(local: Local, bucket: str, **configuration: Any) -> tuple[int, Json]:
    body = {"topic": f"//pubsub.googleapis.com/{TOPIC}", "payload_format": "JSON_API_V1", **configuration}
    return local.call("POST", f"/storage/v1/b/{bucket}/notificationConfigs", body, host=HOST)


def told(local: Local) -> list[Json]:
    """Messages since the last look."""
    body = {"maxMessages": 100, "returnImmediately": True}
    _, answer = local.call("POST", f"/v1/{SUBSCRIPTION}:pull", body, host=PUBSUB)
    received = answer.get("receivedMessages", [])
    local.call("POST", f"/v1/{SUBSCRIPTION}:acknowledge", {"ackIds": [one["ackId"] for one in received]}, host=PUBSUB)
    return [one["message"] for one in received]


def events(local: Local) -> list[tuple[str, str]]:
    return [(one["attributes"]["eventType"], one["attributes"]["objectId"]) for one in told(local)]


def write(local: Local, bucket: str, name: str) -> Json:
    status, made = local.call("POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}", {"a": 1}, host=HOST)
    assert status == 200
    return dict(made)


def test_a_message_has_googles_attributes_and_the_object(local: Local, bucket: str) -> None:
    status, made = configure(local, bucket, custom_attributes={"team": "vision"})
    assert (status, made["id"], made["kind"]) == (200, "1", "storage#notification")
    first = write(local, bucket, "a")
    (message,) = told(local)
    time = message["attributes"].pop("eventTime")
    assert time >= first["timeCreated"]
    assert message["attributes"] == {
        "notificationConfig": f"projects/_/buckets/{bucket}/notificationConfigs/1",
        "eventType": FINALIZE,
        "payloadFormat": "JSON_API_V1",
        "bucketId": bucket,
        "objectId": "a",
        "objectGeneration": first["generation"],
        "team": "vision",
    }
    assert json.loads(base64.b64decode(message["data"])) == first


def test_what_replaces_and_what_is_replaced_name_each_other(local: Local, bucket: str) -> None:
    configure(local, bucket, payload_format="NONE")
    first, second = write(local, bucket, "a"), write(local, bucket, "a")
    _, new, old = told(local)
    assert "data" not in new
    assert (new["attributes"]["eventType"], new["attributes"]["overwroteGeneration"]) == (FINALIZE, first["generation"])
    assert (old["attributes"]["eventType"], old["attributes"]["overwrittenByGeneration"]) == (DELETE, second["generation"])
    assert old["attributes"]["objectGeneration"] == first["generation"]


def test_every_way_of_changing_an_object_is_told(local: Local, bucket: str) -> None:
    configure(local, bucket)
    path = f"/storage/v1/b/{bucket}/o"
    write(local, bucket, "a")
    local.call("POST", f"{path}/b/compose", {"sourceObjects": [{"name": "a"}]}, host=HOST)
    local.call("POST", f"{path}/a/rewriteTo/b/{bucket}/o/c", host=HOST)
    local.call("POST", f"{path}/c/moveTo/o/d", host=HOST)
    local.call("PATCH", f"{path}/a", {"metadata": {"x": "1"}}, host=HOST)
    local.call("DELETE", f"{path}/a", host=HOST)
    assert events(local) == [
        (FINALIZE, "a"), (FINALIZE, "b"), (FINALIZE, "c"), (FINALIZE, "d"), (DELETE, "c"), (UPDATE, "a"), (DELETE, "a"),
    ]  # fmt: skip


def test_what_a_step_writes_and_removes_in_the_mounted_folder_is_told(local: Local, bucket: str) -> None:
    configure(local, bucket)
    file = local.cloud.objects.folder / bucket / "run" / "metrics.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    local.cloud.objects.adopt(bucket, "run")
    file.write_text('{"accuracy": 1}')
    local.cloud.objects.adopt(bucket, "run")
    file.unlink()
    assert local.cloud.objects.list(bucket) == []
    name = "run/metrics.json"
    assert events(local) == [(FINALIZE, name), (FINALIZE, name), (DELETE, name), (DELETE, name)]


def test_in_a_bucket_with_versioning_generations_are_archived_before_they_are_deleted(local: Local, bucket: str) -> None:
    local.call("PATCH", f"/storage/v1/b/{bucket}", {"versioning": {"enabled": True}}, host=HOST)
    configure(local, bucket)
    generation = write(local, bucket, "a")["generation"]
    local.call("DELETE", f"/storage/v1/b/{bucket}/o/a", host=HOST)
    local.call("DELETE", f"/storage/v1/b/{bucket}/o/a?generation={generation}", host=HOST)
    assert events(local) == [(FINALIZE, "a"), (ARCHIVE, "a"), (DELETE, "a")]


def test_a_configuration_hears_only_what_it_asks_for_and_nothing_once_it_is_gone(local: Local, bucket: str) -> None:
    _, made = configure(local, bucket, event_types=[DELETE], object_name_prefix="logs/")
    for name in ("logs%2Fa", "a"):
        write(local, bucket, name)
        local.call("DELETE", f"/storage/v1/b/{bucket}/o/{name}", host=HOST)
    assert events(local) == [(DELETE, "logs/a")]
    path = f"/storage/v1/b/{bucket}/notificationConfigs"
    assert local.call("GET", path, host=HOST)[1]["items"] == [made]
    assert local.call("DELETE", f"{path}/1", host=HOST)[0] == 204
    assert local.call("GET", f"{path}/1", host=HOST)[0] == 404
    assert local.call("GET", path, host=HOST)[1] == {"kind": "storage#notifications"}


@pytest.mark.parametrize(
    ("configuration", "status"),
    [
        ({"topic": "//pubsub.googleapis.com/projects/acme-test/topics/none"}, 403),
        ({"topic": TOPIC}, 400),
        ({"payload_format": "XML"}, 400),
        ({"event_types": ["OBJECT_READ"]}, 400),
        ({"custom_attributes": {str(number): "" for number in range(11)}}, 400),
    ],
)
def test_a_configuration_that_could_tell_nobody_is_refused(local: Local, configuration: Json, status: int) -> None:
    local.call("PUT", f"/v1/{TOPIC}", host=PUBSUB)
    assert configure(local, local.bucket, **configuration)[0] == status


def test_what_a_kill_kept_from_being_published_is_published_at_the_next_start(local: Local, bucket: str) -> None:
    configure(local, bucket)
    resource = local.cloud.objects.put(bucket, "a", b"x")
    assert events(local) == [(FINALIZE, "a")]
    # As a kill leaves it between the change and its publication.
    local.cloud.objects.changes.add(UPDATE, resource, {})
    local.restart()
    assert events(local) == [(UPDATE, "a")]
    local.restart()
    assert events(local) == []
