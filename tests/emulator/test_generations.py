"""Older generations of objects: in a bucket with versioning what was replaced or deleted can be read, listed and copied back."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Conflict, NotFound
from google.cloud import storage

from emulator.engines.generations import KEPT, Generations
from emulator.store import Store


@pytest.fixture
def client(google_cloud: dict[str, Any]) -> storage.Client:
    return storage.Client()


def bucket(client: storage.Client, name: str, versioning: bool) -> Any:
    made = client.bucket(name)
    made.versioning_enabled = versioning
    return client.create_bucket(made)


def written(bucket: Any, *contents: bytes) -> list[int]:
    """Generations of the object `o`, one for each content."""
    generations = []
    for content in contents:
        blob = bucket.blob("o")
        blob.upload_from_string(content)
        generations.append(blob.generation)
    return generations


def test_what_was_replaced_can_be_read_listed_and_copied_back(client: storage.Client) -> None:
    versioned = bucket(client, "generations-kept", True)
    first, second, third = written(versioned, b"1", b"2", b"3")
    assert versioned.blob("o", generation=first).download_as_bytes() == b"1"
    listed = list(client.list_blobs(versioned, versions=True))
    assert [(blob.generation, blob.time_deleted is None) for blob in listed] == [(first, False), (second, False), (third, True)]
    assert [blob.generation for blob in client.list_blobs(versioned)] == [third]
    versioned.copy_blob(versioned.blob("o"), versioned, "o", source_generation=second)
    assert versioned.blob("o").download_as_bytes() == b"2"
    assert versioned.blob("o", generation=third).download_as_bytes() == b"3"


def test_a_deleted_object_stays_as_a_generation_until_that_is_deleted_too(client: storage.Client) -> None:
    versioned = bucket(client, "generations-deleted", True)
    (generation,) = written(versioned, b"1")
    versioned.blob("o").delete()
    assert not versioned.blob("o").exists()
    assert versioned.blob("o", generation=generation).download_as_bytes() == b"1"
    with pytest.raises(Conflict, match="not empty"):
        versioned.delete()
    versioned.blob("o", generation=generation).delete()
    with pytest.raises(NotFound):
        versioned.blob("o", generation=generation).download_as_bytes()
    versioned.delete()


def test_the_oldest_generation_goes_when_there_are_too_many_and_only_of_its_own_object(tmp_path: Path) -> None:
    file = tmp_path / "live"
    file.touch()
    with contextlib.closing(Store(tmp_path / "state.sqlite")) as store:
        older = Generations(tmp_path, store)

        def archive(name: str, generation: int) -> None:
            resource = {"bucket": "b", "name": name, "generation": str(generation), "timeDeleted": "2026-01-01T00:00:00Z"}
            older.link(resource, file)
            older.put(resource)
            older.trim("b", name)

        archive("o", 1)
        for generation in range(1, KEPT + 3):
            archive("other", generation)
            archive("o2", generation)
        assert older.get("b", "o", "1")
        assert older.get("b", "o2", "2") is None
        assert not older.path({"bucket": "b", "name": "o2", "generation": "2"}).exists()
        assert [one["generation"] for one in older.list("b", "o2")] == [str(generation) for generation in range(3, KEPT + 3)]


def test_a_bucket_without_versioning_keeps_the_last_content_only(client: storage.Client) -> None:
    plain = bucket(client, "generations-none", False)
    first, _ = written(plain, b"1", b"2")
    with pytest.raises(NotFound):
        plain.blob("o", generation=first).download_as_bytes()
    plain.blob("o").delete()
    plain.delete()
