"""Versions, aliases and traffic against the local Google Cloud, with the SDKs as they are."""

import json
import shutil
from pathlib import Path

import pytest

from environments.clients import Clients
from serving.registry import artifact, evaluation, versions
from serving.rollout.deployment import RolloutError, deploy
from tests.serving.conftest import CLASSES, TASK
from tests.serving.test_process import png

EVALUATION = {"accuracy": 0.9, "macro_f1": 0.88, "classes": CLASSES, "confusion": [[3, 0, 0], [0, 3, 1], [0, 0, 3]]}


@pytest.fixture
def other(exported: Path, tmp_path: Path) -> Path:
    """The same model with its classes in another order, which is another artifact."""
    folder = tmp_path / "other"
    shutil.copytree(exported, folder)
    content = json.loads((folder / "preprocessing.json").read_text())
    (folder / "preprocessing.json").write_text(json.dumps({**content, "classes": CLASSES[::-1]}))
    return folder


def register(clients: Clients, folder: Path) -> versions.Version:
    return versions.register(clients, TASK, folder, clients.names.image("serving"))


def aliases(clients: Clients, version: str) -> set[str]:
    found = versions.find(clients, TASK, version)
    assert found is not None
    return {alias for alias in found.version_aliases if not alias.startswith("sha256-")}


def test_an_artifact_is_addressed_by_what_is_served(exported: Path, other: Path, tmp_path: Path) -> None:
    with_checkpoint = tmp_path / "with-checkpoint"
    shutil.copytree(exported, with_checkpoint)
    (with_checkpoint / "model.keras").write_bytes(b"time stamps")
    assert artifact.digest(with_checkpoint) == artifact.digest(exported) != artifact.digest(other)


def test_the_same_artifact_is_registered_once_and_the_newest_is_the_challenger(clients: Clients, exported: Path, other: Path) -> None:
    first, again, second = register(clients, exported), register(clients, exported), register(clients, other)
    assert (first.created, again.created, second.created) == (True, False, True)
    assert first.version == again.version != second.version
    assert "challenger" not in aliases(clients, first.version)
    assert "challenger" in aliases(clients, second.version)
    assert second.uri == f"gs://{clients.names.bucket('models')}/{TASK}/{artifact.digest(other)}"


def test_the_same_artifact_behind_another_server_is_another_version(clients: Clients, exported: Path) -> None:
    first = register(clients, exported)
    image = f"{clients.names.image('serving')}@sha256:{'0' * 64}"
    second = versions.adopt(clients, TASK, first.digest, image)
    assert (second.created, second.uri, versions.adopt(clients, TASK, first.digest, image).version) == (True, first.uri, second.version)
    found = versions.find(clients, TASK, versions.by_digest(first.digest))
    assert found is not None
    assert (found.version_id, found.container_spec.image_uri) == (second.version, image)


def test_the_verdict_is_a_label_of_the_version_alone(clients: Clients, exported: Path, other: Path) -> None:
    first, second = register(clients, exported), register(clients, other)
    versions.label(clients, TASK, second.version, {"gate": "refused"})
    labels = [versions.find(clients, TASK, version).labels for version in (first.version, second.version)]  # type: ignore[union-attr]
    assert "gate" not in labels[0]
    assert labels[1]["gate"] == "refused"
    assert labels[1].items() >= clients.names.labels.items()


def test_there_is_one_champion(clients: Clients, exported: Path, other: Path) -> None:
    first, second = register(clients, exported), register(clients, other)
    for version in (first, second):
        versions.crown(clients, TASK, version.version)
    assert not aliases(clients, first.version) & {"champion", "default"}
    assert aliases(clients, second.version) >= {"champion", "default"}


def test_an_evaluation_is_imported_once_and_readable_by_the_sdk(clients: Clients, exported: Path) -> None:
    version = register(clients, exported)
    name = evaluation.import_evaluation(clients, version, EVALUATION)
    assert evaluation.import_evaluation(clients, version, EVALUATION) == name
    found = versions.find(clients, TASK, version.version)
    assert found is not None
    [imported] = found.list_model_evaluations()
    assert dict(imported.metrics["confusionMatrix"])["rows"][1] == [0, 3, 1]


def test_a_version_gets_all_traffic_once_and_its_predecessor_goes(clients: Clients, exported: Path, other: Path) -> None:
    endpoint = clients.vertex().Endpoint(clients.names.endpoint(TASK))
    first, second = register(clients, exported), register(clients, other)
    assert deploy(clients, TASK, first.version).changed
    unchanged = deploy(clients, TASK, first.version)
    assert (unchanged.changed, unchanged.undeployed) == (False, ())
    [before] = endpoint.predict([{"b64": png()}]).predictions
    after = deploy(clients, TASK, second.version)
    assert after.undeployed == (unchanged.deployed_model,)
    assert endpoint.traffic_split == {after.deployed_model: 100}
    [answer] = endpoint.predict([{"b64": png()}]).predictions
    assert CLASSES.index(answer["label"]) == 2 - CLASSES.index(before["label"])


def test_a_rollout_that_was_cut_off_is_finished_by_the_next(clients: Clients, exported: Path, other: Path) -> None:
    aiplatform = clients.vertex()
    endpoint = aiplatform.Endpoint(clients.names.endpoint(TASK))
    first, second = register(clients, exported), register(clients, other)
    deploy(clients, TASK, first.version)
    # The new version is up, but whoever rolled it out was killed before the traffic moved.
    model = aiplatform.Model(second.model, version=second.version)
    endpoint.deploy(model, machine_type=clients.names.environment.serving.machine_type, traffic_percentage=0)
    finished = deploy(clients, TASK, second.version)
    assert finished.changed
    assert endpoint.traffic_split == {finished.deployed_model: 100}
    assert [model.model_version_id for model in endpoint.list_models()] == [second.version]


def test_a_rollout_without_its_endpoint_says_which_stack_declares_it(clients: Clients, exported: Path) -> None:
    version = register(clients, exported)
    clients.vertex().Endpoint(clients.names.endpoint(TASK)).delete()
    try:
        with pytest.raises(RolloutError, match=r"does not exist.*apply --env local --stack serving"):
            deploy(clients, TASK, version.version)
    finally:
        clients.vertex().Endpoint.create(display_name="vision", endpoint_id=clients.names.endpoint_id(TASK))
