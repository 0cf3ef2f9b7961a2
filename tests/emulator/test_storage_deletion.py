"""What is deleted or replaced: kept for a while, restored, protected by holds and retention, taken by lifecycle rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from emulator.behaviours import Refusal
from emulator.engines.lifecycle import Swept, run_lifecycle

if TYPE_CHECKING:
    from tests.emulator.conftest import Local

Json = dict[str, Any]

HOST = "storage.googleapis.com"
DAY = timedelta(days=1)
NEVER_SOFT = {"softDeletePolicy": {"retentionDurationSeconds": "0"}}


@pytest.fixture
def bucket(local: Local, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own, as Google makes it."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[-50:].strip("-").lower()
    assert local.call("POST", "/storage/v1/b?project=acme-test", {"name": name}, host=HOST)[0] == 200
    return str(name)


def patch(local: Local, bucket: str, body: Json) -> tuple[int, Json]:
    return local.call("PATCH", f"/storage/v1/b/{bucket}", body, host=HOST)


def write(local: Local, bucket: str, name: str, content: bytes = b"x", metadata: Json | None = None) -> Json:
    return local.cloud.objects.put(bucket, name, content, metadata)


def ask(local: Local, http: str, bucket: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    return local.call(http, f"/storage/v1/b/{bucket}/o{path}", body, host=HOST)


def names(local: Local, bucket: str, query: str = "") -> list[str]:
    return [one["name"] for one in ask(local, "GET", bucket, f"?{query}")[1].get("items", [])]


def run(local: Local, days: float) -> Swept:
    """What the rules do when so many days have passed."""
    swept: Swept = local.run(run_lifecycle(local.cloud, datetime.now(UTC) + days * DAY))
    return swept


def test_a_deleted_object_can_be_listed_and_restored_for_a_week(local: Local, bucket: str) -> None:
    made = write(local, bucket, "a", b"content", {"contentType": "text/plain", "metadata": {"x": "1"}})
    generation = made["generation"]
    assert ask(local, "DELETE", bucket, "/a")[0] == 204
    assert ask(local, "GET", bucket, "/a")[0] == 404
    assert ask(local, "GET", bucket, f"/a?generation={generation}")[0] == 404
    _, soft = ask(local, "GET", bucket, f"/a?generation={generation}&softDeleted=true")
    assert datetime.fromisoformat(soft["hardDeleteTime"]) - datetime.fromisoformat(soft["softDeleteTime"]) == 7 * DAY
    assert names(local, bucket, "softDeleted=true") == ["a"]
    assert names(local, bucket) == names(local, bucket, "versions=true") == []
    status, restored = ask(local, "POST", bucket, f"/a/restore?generation={generation}")
    assert (status, restored["contentType"], restored["metadata"]) == (200, "text/plain", {"x": "1"})
    assert int(restored["generation"]) > int(generation)
    assert local.cloud.objects.read(bucket, "a") == b"content"
    assert ask(local, "POST", bucket, f"/a/restore?generation={generation}&ifGenerationMatch=0")[0] == 412


def test_what_was_overwritten_can_be_restored_too_until_its_time_has_come(local: Local, bucket: str) -> None:
    first = write(local, bucket, "a", b"1")["generation"]
    write(local, bucket, "a", b"2")
    assert run(local, 6.9).expired == 0
    assert ask(local, "POST", bucket, f"/a/restore?generation={first}")[0] == 200
    assert local.cloud.objects.read(bucket, "a") == b"1"
    assert run(local, 7.1).expired
    assert names(local, bucket, "softDeleted=true") == []
    assert ask(local, "POST", bucket, f"/a/restore?generation={first}")[0] == 404


def test_without_a_policy_what_is_deleted_is_gone(local: Local, bucket: str) -> None:
    assert patch(local, bucket, NEVER_SOFT)[0] == 200
    generation = write(local, bucket, "a")["generation"]
    ask(local, "DELETE", bucket, "/a")
    assert names(local, bucket, "softDeleted=true") == []
    assert ask(local, "POST", bucket, f"/a/restore?generation={generation}")[0] == 404
    assert not list((local.cloud.objects.folder / ".older").glob(f"{bucket}/*"))


def test_a_noncurrent_generation_that_is_deleted_is_soft_deleted(local: Local, bucket: str) -> None:
    patch(local, bucket, {"versioning": {"enabled": True}})
    generation = write(local, bucket, "a", b"1")["generation"]
    write(local, bucket, "a", b"2")
    assert ask(local, "DELETE", bucket, f"/a?generation={generation}")[0] == 204
    assert names(local, bucket, "versions=true") == ["a"]
    assert ask(local, "POST", bucket, f"/a/restore?generation={generation}")[0] == 200
    assert local.cloud.objects.read(bucket, "a") == b"1"


@pytest.mark.parametrize("query", ["softDeleted=true&versions=true", "filter=x", "includeFoldersAsPrefixes=true", "matchGlob={a"])
def test_a_listing_that_makes_no_sense_is_refused(local: Local, query: str) -> None:
    assert ask(local, "GET", local.bucket, f"?{query}")[0] == 400


def test_a_policy_outside_its_bounds_is_refused(local: Local, bucket: str) -> None:
    assert patch(local, bucket, {"softDeletePolicy": {"retentionDurationSeconds": "60"}})[0] == 400
    assert patch(local, bucket, {"retentionPolicy": {"retentionPeriod": "0"}})[0] == 400


@pytest.mark.parametrize("hold", ["temporaryHold", "eventBasedHold"])
def test_an_object_under_a_hold_is_neither_deleted_nor_replaced(local: Local, bucket: str, hold: str) -> None:
    write(local, bucket, "a", b"1")
    assert ask(local, "PATCH", bucket, "/a", {hold: True})[0] == 200
    status, answer = ask(local, "DELETE", bucket, "/a")
    assert (status, answer["error"]["errors"][0]["reason"]) == (403, "retentionPolicyNotMet")
    with pytest.raises(Refusal, match="hold"):
        write(local, bucket, "a", b"2")
    assert ask(local, "POST", bucket, "/a/moveTo/o/b")[0] == 403
    assert names(local, bucket) == ["a"]
    assert ask(local, "PATCH", bucket, "/a", {hold: False})[0] == 200
    assert ask(local, "DELETE", bucket, "/a")[0] == 204


def test_a_retention_policy_keeps_objects_and_once_locked_stays(local: Local, bucket: str) -> None:
    write(local, bucket, "a")
    _, changed = patch(local, bucket, {"retentionPolicy": {"retentionPeriod": "3600"}})
    assert "effectiveTime" in changed["retentionPolicy"]
    assert ask(local, "DELETE", bucket, "/a")[0] == 403
    lock = f"/storage/v1/b/{bucket}/lockRetentionPolicy?ifMetagenerationMatch="
    assert local.call("POST", f"{lock}1", host=HOST)[0] == 412
    status, locked = local.call("POST", f"{lock}{changed['metageneration']}", host=HOST)
    assert (status, locked["retentionPolicy"]["isLocked"]) == (200, True)
    assert patch(local, bucket, {"retentionPolicy": {"retentionPeriod": "60"}})[0] == 403
    assert patch(local, bucket, {"retentionPolicy": None})[0] == 403
    _, longer = patch(local, bucket, {"retentionPolicy": {"retentionPeriod": "7200"}})
    assert longer["retentionPolicy"]["isLocked"] is True


def test_an_event_based_hold_starts_the_retention_where_it_ends(local: Local, bucket: str) -> None:
    patch(local, bucket, {"retentionPolicy": {"retentionPeriod": "1"}, "defaultEventBasedHold": True})
    made = write(local, bucket, "a")
    assert made["eventBasedHold"] is True
    kept = local.cloud.store.of("storage")
    kept.put(f"b/{bucket}/o/a", "Object", {**(kept.get(f"b/{bucket}/o/a") or {}), "timeCreated": "2020-01-01T00:00:00Z"})
    released = ask(local, "PATCH", bucket, "/a", {"eventBasedHold": False})[1]
    assert not [field for field in released if field.startswith("_")]
    assert ask(local, "DELETE", bucket, "/a")[0] == 403


def test_an_objects_own_retention_is_loosened_only_where_that_is_said(local: Local, bucket: str) -> None:
    write(local, bucket, "a")
    until = {"mode": "Unlocked", "retainUntilTime": "2100-01-01T00:00:00Z"}
    assert ask(local, "PATCH", bucket, "/a", {"retention": until})[0] == 200
    assert ask(local, "DELETE", bucket, "/a")[0] == 403
    assert ask(local, "PATCH", bucket, "/a", {"retention": None})[0] == 403
    assert ask(local, "PATCH", bucket, "/a?overrideUnlockedRetention=true", {"retention": None})[0] == 200
    assert ask(local, "DELETE", bucket, "/a")[0] == 204


def rule(action: str, storage_class: str = "", **condition: Any) -> Json:
    return {"action": {"type": action, **({"storageClass": storage_class} if storage_class else {})}, "condition": condition}


CONDITIONS: list[tuple[Json, list[str]]] = [
    ({"age": 30}, ["data/new", "data/old.csv", "logs/a", "logs/b.txt"]),
    ({"age": 32}, ["data/old.csv"]),
    ({"age": 30, "matchesPrefix": ["logs/"]}, ["logs/a", "logs/b.txt"]),
    ({"matchesSuffix": [".csv", ".txt"], "isLive": True}, ["data/old.csv", "logs/b.txt"]),
    ({"createdBefore": "2021-01-01"}, ["data/old.csv"]),
    ({"customTimeBefore": "2001-01-01"}, ["logs/a"]),
    ({"daysSinceCustomTime": 1}, ["logs/a"]),
    ({"matchesStorageClass": ["NEARLINE"]}, ["data/new"]),
    ({"sizeAboveBytes": "3"}, ["logs/b.txt"]),
    ({"isLive": False}, []),
    ({"daysSinceNoncurrentTime": 0}, []),
]


@pytest.mark.parametrize(("condition", "deleted"), CONDITIONS)
def test_a_rule_takes_exactly_what_meets_all_of_its_condition(local: Local, bucket: str, condition: Json, deleted: list[str]) -> None:
    write(local, bucket, "data/new", metadata={"storageClass": "NEARLINE"})
    write(local, bucket, "data/old.csv")
    write(local, bucket, "logs/a", metadata={"customTime": "2000-01-01T00:00:00Z"})
    write(local, bucket, "logs/b.txt", b"long content")
    kept = local.cloud.store.of("storage")
    old = kept.get(f"b/{bucket}/o/data/old.csv") or {}
    kept.put(f"b/{bucket}/o/data/old.csv", "Object", {**old, "timeCreated": "2020-01-01T00:00:00Z"})
    before = names(local, bucket)
    assert patch(local, bucket, {"lifecycle": {"rule": [rule("Delete", **condition)]}, **NEVER_SOFT})[0] == 200
    assert run(local, 31).deleted == len(deleted)
    assert names(local, bucket) == [name for name in before if name not in deleted]


def test_rules_keep_so_many_versions_and_move_what_stays_to_the_coldest_class_that_they_name(local: Local, bucket: str) -> None:
    rules = [rule("Delete", numNewerVersions=2), rule("SetStorageClass", "NEARLINE", age=1), rule("SetStorageClass", "ARCHIVE", age=2)]
    patch(local, bucket, {"versioning": {"enabled": True}, "lifecycle": {"rule": rules}})
    generations = [write(local, bucket, "a", b"%d" % number)["generation"] for number in range(4)]
    swept = run(local, 3)
    assert (swept.deleted, swept.moved) == (2, 2)
    _, listed = ask(local, "GET", bucket, "?versions=true")
    assert [(one["generation"], one["storageClass"]) for one in listed["items"]] == [(one, "ARCHIVE") for one in generations[2:]]
    assert run(local, 3) == Swept()


def test_a_rule_leaves_alone_what_is_held(local: Local, bucket: str) -> None:
    patch(local, bucket, {"lifecycle": {"rule": [rule("Delete", age=1)]}, **NEVER_SOFT})
    write(local, bucket, "held", metadata={"temporaryHold": True})
    write(local, bucket, "free")
    assert run(local, 2).deleted == 1
    assert names(local, bucket) == ["held"]


def test_an_upload_in_parts_that_nobody_completes_is_given_up(local: Local, bucket: str) -> None:
    patch(local, bucket, {"lifecycle": {"rule": [rule("AbortIncompleteMultipartUpload", age=1)]}})
    sessions = local.cloud.store.of("uploads")
    kept = {"bucket": bucket, "name": "a", "parts": {}, "begun": datetime.now(UTC).timestamp()}
    folder = local.cloud.objects.folder / ".incoming" / "abc"
    folder.mkdir()
    (folder / "00001-x").write_bytes(b"x")
    sessions.put("abc", "Multipart", kept)
    assert run(local, 0.9).aborted == 0
    assert run(local, 1.1).aborted == 1
    assert (sessions.get("abc"), folder.exists()) == (None, False)


@pytest.mark.parametrize(
    "wrong",
    [
        rule("Burn", age=1), rule("Delete"), rule("SetStorageClass", "WARM", age=1), rule("Delete", createdBefore="2026-13-01"),
        rule("Delete", matchesPattern=".*"),
    ],
)  # fmt: skip
def test_a_rule_that_could_never_be_followed_is_refused_when_it_is_written(local: Local, wrong: Json) -> None:
    assert patch(local, local.bucket, {"lifecycle": {"rule": [wrong]}})[0] == 400
