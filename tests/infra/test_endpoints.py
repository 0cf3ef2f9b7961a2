"""A destroy of endpoints that serve: Terraform cannot undeploy what it did not deploy, so that the runner does it first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from environments import tasks
from environments.clients import Clients
from infra.terraform import apply, bootstrap, destroy, endpoints
from infra.terraform.rest import Google, Refused
from tests.conftest import running_emulator

STACKS = ["serving"]
SERVER = Path(__file__).parents[1] / "emulator" / "model_server.py"


@contextmanager
def smallest_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of an environment on a local Google Cloud whose container for serving is the smallest one."""
    images = tmp_path_factory.mktemp("images") / "images.yaml"
    images.write_text(f"images:\n  serving: {{slice: serving, entry_point: [python, {SERVER}]}}\n")
    state = tmp_path_factory.mktemp("google-cloud")
    with running_emulator(state, "--images", str(images)) as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        yield Clients.of("local")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """The same with what the serving stack asks for."""
    with smallest_server(tmp_path_factory) as clients:
        bootstrap("local")
        for purpose in ("models", "web"):
            clients.storage().create_bucket(clients.names.bucket(purpose))
        # Of the foundation stack, what the serving stack grants to.
        accounts = f"https://iam.googleapis.com/v1/projects/{clients.names.project}/serviceAccounts"
        Google().call("POST", accounts, None, {"accountId": clients.names.service_account_id("serving")})
        yield clients


@pytest.fixture
def folder(clients: Clients, tmp_path: Path) -> Path:
    """Working folders in which the endpoints were applied."""
    assert [result.error for result in apply("local", STACKS, tmp_path)] == [""]
    return tmp_path


def deployed(clients: Clients, shares: list[int]) -> str:
    """An endpoint with a deployed model for each share of the traffic; its address."""
    google, names = Google(), clients.names
    vertex = f"https://{names.environment.region}-aiplatform.googleapis.com/v1"
    clients.storage().bucket(names.bucket("models")).blob("undeploy/model.tflite").upload_from_string(b"weights")
    container = {"imageUri": names.image("serving"), "healthRoute": "/health", "predictRoute": "/predict"}
    body = {"model": {"displayName": "m", "artifactUri": names.uri("models", "undeploy"), "containerSpec": container}}
    parent = f"projects/{names.project}/locations/{names.environment.region}"
    model = google.finished(vertex, google.call("POST", f"{vertex}/{parent}/models:upload", None, body))["model"]
    endpoint = f"{vertex}/{names.endpoint(tasks().tasks[0].name)}"
    resources = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1}
    ids: list[str] = []
    for _ in shares:
        request = {"deployedModel": {"model": model, "dedicatedResources": resources}, "trafficSplit": dict.fromkeys(ids, 0) | {"0": 100}}
        answer = google.finished(vertex, google.call("POST", f"{endpoint}:deployModel", None, request))
        ids = [*ids, answer["deployedModel"]["id"]]
    google.call("PATCH", endpoint, {"updateMask": "trafficSplit"}, {"trafficSplit": dict(zip(ids, shares, strict=True))})
    return endpoint


def test_an_endpoint_with_deployed_models_is_undeployed_and_destroyed(clients: Clients, folder: Path) -> None:
    google = Google()
    endpoint = deployed(clients, [90, 10])
    with pytest.raises(Refused, match="deployed"):
        google.call("DELETE", endpoint)
    said: list[str] = []
    assert [result.error for result in destroy("local", STACKS, folder, said.append)] == [""]
    assert any("undeploying 2 models" in line for line in said)
    with pytest.raises(Refused) as gone:
        google.call("GET", endpoint)
    assert gone.value.status == 404


def test_an_endpoint_that_is_gone_or_empty_is_left_alone(clients: Clients, folder: Path) -> None:
    said: list[str] = []
    names = [clients.names.endpoint(task.name) for task in tasks().tasks] + [clients.names.endpoint("nothing")]
    endpoints.undeploy(Google(), clients.names.environment.region, names, said.append)
    assert said == []
    assert all(result.status == "done" for result in destroy("local", STACKS, folder))
