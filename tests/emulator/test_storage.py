"""Cloud Storage through Google's own client, found by the environment alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage
from google.cloud.storage import transfer_manager

from emulator.engines.objects import Objects
from emulator.store import Store


@pytest.fixture(scope="module")
def client(google_cloud: dict[str, Any]) -> storage.Client:
    return storage.Client()


@pytest.fixture(scope="module")
def bucket(client: storage.Client) -> storage.Bucket:
    return client.create_bucket("acme-storage-tests", location="europe-west4")


def test_content_and_metadata_come_back_as_they_were_sent(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a/ü b.txt")
    blob.metadata = {"task": "vision"}
    blob.upload_from_string("hello", content_type="text/plain", checksum="crc32c")
    found = bucket.get_blob("a/ü b.txt")
    assert (found.download_as_bytes(), found.metadata, found.content_type) == (b"hello", {"task": "vision"}, "text/plain")


def test_a_patch_adds_and_clears_metadata(bucket: storage.Bucket) -> None:
    blob = bucket.blob("labelled")
    blob.metadata = {"task": "vision", "old": "1"}
    blob.upload_from_string("x")
    blob.metadata = {"old": None, "new": "2"}
    blob.patch()
    assert bucket.get_blob("labelled").metadata == {"task": "vision", "new": "2"}
    bucket.labels = {"a": "1", "b": "2"}
    bucket.patch()
    labels = bucket.labels
    del labels["a"]
    bucket.labels = labels
    bucket.patch()
    bucket.reload()
    assert bucket.labels == {"b": "2"}


def test_an_upload_in_chunks_can_be_read_in_ranges(bucket: storage.Bucket) -> None:
    content = bytes(range(256)) * 4096
    blob = bucket.blob("large.bin", chunk_size=256 * 1024)
    blob.upload_from_file(io.BytesIO(content), size=len(content))
    assert blob.download_as_bytes(start=1000, end=1999) == content[1000:2000]
    target = io.BytesIO()
    blob.download_to_file(target)
    assert target.getvalue() == content


def test_a_large_object_is_streamed_whole(bucket: storage.Bucket) -> None:
    content = bytes(range(256)) * 40_000
    bucket.blob("larger.bin").upload_from_string(content)
    assert bucket.blob("larger.bin").download_as_bytes(checksum="crc32c") == content


def test_a_session_says_how_much_has_arrived_and_goes_on_there(bucket: storage.Bucket) -> None:
    session = bucket.blob("resumed.bin").create_resumable_upload_session(size=10)
    part = requests.put(session, data=b"01234", headers={"Content-Range": "bytes 0-4/10"}, timeout=10)
    assert (part.status_code, part.headers["Range"]) == (308, "bytes=0-4")
    assert requests.put(session, headers={"Content-Range": "bytes */10"}, timeout=10).headers["Range"] == "bytes=0-4"
    hole = requests.put(session, data=b"89", headers={"Content-Range": "bytes 8-9/10"}, timeout=10)
    assert hole.status_code == 400
    assert requests.put(session, data=b"56789", headers={"Content-Range": "bytes 5-9/10"}, timeout=10).status_code == 200
    assert bucket.blob("resumed.bin").download_as_bytes() == b"0123456789"


def test_content_that_does_not_match_its_digest_is_refused(bucket: storage.Bucket) -> None:
    blob = bucket.blob("torn.bin")
    blob.md5_hash = "1B2M2Y8AsgTpgAmY7PhCfg=="
    with pytest.raises(exceptions.BadRequest, match="md5Hash"):
        blob.upload_from_string(b"not empty")
    assert not bucket.blob("torn.bin").exists()


def test_preconditions_protect_a_generation(bucket: storage.Bucket) -> None:
    blob = bucket.blob("lock")
    blob.upload_from_string("first", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("lock").upload_from_string("second", if_generation_match=0)
    before = blob.generation
    blob.upload_from_string("second", if_generation_match=before)
    assert blob.generation > before
    with pytest.raises(exceptions.NotFound):
        bucket.blob("lock", generation=before).download_as_bytes()


def test_a_delimiter_lists_folders_and_pages_go_on_after_them(client: storage.Client) -> None:
    bucket = client.create_bucket("acme-listing-tests")
    for name in ("a/1", "a/2", "b/1", "c", "d"):
        bucket.blob(name).upload_from_string(name)
    listed = client.list_blobs(bucket, delimiter="/", page_size=2)
    assert [blob.name for page in listed.pages for blob in page] == ["c", "d"]
    assert listed.prefixes == {"a/", "b/"}
    assert [blob.name for blob in client.list_blobs(bucket, prefix="a/", page_size=1)] == ["a/1", "a/2"]


def test_a_pattern_finds_names_as_google_does(client: storage.Client) -> None:
    bucket = client.create_bucket("acme-pattern-tests")
    for name in ("a.csv", "data/b.csv", "data/c.json", "data/deep/d.csv", "data/deep/e[1].csv"):
        bucket.blob(name).upload_from_string(name)

    def found(glob: str, **more: Any) -> list[str]:
        return [blob.name for blob in client.list_blobs(bucket, match_glob=glob, **more)]

    assert found("*.csv") == ["a.csv"]
    assert found("**.csv") == ["a.csv", "data/b.csv", "data/deep/d.csv", "data/deep/e[1].csv"]
    assert found("data/*.{csv,json}") == ["data/b.csv", "data/c.json"]
    assert found("data/**/?.csv") == ["data/b.csv", "data/deep/d.csv"]
    assert found("**/[!a-c].csv") == ["data/deep/d.csv"]
    assert found(r"**/e\[1\].csv", prefix="data/") == ["data/deep/e[1].csv"]


def test_what_was_deleted_is_restored_by_the_client(client: storage.Client, bucket: storage.Bucket) -> None:
    blob = bucket.blob("restored")
    blob.upload_from_string("kept")
    generation = blob.generation
    blob.delete()
    assert [one.name for one in client.list_blobs(bucket, prefix="restored", soft_deleted=True)] == ["restored"]
    assert bucket.get_blob("restored", generation=generation, soft_deleted=True).hard_delete_time
    assert bucket.restore_blob("restored", generation=generation).download_as_bytes() == b"kept"


def test_large_files_go_up_in_parts_and_down_in_ranges(bucket: storage.Bucket, tmp_path: Path) -> None:
    file, back = tmp_path / "there", tmp_path / "back"
    file.write_bytes(bytes(range(256)) * 70_000)
    large = bucket.blob("parts.bin")
    threads = {"chunk_size": 5 << 20, "max_workers": 2, "worker_type": transfer_manager.THREAD}
    transfer_manager.upload_chunks_concurrently(str(file), large, **threads)
    transfer_manager.download_chunks_concurrently(large, str(back), crc32c_checksum=True, **threads)
    assert back.read_bytes() == file.read_bytes()


def test_a_notification_is_made_and_removed_by_the_client(bucket: storage.Bucket) -> None:
    from google.cloud import pubsub_v1

    pubsub_v1.PublisherClient(transport="rest").create_topic(name="projects/acme-gemini-local/topics/objects")
    made = bucket.notification("objects", topic_project="acme-gemini-local", blob_name_prefix="models/", event_types=["OBJECT_FINALIZE"])
    made.create()
    assert [(one.topic_name, one.event_types, one.blob_name_prefix) for one in bucket.list_notifications()] == [
        ("objects", ["OBJECT_FINALIZE"], "models/")
    ]
    bucket.get_notification(made.notification_id).delete()
    assert not list(bucket.list_notifications())


def test_objects_are_composed_copied_renamed_and_deleted_in_batches(client: storage.Client, bucket: storage.Bucket) -> None:
    parts = [bucket.blob(f"part-{number}") for number in range(2)]
    for number, part in enumerate(parts):
        part.upload_from_string(f"{number}")
    whole = bucket.blob("whole")
    whole.compose(parts)
    assert bucket.copy_blob(whole, bucket, "copy").download_as_bytes() == b"01"
    assert bucket.rename_blob(bucket.blob("copy"), "renamed").download_as_bytes() == b"01"
    assert not bucket.blob("copy").exists()
    with client.batch():
        bucket.delete_blobs([*parts, whole])
    assert not whole.exists()


def test_a_signed_address_reads_without_credentials(bucket: storage.Bucket) -> None:
    blob = bucket.blob("signed.txt")
    blob.upload_from_string("read me")
    answer = requests.get(blob.generate_signed_url(version="v4", expiration=600), timeout=10)
    assert (answer.status_code, answer.content) == (200, b"read me")


def test_a_bucket_that_holds_objects_is_not_deleted_and_its_name_is_taken(client: storage.Client) -> None:
    bucket = client.create_bucket("acme-full-tests")
    bucket.blob("kept").upload_from_string("kept")
    with pytest.raises(exceptions.Conflict, match="not empty"):
        bucket.delete()
    with pytest.raises(exceptions.Conflict, match="taken"):
        client.create_bucket("acme-full-tests", project="acme-other-project")
    bucket.delete(force=True)
    assert client.lookup_bucket("acme-full-tests") is None


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    store = Store(tmp_path / "state.db")
    store.of("storage").put("b/bucket", "Bucket", {"name": "bucket"})
    return Objects(tmp_path / "objects", store)


def test_names_that_cannot_be_paths_are_kept_apart(objects: Objects) -> None:
    names = ["a", "a/b", "a//b", "../a", "a/", "x" * 300]
    for name in names:
        objects.put("bucket", name, name.encode())
    assert {name: objects.read("bucket", name) for name in names} == {name: name.encode() for name in names}
    assert sorted(found["name"] for found in objects.list("bucket")) == sorted(names)
    outside = [path for path in objects.folder.parent.rglob("*") if path.is_file() and not path.is_relative_to(objects.folder)]
    assert {path.suffix for path in outside} <= {".db", ".db-wal", ".db-shm"}


def test_a_file_that_a_process_wrote_becomes_an_object(objects: Objects) -> None:
    file = objects.folder / "bucket" / "run" / "metrics.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    assert [found["name"] for found in objects.adopt("bucket", "run")] == ["run/metrics.json"]
    first = objects.get("bucket", "run/metrics.json")
    file.write_text('{"accuracy": 1}')
    second = objects.get("bucket", "run/metrics.json")
    assert first is not None
    assert second is not None
    assert int(second["generation"]) > int(first["generation"])
    assert second["size"] == "15"
