"""An environment goes to sleep: models are undeployed, workbenches stopped, nothing else is touched."""

from collections.abc import Iterator
from typing import Any

import pytest

from environments import Names, load, organisation, tasks
from environments.clients import Clients
from infra.policies.subject import SynthesisedStack
from infra.saving.__main__ import main
from infra.saving.sleep import NOTEBOOKS, sleep, sleepless
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google
from tests.infra.test_endpoints import deployed, smallest_server


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of an environment on a local Google Cloud, with an endpoint, whose container for serving is the smallest one."""
    with smallest_server(tmp_path_factory) as clients:
        clients.storage().create_bucket(clients.names.bucket("models"))
        vertex = f"https://{clients.names.environment.region}-aiplatform.googleapis.com/v1"
        query = {"endpointId": clients.names.endpoint_id(tasks().tasks[0].name)}
        body = {"displayName": "endpoint", "labels": clients.names.labels}
        Google().call("POST", f"{vertex}/{clients.names.location}/endpoints", query, body)
        yield clients


def workbench(names: Names, name: str, **labels: str) -> str:
    """A running instance; its address."""
    url = f"{NOTEBOOKS}/projects/{names.project}/locations/{names.environment.zone}/instances"
    body = {"gceSetup": {"machineType": "e2-standard-4"}, "labels": {**names.labels, **labels}}
    google = Google()
    google.finished(NOTEBOOKS, google.call("POST", url, {"instanceId": name}, body))
    return f"{url}/{name}"


def test_models_are_undeployed_by_what_is_deployed_and_only_our_workbenches_stop(clients: Clients) -> None:
    google = Google()
    # One of the two gets no traffic, and is paid for all the same.
    endpoint = deployed(clients, [100, 0])
    ours, theirs = workbench(clients.names, "ours"), workbench(clients.names, "theirs", team="another")
    said: list[str] = []
    assert sleep(clients.names, tasks(), google, said.append) == 3
    assert google.call("GET", endpoint).get("deployedModels", []) == []
    assert [google.call("GET", url)["state"] for url in (ours, theirs)] == ["STOPPED", "ACTIVE"]
    assert any("still paid for by the hour: the online store" in line for line in said)

    again: list[str] = []
    assert sleep(clients.names, tasks(), google, again.append) == 0
    assert again[0] == "nothing was awake"

    google.finished(NOTEBOOKS, google.call("POST", f"{ours}:start", None, {}))
    assert google.call("GET", ours)["state"] == "ACTIVE"


def test_a_protected_environment_does_not_sleep() -> None:
    with pytest.raises(TerraformFailed, match="prod is protected, so it is not put to sleep"):
        sleep(Names(organisation(), load("prod")), tasks(), Google(), print)


def test_the_command_says_why_it_refuses(google_cloud: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sleep", "--env", "prod"]) == 2
    assert "is protected" in capsys.readouterr().err


def test_what_cannot_be_stopped_is_what_the_environment_has_switched_on() -> None:
    assert sleepless(load("dev")) == []
    assert any("features.online_store" in what for what in sleepless(load("local")))


def test_a_stopped_workbench_is_no_drift(stacks: dict[str, SynthesisedStack]) -> None:
    """Its state belongs to people: no stack says whether it runs."""
    instances = [resource for stack in stacks.values() for resource in stack.resources if resource.type == "google_workbench_instance"]
    assert instances
    assert not [resource.address for resource in instances if "desired_state" in resource.body]
