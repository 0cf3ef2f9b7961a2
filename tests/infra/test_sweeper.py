"""What has outlived its `ttl` label is listed before it is deleted; what a stack declares or another team owns never is."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from environments import Environment, Names, load, organisation, tasks
from environments.clients import Clients
from infra.saving.__main__ import main
from infra.saving.sweep import LABEL, Swept, delete, listed, look
from infra.terraform.rest import Google, Refused
from tests.infra.test_endpoints import deployed, smallest_server

TODAY = datetime.date(2026, 12, 1)
OVER, LATER = "2026-11-30", "2026-12-01"
TOPICS = "https://pubsub.googleapis.com/v1"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of an environment on a local Google Cloud, with a state bucket and an endpoint."""
    with smallest_server(tmp_path_factory) as clients:
        clients.storage().create_bucket(clients.names.state_bucket)
        clients.storage().create_bucket(clients.names.bucket("models"))
        yield clients


def topic(names: Names, name: str, **labels: str) -> str:
    """A topic with labels; its name."""
    full = f"projects/{names.project}/topics/{name}"
    Google().call("PUT", f"{TOPICS}/{full}", None, {"labels": {**names.labels, **labels}})
    return full


def bucket(clients: Clients, name: str, **labels: str) -> Any:
    made = clients.storage().bucket(clients.names.name(name))
    made.labels = {**clients.names.labels, **labels}
    return clients.storage().create_bucket(made)


def found(clients: Clients) -> Swept:
    return look(clients.names, Google(), clients.storage(), TODAY)


def exists(name: str) -> bool:
    try:
        Google().call("GET", f"{TOPICS}/{name}")
    except Refused as error:
        if error.status != 404:
            raise
        return False
    return True


def test_only_what_is_ours_and_over_is_swept_and_nothing_that_holds_data(clients: Clients) -> None:
    names = clients.names
    over, later = topic(names, "over", ttl=OVER), topic(names, "later", ttl=LATER)
    stays, theirs = topic(names, "stays"), topic(names, "theirs", team="another", ttl=OVER)
    nonsense = topic(names, "nonsense", ttl="soon")
    empty, full = bucket(clients, "empty", ttl=OVER), bucket(clients, "full", ttl=OVER)
    full.blob("rows").upload_from_string(b"data")

    swept = found(clients)
    assert {one.name for one in swept.expired} == {over, f"b/{empty.name}", f"b/{full.name}"}
    assert swept.unreadable == [f"topic {nonsense}: {LABEL}=soon"]
    assert any(line == f"expired on {OVER}: topic {over}" for line in listed(swept, "local"))
    assert exists(over), "a look deletes nothing"

    (kept,) = delete(swept, names, Google(), lambda _: None)
    assert full.name in kept
    assert "not empty" in kept
    assert [exists(name) for name in (over, later, stays, theirs, nonsense)] == [False, True, True, True, True]
    assert full.blob("rows").exists()
    assert not empty.exists()
    full.delete(force=True)


def test_what_a_stack_declares_is_left_to_a_destroy(clients: Clients) -> None:
    names = clients.names
    declared = topic(names, "declared", ttl=OVER)
    resource = {"type": "google_pubsub_topic", "instances": [{"attributes": {"id": declared, "name": "declared"}}]}
    state = clients.storage().bucket(names.state_bucket).blob(f"{names.stack('monitoring')}/default.tfstate")
    state.upload_from_string(json.dumps({"version": 4, "serial": 1, "resources": [resource]}))
    swept = found(clients)
    assert [one.name for one in swept.declared] == [declared]
    assert declared not in {one.name for one in swept.expired}
    assert any("make destroy ENV=local" in line for line in listed(swept, "local"))
    assert delete(swept, names, Google(), lambda _: None) == []
    assert exists(declared)


def test_nothing_is_swept_while_a_state_cannot_be_read(clients: Clients, capsys: pytest.CaptureFixture[str]) -> None:
    name = topic(clients.names, "over-beside-a-torn-state", ttl="2020-01-01")
    state = clients.storage().bucket(clients.names.state_bucket).blob(f"{clients.names.stack('data')}/default.tfstate")
    state.upload_from_string(b'{"version": 4, "resour')
    try:
        assert main(["sweep", "--env", "local", "--delete"]) == 2
    finally:
        state.delete()
    assert "playbook restore --env local --stack data" in capsys.readouterr().err
    assert exists(name)


def test_a_deployed_model_that_serves_nobody_is_undeployed_and_one_that_serves_is_not(clients: Clients) -> None:
    google, names = Google(), clients.names
    vertex = f"https://{names.environment.region}-aiplatform.googleapis.com/v1"
    query = {"endpointId": names.endpoint_id(tasks().tasks[0].name)}
    google.call("POST", f"{vertex}/{names.location}/endpoints", query, {"displayName": "endpoint", "labels": names.labels})
    endpoint = deployed(clients, [100])
    serving = google.call("GET", endpoint)["deployedModels"][0]
    # A version of the same model that nobody gave an alias, deployed beside it without traffic.
    container = {"imageUri": names.image("serving"), "healthRoute": "/health", "predictRoute": "/predict"}
    version = {"displayName": "m", "artifactUri": names.uri("models", "undeploy"), "containerSpec": container}
    upload = {"parentModel": serving["model"].partition("@")[0], "model": version}
    made = google.finished(vertex, google.call("POST", f"{vertex}/{names.location}/models:upload", None, upload))
    name = f"{made['model']}@{made['modelVersionId']}"
    aliases = google.call("GET", f"{vertex}/{name}").get("versionAliases", [])
    if aliases:
        taken = [f"-{alias}" for alias in aliases]
        google.call("POST", f"{vertex}/{name}:mergeVersionAliases", None, {"versionAliases": taken})
    machine = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1}
    request = {"deployedModel": {"model": name, "dedicatedResources": machine}, "trafficSplit": {serving["id"]: 100, "0": 0}}
    google.finished(vertex, google.call("POST", f"{endpoint}:deployModel", None, request))

    swept = found(clients)
    assert [one.id for one in swept.orphaned] != []
    assert serving["id"] not in {one.id for one in swept.orphaned}
    assert all("no traffic" in one.reason for one in swept.orphaned)
    assert delete(Swept(expired=[], orphaned=swept.orphaned, declared=[], unreadable=[]), names, google, lambda _: None) == []
    assert [one["id"] for one in google.call("GET", endpoint)["deployedModels"]] == [serving["id"]]
    assert found(clients).orphaned == []


def test_the_command_lists_first_and_says_how_to_delete(clients: Clients, capsys: pytest.CaptureFixture[str]) -> None:
    name = topic(clients.names, "long-over", ttl="2020-01-01")
    assert main(["sweep", "--env", "local"]) == 0
    said = capsys.readouterr().out
    assert f"topic {name}" in said
    assert "playbook sweep --env local --delete" in said
    assert exists(name)
    assert main(["sweep", "--env", "local", "--delete"]) == 0
    assert not exists(name)


def test_who_is_not_logged_in_is_told(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    assert main(["sweep", "--env", "local"]) == 2
    assert "gcloud auth application-default login" in capsys.readouterr().err


def lasting(name: str, day: datetime.date | None) -> Environment:
    return Environment.model_validate({**load(name).model_dump(), "expires_on": day})


def test_an_environment_for_a_while_labels_everything_with_its_last_day() -> None:
    assert Names(organisation(), lasting("dev", datetime.date(2026, 12, 31))).labels[LABEL] == "2026-12-31"
    assert LABEL not in Names(organisation(), load("dev")).labels


def test_a_protected_environment_never_expires() -> None:
    with pytest.raises(ValidationError, match="swept away one day"):
        lasting("prod", datetime.date(2026, 12, 31))
