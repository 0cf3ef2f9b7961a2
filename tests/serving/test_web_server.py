"""The service behind the page runs what the rollout says, by digest, and keeps what Terraform says of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from serving.registry import versions
from serving.rollout import web_server
from serving.rollout.__main__ import main
from serving.rollout.web_server import RUN, WebServerError

TASK = "vision"
BUILD = f"acme/serving-node@sha256:{'a' * 64}"
PLACEHOLDER = f"acme/hello@sha256:{'0' * 64}"


@pytest.fixture
def service(clients: Clients) -> Iterator[str]:
    """The service as Terraform declares it; its address in the API."""
    session, parent = clients.session(), f"{RUN}/{clients.names.location}/services"
    container = {"image": PLACEHOLDER, "resources": {"limits": {"cpu": "1"}}, "env": [{"name": "WEB_CONCURRENCY", "value": "2"}]}
    body = {"template": {"containers": [container], "scaling": {"maxInstanceCount": 3}}}
    assert session.post(parent, params={"serviceId": clients.names.web_server}, json=body).ok
    yield f"{parent}/{clients.names.web_server}"
    session.delete(f"{parent}/{clients.names.web_server}")


def template(clients: Clients, service: str) -> dict[str, Any]:
    found: dict[str, Any] = clients.session().get(service).json()["template"]
    return found


def test_the_service_runs_the_build_and_the_version_that_it_is_given_and_keeps_the_rest(
    clients: Clients, service: str, exported: Path
) -> None:
    version = versions.register(clients, TASK, exported, clients.names.image("serving"))
    revision = web_server.run(clients, TASK, version.version, BUILD)
    assert revision.endswith("-00002")
    found = template(clients, service)
    (container,) = found["containers"]
    assert container["image"] == BUILD
    assert container["resources"] == {"limits": {"cpu": "1"}}
    assert {one["name"]: one["value"] for one in container["env"]} == {"WEB_CONCURRENCY": "2", "AIP_STORAGE_URI": f"{version.uri}/web"}
    assert found["scaling"] == {"maxInstanceCount": 3}
    assert web_server.run(clients, TASK, version.version, BUILD) == revision


def test_the_command_serves_a_version_and_says_which_revision_answers(
    clients: Clients, service: str, exported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version = versions.register(clients, TASK, exported, clients.names.image("serving"))
    asked = ["serve", "--env", clients.names.environment.name, "--task", TASK, "--version", version.version, "--image"]
    monkeypatch.setattr("sys.argv", ["rollout", *asked, BUILD])
    assert main() == 0
    assert "-00002 answers" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["rollout", *asked, "acme/serving-node:latest"])
    assert main() == 1
    assert "no image by digest" in capsys.readouterr().err


def test_an_image_that_may_be_another_one_tomorrow_is_refused(clients: Clients, service: str) -> None:
    with pytest.raises(WebServerError, match=r"no image by digest.*make images"):
        web_server.run(clients, TASK, "1", "acme/serving-node:latest")
    assert template(clients, service)["containers"][0]["image"] == PLACEHOLDER


def test_a_version_that_is_not_registered_is_not_served(clients: Clients, service: str) -> None:
    with pytest.raises(WebServerError, match="not registered"):
        web_server.run(clients, TASK, "7", BUILD)


def test_a_revision_that_never_started_is_not_what_answers(clients: Clients) -> None:
    started = {"latestReadyRevision": "web-00001", "latestCreatedRevision": "web-00001"}
    assert web_server.ready(clients, started) == "web-00001"
    failed = {**started, "latestCreatedRevision": "web-00002", "terminalCondition": {"message": "The container exited"}}
    with pytest.raises(WebServerError, match=r"The container exited.*former one goes on answering"):
        web_server.ready(clients, failed)


def test_without_the_service_it_is_said_who_declares_it(clients: Clients, exported: Path) -> None:
    version = versions.register(clients, TASK, exported, clients.names.image("serving"))
    with pytest.raises(WebServerError, match=r"web\.server is on.*make deploy"):
        web_server.run(clients, TASK, version.version, BUILD)
