"""Which models the web page uses: immutable files by digest, and one small file that says which of them are current.

In the web bucket lie `models/<digest>/`, a converted model under the digest of its `web.json`; `releases/<digest>/release.json`, which
names a model for each task; and `current.json`, the only file that ever changes. A page that opens at any moment sees one whole
release. Files go up before what names them, so a publication that was cut off changed nothing and is simply done again.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments.clients import Clients
from serving.registry import versions

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

VERSION = 1
IMMUTABLE = "public, max-age=31536000, immutable"
CHECKED = "no-cache"
"""Kept, but asked for anew at every use."""
ATTEMPTS = 10
"""Two tasks may publish at the same moment; more than a few collisions in a row mean that something else is wrong."""


class WebError(Exception):
    """Nothing was published; the message is complete and meant for people."""


@dataclass(frozen=True)
class Release:
    """A release: the digest of each task's model, under the digest of all."""

    models: Mapping[str, str]

    @property
    def document(self) -> bytes:
        """Content of `release.json`; the same models give the same bytes."""
        tasks = {task: {"model": digest} for task, digest in sorted(self.models.items())}
        return json.dumps({"version": VERSION, "tasks": tasks}, sort_keys=True).encode()

    @property
    def digest(self) -> str:
        """What names the release."""
        return hashlib.sha256(self.document).hexdigest()


def publish(clients: Clients, release_folder: Path) -> str:
    """Publish converted models and make them current; tasks that are not in the folder keep their model.

    Args:
        clients: clients of the environment.
        release_folder: a folder for each task, as `ml.export.tfjs.convert` wrote it.

    Returns:
        The digest of the release that is now current.

    Raises:
        WebError: when the folder holds no model, or a file is not the one that was converted.
    """
    folders = {path.parent.name: path.parent for path in sorted(release_folder.glob("*/web.json"))}
    if not folders:
        raise WebError(f"{release_folder} holds no converted model, so nothing was published. Convert one: python -m ml.export.tfjs")
    models = {task: verified(folder) for task, folder in folders.items()}
    bucket = _bucket(clients)
    for task, folder in folders.items():
        _upload_model(bucket, models[task], folder)
    return _swap(bucket, lambda current: Release({**current, **models}))


def point(clients: Clients, digest: str) -> str:
    """Make a release current that was published before; returns its digest.

    Raises:
        WebError: when it, or one of its models, is not there.
    """
    bucket = _bucket(clients)
    wanted = _release(bucket, digest)
    missing = [task for task, model in wanted.models.items() if not bucket.blob(f"models/{model}/web.json").exists()]
    if missing:
        raise WebError(
            f"release {digest} lacks the model for {', '.join(missing)}, so the page keeps its release. Publish that model again."
        )
    return _swap(bucket, lambda current: wanted)


def attach(clients: Clients, task: str, version: str, converted: Path) -> str:
    """Store a converted model with the registered version that it was converted from; returns its address.

    Raises:
        WebError: when the version is not registered, or a file is not the one that was converted.
    """
    verified(converted)
    address = _address(clients, task, version)
    bucket, prefix = _place(clients, address)
    for name in (*_files(json.loads((converted / "web.json").read_text(encoding="utf-8"))), "web.json"):
        bucket.blob(f"{prefix}/{name}").upload_from_filename(str(converted / name))
    return address


def show(clients: Clients, task: str, version: str) -> str:
    """Let the page use a registered version of a task, as `attach` stored it; returns the digest of the release.

    Raises:
        WebError: when the version has no converted model.
    """
    from google.api_core.exceptions import NotFound

    bucket, prefix = _place(clients, _address(clients, task, version))
    try:
        described = bucket.blob(f"{prefix}/web.json").download_as_bytes()
        digest = hashlib.sha256(described).hexdigest()
        if _bucket(clients).blob(f"models/{digest}/web.json").exists():
            return _swap(_bucket(clients), lambda current: Release({**current, task: digest}))
        with tempfile.TemporaryDirectory(prefix="web-") as scratch:
            for name in (*_files(json.loads(described)), "web.json"):
                path = Path(scratch) / task / name
                path.parent.mkdir(parents=True, exist_ok=True)
                bucket.blob(f"{prefix}/{name}").download_to_filename(path)
            return publish(clients, Path(scratch))
    except NotFound as error:
        raise WebError(
            f"version {version} of {task} has no whole converted model ({error.message}), so the page keeps its release. "
            "Run the pipeline's convert step for it."
        ) from None


def current(clients: Clients) -> Release | None:
    """The release that the page uses now, when there is one."""
    bucket = _bucket(clients)
    document, _ = _current(bucket)
    return _release(bucket, document["release"]) if document else None


def publish_page(clients: Clients, dist: Path) -> None:
    """Put the page itself (`serving/web/dist`) into the bucket: what it loads first, the page last.

    Raises:
        WebError: when the page was not built.
    """
    page = dist / "index.html"
    if not page.is_file():
        raise WebError(f"{page} does not exist, so no page was published. Build it: make setup")
    bucket = _bucket(clients)
    for path in sorted(path for path in (dist / "assets").rglob("*") if path.is_file()):
        _upload(bucket, path.relative_to(dist).as_posix(), path.read_bytes(), IMMUTABLE, generation=0)
    _upload(bucket, page.name, page.read_bytes(), CHECKED)


def verified(folder: Path) -> str:
    """Digest of a converted model, after each of its files was compared with it.

    Raises:
        WebError: when a file is missing or differs.
    """
    content = (folder / "web.json").read_bytes()
    for name, digest in _files(json.loads(content)).items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise WebError(
                f"{path} is missing or is not the file that was converted, so nothing was published and the page keeps its release. "
                "Convert the model again."
            )
    return hashlib.sha256(content).hexdigest()


def _files(web: Mapping[str, Any]) -> dict[str, str]:
    variants = {f"{name}/{file}": digest for name, variant in web["variants"].items() for file, digest in variant["files"].items()}
    return {**web["files"], **variants}


def _bucket(clients: Clients) -> Bucket:
    return clients.storage().bucket(clients.names.bucket("web"))


def _address(clients: Clients, task: str, version: str) -> str:
    registered = versions.find(clients, task, version)
    if registered is None:
        raise WebError(f"version {version} of {task} is not registered, so it has no converted model. Register it first.")
    return f"{registered.uri}/web"


def _place(clients: Clients, address: str) -> tuple[Bucket, str]:
    name, _, prefix = address.removeprefix("gs://").partition("/")
    return clients.storage().bucket(name), prefix


def _upload_model(bucket: Bucket, digest: str, folder: Path) -> None:
    # web.json goes last, so a model that has it is whole.
    if bucket.blob(f"models/{digest}/web.json").exists():
        return
    for name in (*_files(json.loads((folder / "web.json").read_text(encoding="utf-8"))), "web.json"):
        _upload(bucket, f"models/{digest}/{name}", (folder / name).read_bytes(), IMMUTABLE, generation=0)


def _upload(bucket: Bucket, name: str, content: bytes, cache: str, generation: int | None = None) -> None:
    """Write an object; one that must not exist yet (generation 0) and does is left as it is."""
    from google.api_core.exceptions import PreconditionFailed

    blob = bucket.blob(name)
    blob.cache_control = cache
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        blob.upload_from_string(content, content_type=kind, if_generation_match=generation)
    except PreconditionFailed:
        if generation:
            raise


def _release(bucket: Bucket, digest: str) -> Release:
    from google.api_core.exceptions import NotFound

    try:
        content = bucket.blob(f"releases/{digest}/release.json").download_as_bytes()
    except NotFound:
        raise WebError(
            f"there is no release {digest}, so the page keeps its release. Name one below releases/ of the web bucket."
        ) from None
    return Release({task: entry["model"] for task, entry in json.loads(content)["tasks"].items()})


def _current(bucket: Bucket) -> tuple[dict[str, Any] | None, int]:
    """Content and generation of `current.json`; nothing and 0 before the first release."""
    blob = bucket.get_blob("current.json")
    if blob is None:
        return None, 0
    # Pinned, so that content and generation belong together.
    return json.loads(blob.download_as_bytes(if_generation_match=blob.generation)), blob.generation


def _swap(bucket: Bucket, change: Callable[[Mapping[str, str]], Release]) -> str:
    """Make `change(models of the current release)` current, unless somebody else was faster: then from what they made current."""
    from google.api_core.exceptions import NotFound, PreconditionFailed

    for _ in range(ATTEMPTS):
        try:
            document, generation = _current(bucket)
            before = document["release"] if document else None
            wanted = change(_release(bucket, before).models if before else {})
            if wanted.digest == before:
                return wanted.digest
            _upload(bucket, f"releases/{wanted.digest}/release.json", wanted.document, IMMUTABLE, generation=0)
            blob = bucket.blob("current.json")
            blob.cache_control = CHECKED
            content = json.dumps({"release": wanted.digest, "previous": before})
            blob.upload_from_string(content, content_type="application/json", if_generation_match=generation)
        except (PreconditionFailed, NotFound):
            continue
        return wanted.digest
    raise WebError(f"current.json of {bucket.name} changed {ATTEMPTS} times while it was read, so the page keeps its release. Try again.")
