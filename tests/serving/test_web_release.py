"""The web bucket: a release is whole or not there, and moves forth and back by one small file."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from serving.registry import versions
from serving.rollout import web


@pytest.fixture
def clients(google_cloud: dict[str, Any]) -> Iterator[Clients]:
    """Clients of a project with an empty web bucket."""
    clients = Clients.of("local")
    storage = clients.storage()
    if (bucket := storage.bucket(clients.names.bucket("web"))).exists():
        bucket.delete(force=True)
    bucket = storage.create_bucket(bucket)
    if not storage.bucket(clients.names.bucket("models")).exists():
        storage.create_bucket(clients.names.bucket("models"))
    yield clients
    bucket.delete(force=True)


@pytest.fixture
def folder(converted: Path, tmp_path: Path) -> Path:
    """A release folder with one task."""
    shutil.copytree(converted, tmp_path / "release" / "vision")
    return tmp_path / "release"


def another(folder: Path, task: str) -> Path:
    """A release folder for `task` whose model is another one."""
    made = folder.parent / task / task
    shutil.copytree(folder / "vision", made)
    content = json.loads((made / "web.json").read_text())
    del content["variants"]["int8"]
    (made / "web.json").write_text(json.dumps(content))
    return made.parent


def objects(clients: Clients) -> dict[str, Any]:
    return {blob.name: blob for blob in clients.storage().list_blobs(clients.names.bucket("web"))}


def test_a_release_names_every_file_by_digest_and_only_current_json_may_change(clients: Clients, folder: Path) -> None:
    digest = web.publish(clients, folder)
    found = objects(clients)
    assert json.loads(found.pop("current.json").download_as_bytes()) == {"release": digest, "previous": None}
    assert f"releases/{digest}/release.json" in found
    assert {blob.cache_control for blob in found.values()} == {web.IMMUTABLE}
    model = web.verified(folder / "vision")
    assert {name for name in found if name.startswith("models/")} == {
        f"models/{model}/{path.relative_to(folder / 'vision').as_posix()}" for path in folder.rglob("*") if path.is_file()
    }


def test_publishing_again_changes_nothing(clients: Clients, folder: Path) -> None:
    first = web.publish(clients, folder)
    before = {name: blob.generation for name, blob in objects(clients).items()}
    assert web.publish(clients, folder) == first
    assert {name: blob.generation for name, blob in objects(clients).items()} == before


def test_a_task_that_is_not_published_keeps_its_model(clients: Clients, folder: Path) -> None:
    web.publish(clients, folder)
    web.publish(clients, another(folder, "nlp"))
    now = web.current(clients)
    assert now is not None
    assert sorted(now.models) == ["nlp", "vision"]


def test_two_tasks_that_publish_at_once_both_get_in(clients: Clients, folder: Path) -> None:
    folders = [folder, another(folder, "nlp"), another(folder, "audio")]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda one: web.publish(Clients.of("local"), one), folders))
    now = web.current(clients)
    assert now is not None
    assert sorted(now.models) == ["audio", "nlp", "vision"]


def test_a_release_is_taken_back_and_taken_up_again(clients: Clients, folder: Path) -> None:
    first = web.publish(clients, folder)
    second = web.publish(clients, another(folder, "nlp"))
    assert web.point(clients, first) == first
    assert json.loads(objects(clients)["current.json"].download_as_bytes()) == {"release": first, "previous": second}
    assert web.point(clients, second) == second


def test_the_page_follows_the_registered_version(clients: Clients, exported: Path, folder: Path) -> None:
    version = versions.register(clients, "vision", exported, clients.names.image("serving")).version
    try:
        with pytest.raises(web.WebError, match="has no whole converted model"):
            web.show(clients, "vision", version)
        address = web.attach(clients, "vision", version, folder / "vision")
        assert address.startswith(f"gs://{clients.names.bucket('models')}/vision/")
        shown = web.show(clients, "vision", version)
        assert web.current(clients) == web.Release({"vision": web.verified(folder / "vision")})
        web.publish(clients, another(folder, "vision-2").rename(folder.parent / "newer"))
        assert web.show(clients, "vision", version) != shown
        with pytest.raises(web.WebError, match="is not registered"):
            web.show(clients, "vision", "99")
    finally:
        clients.vertex().Model(clients.names.model("vision")).delete()


def test_a_damaged_file_is_never_published(clients: Clients, folder: Path) -> None:
    first = web.publish(clients, folder)
    damaged = another(folder, "nlp")
    weights = damaged / "nlp/float16/group1-shard1of1.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(web.WebError, match=r"group1-shard1of1\.bin is missing or is not the file"):
        web.publish(clients, damaged)
    (damaged / "nlp/preprocessing.json").unlink()
    with pytest.raises(web.WebError, match=r"preprocessing\.json is missing"):
        web.publish(clients, damaged)
    now = web.current(clients)
    assert now is not None
    assert now.digest == first


def test_a_release_that_is_not_there_is_refused(clients: Clients, folder: Path, tmp_path: Path) -> None:
    first = web.publish(clients, folder)
    with pytest.raises(web.WebError, match="there is no release"):
        web.point(clients, "0" * 64)
    with pytest.raises(web.WebError, match="holds no converted model"):
        web.publish(clients, tmp_path / "empty")
    now = web.current(clients)
    assert now is not None
    assert now.digest == first


def test_the_page_is_published_after_what_it_loads(clients: Clients, tmp_path: Path) -> None:
    with pytest.raises(web.WebError, match="Build it"):
        web.publish_page(clients, tmp_path)
    web.publish_page(clients, Path(__file__).parents[2] / "serving/web/dist")
    found = objects(clients)
    page = found.pop("index.html")
    assert (page.cache_control, page.content_type) == (web.CHECKED, "text/html")
    assert {blob.cache_control for blob in found.values()} == {web.IMMUTABLE}
    assert all(blob.updated <= page.updated for blob in found.values())
    assert {blob.content_type for name, blob in found.items() if name.endswith(".js")} <= {"text/javascript", "application/javascript"}
