"""The images of a source are built once, found again by its digest, and named by theirs."""

import io
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from google.cloud.storage import Blob

from environments.clients import Clients
from pipelines import images, submit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clients(google_cloud: dict[str, Any]) -> Clients:
    """Clients of a project that holds nothing but its pipelines bucket, without any build."""
    clients = Clients.of("local")
    bucket = clients.storage().bucket(clients.names.bucket("pipelines"))
    if not bucket.exists():
        clients.storage().create_bucket(bucket)
    for blob in bucket.list_blobs(prefix="images/"):
        blob.delete()
    return clients


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the images are made from."""
    for path in {path for copied in images.contexts().values() for path in copied} | {ROOT / "cloudbuild" / "images.yaml"}:
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def test_a_run_without_images_is_refused_with_the_command_that_builds_them(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["submit", "--env", "local", "--task", "vision", "--rows", "gs://bucket/rows.parquet"])
    assert submit.main() == 1
    said = capsys.readouterr().err
    assert "No images were built from this source (commit " in said or "No images were built from this source (digest " in said
    assert "make images ENV=local" in said


def test_images_are_built_once_and_an_interrupted_command_goes_on_with_the_build_that_it_started(clients: Clients) -> None:
    digests, new = images.build(clients)
    assert new
    assert set(digests) == set(images.slices())
    assert images.build(clients) == (digests, False)
    assert images.built(clients) == digests

    before = builds(clients)
    Blob.from_uri(clients.names.built_images(images.source()), client=clients.storage()).delete()
    assert images.build(clients) == (digests, True)
    assert builds(clients) == before


def builds(clients: Clients) -> list[str]:
    """Ids of the project's builds."""
    answer = clients.session().get(f"{images.BUILDS}/{clients.names.location}/builds").json()
    return [build["id"] for build in answer["builds"]]


def test_a_build_that_cloud_build_refuses_is_told_with_its_reason(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "source", lambda: "0" * 40)
    monkeypatch.setattr(images, "tags", lambda: {"serving": "1"})
    with pytest.raises(images.ImagesError, match=r"Cloud Build refused .400.: .*not a valid substitution"):
        images.build(clients)


def test_a_change_renames_the_images_that_hold_it_and_no_other(checkout: Path) -> None:
    before = images.tags(checkout)
    assert before == images.tags()
    with (checkout / "ml" / "train.py").open("a") as file:
        file.write("\n")
    after = images.tags(checkout)
    assert {image for image in before if before[image] != after[image]} == {"pipelines", "training"}
    assert images.source(checkout) != images.source()


def test_what_is_sent_to_cloud_build_is_what_the_tags_are_made_of(checkout: Path) -> None:
    (checkout / "ml" / "__pycache__").mkdir()
    (checkout / "ml" / "__pycache__" / "train.pyc").write_bytes(b"")
    packed = images.archive(checkout)
    assert packed == images.archive()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        inside = set(tar.getnames())
    assert {"cloudbuild/images.yaml", "cloudbuild/training.Dockerfile", "cloudbuild/requirements-serving.lock", "ml/train.py"} <= inside
    assert not [name for name in inside if "__pycache__" in name or name.startswith(("infra/", "tests/"))]
