"""Registers a model as a version, once per artifact, and says which version is challenger and which is champion."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api_core.exceptions import NotFound

from environments.clients import Clients
from serving.registry import artifact

CHALLENGER = "challenger"
CHAMPION = "champion"
DIGEST = "sha256-"
"""Begins the alias that says which files a version has."""
HEALTH_ROUTE = "/health"
PREDICT_ROUTE = "/predict"
PORT = 8080


@dataclass(frozen=True)
class Version:
    """A registered model version."""

    model: str
    """Full resource name of the model, without the version."""
    version: str
    digest: str
    uri: str
    created: bool
    """False when this artifact was registered before."""

    @property
    def name(self) -> str:
        """`projects/…/models/M@3`."""
        return f"{self.model}@{self.version}"


def register(clients: Clients, task: str, folder: Path, image: str) -> Version:
    """The version that serves `folder`, uploaded unless the registry holds this very artifact with this image already.

    Args:
        clients: clients of the environment.
        task: name of the task.
        folder: model folder with `model.tflite` and `preprocessing.json`.
        image: address of the serving container.
    """
    digest = artifact.digest(folder)
    known = _known(clients, task, digest, image)
    return known or _upload(clients, task, digest, artifact.publish(clients, task, folder), image)


def adopt(clients: Clients, task: str, digest: str, image: str) -> Version:
    """The version that serves an artifact which a promotion has brought to its place, registered unless it was before.

    Args:
        clients: clients of the environment.
        task: name of the task.
        digest: of what is served, which names its folder in the models bucket.
        image: address of the serving container.
    """
    known = _known(clients, task, digest, image)
    return known or _upload(clients, task, digest, clients.names.uri("models", task, digest), image)


def by_digest(digest: str) -> str:
    """The alias of the version with those files."""
    return f"{DIGEST}{digest}"


def digest(version: Any) -> str:
    """The digest of a version's files, by that alias; empty where there is no version, or it has none."""
    aliases = version.version_aliases if version is not None else ()
    return next((alias.removeprefix(DIGEST) for alias in aliases if alias.startswith(DIGEST)), "")


def _known(clients: Clients, task: str, digest: str, image: str) -> Version | None:
    found = find(clients, task, by_digest(digest))
    # The same files behind another server are another version: it has not answered anybody yet.
    if found is None or found.container_spec.image_uri != image:
        return None
    return Version(clients.names.model(task), found.version_id, digest, found.uri, created=False)


def _upload(clients: Clients, task: str, digest: str, uri: str, image: str) -> Version:
    model = clients.names.model(task)
    uploaded = clients.vertex().Model.upload(
        model_id=clients.names.model_id(task),
        parent_model=model if _exists(clients, task) else None,
        display_name=clients.names.model_id(task),
        artifact_uri=uri,
        serving_container_image_uri=image,
        serving_container_ports=[PORT],
        serving_container_predict_route=PREDICT_ROUTE,
        serving_container_health_route=HEALTH_ROUTE,
        version_aliases=[CHALLENGER, by_digest(digest)],
        labels=clients.names.labels,
    )
    return Version(model, uploaded.version_id, digest, uri, created=True)


def find(clients: Clients, task: str, alias: str) -> Any | None:
    """The version behind an alias or a version number, as an `aiplatform.Model`, or nothing."""
    aiplatform = clients.vertex()
    try:
        return aiplatform.Model(clients.names.model(task), version=alias)
    except NotFound:
        return None


def _exists(clients: Clients, task: str) -> bool:
    aiplatform = clients.vertex()
    try:
        aiplatform.Model(clients.names.model(task))
    except NotFound:
        return False
    return True


def label(clients: Clients, task: str, version: str, labels: Mapping[str, str]) -> None:
    """Add labels to one version.

    The SDK's `update_version` names the model and not the version, so Vertex AI would label the model as a whole.
    """
    from google.cloud.aiplatform_v1.types import Model
    from google.protobuf.field_mask_pb2 import FieldMask

    found = find(clients, task, version)
    if found is None:
        raise LookupError(f"{clients.names.model(task)}@{version} does not exist, so it cannot be labelled. Register it first.")
    found.api_client.update_model(
        model=Model(name=f"{clients.names.model(task)}@{version}", labels={**found.labels, **labels}),
        update_mask=FieldMask(paths=["labels"]),
    )


def crown(clients: Clients, task: str, version: str) -> None:
    """Make a version the champion, which is also the default version; the alias leaves the former champion by itself."""
    alias(clients, task, version, CHAMPION, "default")


def alias(clients: Clients, task: str, version: str, *aliases: str) -> None:
    """Move aliases to a version; they leave the version that had them by themselves."""
    registry = clients.vertex().models.ModelRegistry(clients.names.model(task))
    registry.add_version_aliases(list(aliases), version)
