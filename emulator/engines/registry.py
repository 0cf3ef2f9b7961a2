"""The artifacts of registered models: copied when a version is uploaded, so that later changes in the user's bucket change no version.

Vertex AI keeps its copies in buckets of its own, which a container reads at AIP_STORAGE_URI and which no project lists.
"""

from __future__ import annotations

from typing import Any

from emulator.access.policies import POLICIES
from emulator.behaviours import Refusal
from emulator.engines.objects import Objects
from emulator.store import Store

Json = dict[str, Any]

BUCKET = "caip-tenant-local"


def address(model: Json) -> str:
    """The copy of a version's artifacts; empty for a model without any."""
    return f"gs://{BUCKET}/{_folder(model)}/artifacts" if model.get("artifactUri") else ""


def keep(objects: Objects, store: Store, model: Json) -> None:
    """Copies a version's artifacts.

    Raises:
        Refusal: There are none.
    """
    uri = model.get("artifactUri", "").rstrip("/")
    if not uri:
        return
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    found = objects.list(bucket, name) if uri.startswith("gs://") else []
    found = [one for one in found if not name or one["name"] == name or one["name"].startswith(f"{name}/")]
    if not found:
        problem = f"The artifact folder {uri} holds no objects. Nothing was uploaded. Export the model there first."
        raise Refusal(400, "FAILED_PRECONDITION", problem)
    _make_bucket(store)
    for one in found:
        below = one["name"].removeprefix(name).lstrip("/") or name.rpartition("/")[2]
        objects.copy(one, BUCKET, f"{_folder(model)}/artifacts/{below}")


def let_read(store: Store, model: Json, account: str) -> None:
    """Lets the identity of a deployed model read the copy, without any grant of the project's own."""
    place, kept = _policy(model), store.of(POLICIES)
    bindings = (kept.get(place) or {}).get("bindings", [])
    binding = {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{account}"]}
    if binding not in bindings:
        kept.put(place, "Policy", {"version": 1, "bindings": [*bindings, binding]})


def forget(objects: Objects, store: Store, model: Json) -> None:
    """Removes the copy of a version."""
    store.of(POLICIES).remove(_policy(model))
    for one in objects.list(BUCKET, f"{_folder(model)}/"):
        objects.delete(BUCKET, one["name"])


def write(objects: Objects, store: Store, model: Json, name: str, content: bytes) -> None:
    """Keeps a file that the service itself made for a version, such as what a tuning job learnt."""
    _make_bucket(store)
    objects.put(BUCKET, f"{_folder(model)}/{name}", content)


def read(objects: Objects, model: Json, name: str) -> bytes:
    """A file that `write` kept.

    Raises:
        Refusal: There is none.
    """
    return objects.read(BUCKET, f"{_folder(model)}/{name}")


def _make_bucket(store: Store) -> None:
    store.of("storage").put(f"b/{BUCKET}", "Bucket", {"kind": "storage#bucket", "name": BUCKET, "storageClass": "STANDARD"})


def _folder(model: Json) -> str:
    return f"{model['name'].replace('/', '.')}/{model['versionId']}"


def _policy(model: Json) -> str:
    """Where the policy of the copy is kept."""
    return f"storage/b/{BUCKET}/o/{_folder(model)}"
