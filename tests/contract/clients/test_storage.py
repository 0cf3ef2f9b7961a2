"""Cloud Storage, by `google-cloud-storage`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls


@calls("storage.objects.insert", "storage.objects.get", "storage.objects.patch")
def test_content_type_and_metadata_come_back_and_are_changed(bucket: Any) -> None:
    """A simple upload stores content and metadata; a patch changes the metadata that it names alone.

    https://cloud.google.com/storage/docs/metadata#editable
    """
    blob = bucket.blob("storage/a ü.txt")
    blob.metadata = {"task": "vision", "old": "1"}
    blob.upload_from_string("hello", content_type="text/plain")
    found = bucket.get_blob("storage/a ü.txt")
    assert (found.download_as_text(), found.content_type, found.metadata) == ("hello", "text/plain", {"task": "vision", "old": "1"})
    found.metadata = {"old": None, "new": "2"}
    found.patch()
    assert bucket.get_blob("storage/a ü.txt").metadata == {"task": "vision", "new": "2"}


@calls("storage.objects.insert", "storage.objects.get")
def test_a_resumable_upload_in_chunks_is_read_whole_and_in_ranges(bucket: Any) -> None:
    """Chunks are multiples of 256 KiB; a range is inclusive on both ends.

    https://cloud.google.com/storage/docs/resumable-uploads, https://cloud.google.com/storage/docs/json_api/v1/parameters#range
    """
    content = bytes(range(256)) * 4096
    blob = bucket.blob("storage/large.bin", chunk_size=256 * 1024)
    blob.upload_from_file(io.BytesIO(content), size=len(content))
    assert blob.size == len(content)
    assert blob.download_as_bytes(start=1000, end=1999) == content[1000:2000]
    target = io.BytesIO()
    blob.download_to_file(target)
    assert target.getvalue() == content


@calls("storage.objects.insert", "storage.objects.get")
def test_a_blob_is_a_file_for_python(bucket: Any) -> None:
    """`Blob.open` writes by a resumable upload and reads in chunks.

    https://cloud.google.com/python/docs/reference/storage/latest/google.cloud.storage.fileio
    """
    with bucket.blob("storage/lines.txt").open("w") as file:
        file.writelines(f"line {number}\n" for number in range(1000))
    with bucket.blob("storage/lines.txt").open("r") as file:
        assert [line.strip() for line in file][999] == "line 999"


@calls("storage.objects.insert", "storage.objects.get", "storage.objects.list")
def test_the_transfer_manager_moves_many_files_and_parts_at_once(bucket: Any, tmp_path: Path) -> None:
    """https://cloud.google.com/python/docs/reference/storage/latest/google.cloud.storage.transfer_manager"""
    from google.cloud.storage import transfer_manager

    names = [f"{number}.txt" for number in range(5)]
    for name in names:
        (tmp_path / name).write_text(name)
    results = transfer_manager.upload_many_from_filenames(
        bucket, names, source_directory=str(tmp_path), blob_name_prefix="storage/many/", worker_type="thread"
    )
    assert results == [None] * 5
    assert [blob.name for blob in bucket.list_blobs(prefix="storage/many/")] == [f"storage/many/{name}" for name in names]
    content = bytes(range(256)) * 2048
    bucket.blob("storage/parts.bin").upload_from_string(content)
    transfer_manager.download_chunks_concurrently(
        bucket.blob("storage/parts.bin"), str(tmp_path / "parts"), chunk_size=100_000, worker_type="thread"
    )
    assert (tmp_path / "parts").read_bytes() == content


@calls("storage.objects.compose", "storage.objects.copy", "storage.objects.delete", "storage.objects.get")
def test_objects_are_composed_copied_renamed_and_deleted_together(bucket: Any) -> None:
    """A rename is a copy and a delete; deletes travel in one batch of up to a hundred.

    https://cloud.google.com/storage/docs/composing-objects, https://cloud.google.com/storage/docs/batch
    """
    from google.cloud import storage

    parts = [bucket.blob(f"storage/compose/{number}") for number in range(3)]
    for number, part in enumerate(parts):
        part.upload_from_string(str(number))
    whole = bucket.blob("storage/compose/whole")
    whole.compose(parts)
    assert whole.download_as_bytes() == b"012"
    assert whole.component_count == 3
    copy = bucket.copy_blob(whole, bucket, "storage/compose/copy")
    renamed = bucket.rename_blob(copy, "storage/compose/renamed")
    assert renamed.download_as_bytes() == b"012"
    client = storage.Client()
    with client.batch():
        for blob in (*parts, renamed):
            client.bucket(bucket.name).blob(blob.name).delete()
    assert [blob.name for blob in bucket.list_blobs(prefix="storage/compose/")] == ["storage/compose/whole"]


@calls("storage.objects.list")
def test_a_delimiter_lists_folders(bucket: Any) -> None:
    """What lies below the next delimiter is one prefix.

    https://cloud.google.com/storage/docs/json_api/v1/objects/list
    """
    for name in ("a.txt", "b/1.txt", "b/2.txt", "c/d/3.txt"):
        bucket.blob(f"storage/tree/{name}").upload_from_string("x")
    listed = bucket.list_blobs(prefix="storage/tree/", delimiter="/")
    assert [blob.name for blob in listed] == ["storage/tree/a.txt"]
    assert listed.prefixes == {"storage/tree/b/", "storage/tree/c/"}


@calls("storage.objects.insert", "storage.objects.get")
def test_a_precondition_keeps_a_generation(bucket: Any) -> None:
    """`ifGenerationMatch=0` succeeds only where there is no live object; else 412. A read that names another generation is not found.

    https://cloud.google.com/storage/docs/request-preconditions
    """
    from google.api_core import exceptions

    blob = bucket.blob("storage/once")
    blob.upload_from_string("first", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string("second", if_generation_match=0)
    blob.upload_from_string("third", if_generation_match=blob.generation)
    assert blob.download_as_text() == "third"
    with pytest.raises(exceptions.NotFound):
        bucket.blob("storage/none").download_as_bytes()


@calls("storage.buckets.insert", "storage.buckets.patch", "storage.objects.list", "storage.objects.get", "storage.buckets.delete")
def test_a_versioned_bucket_keeps_what_was_overwritten(place: Place) -> None:
    """A bucket that holds objects cannot be deleted: 409.

    https://cloud.google.com/storage/docs/object-versioning, https://cloud.google.com/storage/docs/deleting-buckets
    """
    from google.api_core import exceptions
    from google.cloud import storage

    bucket = storage.Client().bucket(f"{place.bucket}-versions")
    bucket.labels = dict(place.labels)
    bucket.create(location=place.region)
    try:
        bucket.versioning_enabled = True
        bucket.patch()
        for content in ("old", "new"):
            bucket.blob("a").upload_from_string(content)
        old, new = bucket.list_blobs(versions=True)
        assert (old.generation < new.generation, new.time_deleted, bucket.blob("a", generation=old.generation).download_as_text()) == (
            True, None, "old",
        )  # fmt: skip
        with pytest.raises(exceptions.Conflict):
            bucket.delete()
    finally:
        for blob in bucket.list_blobs(versions=True):
            bucket.blob(blob.name, generation=blob.generation).delete()
        bucket.delete()
    assert storage.Client().lookup_bucket(bucket.name) is None


@calls("storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy", "storage.buckets.get", "storage.buckets.patch")
def test_lifecycle_labels_and_policy_of_a_bucket_are_kept(place: Place, bucket: Any) -> None:
    """https://cloud.google.com/storage/docs/managing-lifecycles, https://cloud.google.com/storage/docs/access-control/using-iam-permissions"""
    bucket.reload()
    bucket.add_lifecycle_delete_rule(age=3)
    bucket.labels = {**bucket.labels, "task": "vision"}
    bucket.patch()
    bucket.reload()
    assert [(rule["action"]["type"], rule["condition"]["age"]) for rule in bucket.lifecycle_rules] == [("Delete", 3)]
    assert bucket.labels["task"] == "vision"
    policy = bucket.get_iam_policy(requested_policy_version=3)
    member = f"projectViewer:{place.project}"
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {member}})
    bucket.set_iam_policy(policy)
    assert {"role": "roles/storage.objectViewer", "members": {member}} in [
        {"role": binding["role"], "members": binding["members"]} for binding in bucket.get_iam_policy(requested_policy_version=3).bindings
    ]
    assert bucket.test_iam_permissions(["storage.objects.get"]) == ["storage.objects.get"]


@calls("storage.objects.get")
def test_a_signed_address_reads_without_credentials(bucket: Any) -> None:
    """A V4 signature by a service account's key lets anybody read until it expires.

    https://cloud.google.com/storage/docs/access-control/signed-urls
    """
    import requests

    blob = bucket.blob("storage/signed.txt")
    blob.upload_from_string("for anybody")
    if not hasattr(blob.client._credentials, "signer"):
        pytest.skip("the credentials have no key to sign with: use those of a service account")
    address = blob.generate_signed_url(version="v4", expiration=600)
    answer = requests.get(address, timeout=60)
    assert (answer.status_code, answer.text) == (200, "for anybody")


@calls("storage.objects.compose")
def test_a_composite_object_has_no_md5(bucket: Any) -> None:
    """https://cloud.google.com/storage/docs/composite-objects"""
    parts = [bucket.blob(f"storage/without-md5/compose/{number}") for number in range(2)]
    for number, part in enumerate(parts):
        part.upload_from_string(str(number))
    whole = bucket.blob("storage/without-md5/compose/whole")
    whole.compose(parts)
    assert whole.md5_hash is None


@calls("storage.objects.list")
def test_a_glob_lists_what_it_matches(bucket: Any) -> None:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob"""
    for name in ("a.txt", "b/1.txt", "b/2.csv", "c/d/3.txt"):
        bucket.blob(f"storage/glob/{name}").upload_from_string("x")
    globbed = bucket.list_blobs(match_glob="storage/glob/**.txt")
    assert [blob.name.removeprefix("storage/glob/") for blob in globbed] == ["a.txt", "b/1.txt", "c/d/3.txt"]


@calls("storage.objects.move", "storage.objects.get")
def test_an_object_is_moved_in_one_step(bucket: Any) -> None:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/move"""
    blob = bucket.blob("storage/moving/a.txt")
    blob.upload_from_string("moved")
    moved = bucket.move_blob(blob, "storage/moving/b.txt")
    assert moved.download_as_text() == "moved"
    assert not blob.exists()


@calls("storage.objects.restore", "storage.objects.list")
def test_what_was_deleted_softly_is_restored(place: Place) -> None:
    """https://cloud.google.com/storage/docs/use-soft-deleted-objects"""
    from google.cloud import storage

    bucket = storage.Client().bucket(f"{place.bucket}-soft")
    bucket.labels = dict(place.labels)
    bucket.soft_delete_policy.retention_duration_seconds = 7 * 24 * 3600
    bucket.create(location=place.region)
    try:
        blob = bucket.blob("a.txt")
        blob.upload_from_string("back")
        generation = blob.generation
        blob.delete()
        assert list(bucket.list_blobs()) == []
        [deleted] = bucket.list_blobs(soft_deleted=True)
        assert (deleted.name, deleted.generation) == ("a.txt", generation)
        assert bucket.restore_blob("a.txt", generation=generation).download_as_text() == "back"
    finally:
        bucket.delete(force=True)


@calls("storage.objects.insert", "storage.objects.get")
def test_a_large_file_is_uploaded_in_parts_at_once(bucket: Any, tmp_path: Path) -> None:
    """Parts go by the XML API and are joined at the end; each but the last has 5 MiB or more.

    https://cloud.google.com/storage/docs/multipart-uploads
    """
    from google.cloud.storage import transfer_manager

    content = bytes(range(256)) * 4096 * 12
    (tmp_path / "large").write_bytes(content)
    blob = bucket.blob("storage/parts-up.bin")
    transfer_manager.upload_chunks_concurrently(str(tmp_path / "large"), blob, chunk_size=5 * 2**20, max_workers=2, worker_type="thread")
    blob.reload()
    assert (blob.size, blob.download_as_bytes() == content) == (len(content), True)
