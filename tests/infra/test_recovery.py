"""An older state comes back from the bucket, and the next plan shows what has moved since."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from infra.terraform import TerraformFailed, apply, bootstrap, plan, recovery
from infra.terraform.recovery import Generation, generations, restore
from infra.terraform.together import Result
from tests.conftest import running_emulator

STACK, OTHER = "monitoring", "network"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of an environment on a local Google Cloud of its own."""
    with running_emulator(tmp_path_factory.mktemp("google-cloud")) as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        bootstrap("dev")
        yield Clients.of("dev")


@pytest.fixture(scope="module")
def folder(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working folders in which the stack was applied."""
    folder = tmp_path_factory.mktemp("terraform")
    (result,) = apply("dev", [STACK], folder, rehearsal=True)
    assert result.error == ""
    return folder


def newest(clients: Clients, stack: str = STACK) -> Generation:
    """The generation that Terraform works with."""
    return next(one for one in generations(clients.storage(), clients.names, clients.names.stack(stack)) if one.live)


def planned(folder: Path, said: list[str]) -> Result:
    (result,) = plan("dev", [STACK], folder, said.append, rehearsal=True)
    assert result.error == ""
    return result


def state(clients: Clients, stack: str = STACK, name: str = "default.tfstate") -> Any:
    """The state's object, or another one beside it."""
    return clients.storage().bucket(clients.names.state_bucket).blob(f"{clients.names.stack(stack)}/{name}")


def restored(clients: Clients, generation: int, tmp_path: Path, stack: str = STACK) -> None:
    restore(clients.storage(), clients.names, clients.names.stack(stack), generation, "1.9.0", tmp_path, lambda _: None)


def written(clients: Clients, serial: int) -> Generation:
    """A generation of a state that no Terraform has made, for what needs none."""
    state(clients, OTHER).upload_from_string(json.dumps({"version": 4, "serial": serial, "resources": [{}] * serial}))
    return newest(clients, OTHER)


@pytest.mark.long
def test_a_state_that_was_overwritten_comes_back_and_the_plan_is_empty(clients: Clients, folder: Path, tmp_path: Path) -> None:
    before = newest(clients)
    lost = json.loads(state(clients).download_as_bytes())
    state(clients).upload_from_string(json.dumps({**lost, "serial": lost["serial"] + 1, "resources": []}))
    assert planned(folder, []).counts.added >= 6  # what an accident looks like: everything would be made again

    restored(clients, before.number, tmp_path)
    assert planned(folder, []).counts.nothing
    assert newest(clients).serial == before.serial


@pytest.mark.long
def test_a_state_that_was_deleted_comes_back(clients: Clients, folder: Path, tmp_path: Path) -> None:
    before = newest(clients)
    state(clients).delete()
    restored(clients, before.number, tmp_path)
    assert planned(folder, []).counts.nothing


@pytest.mark.long
def test_what_has_moved_since_an_older_generation_is_shown_by_the_plan(clients: Clients, folder: Path, tmp_path: Path) -> None:
    before, names = newest(clients), clients.names
    # By REST: gRPC reads its roots once a process, and they may be those of another test's cloud.
    topic = f"https://pubsub.googleapis.com/v1/projects/{names.project}/topics/{names.topic('alerts')}"
    clients.session().delete(topic).raise_for_status()
    (mended,) = apply("dev", [STACK], folder, rehearsal=True)
    assert mended.counts.added >= 2
    restored(clients, before.number, tmp_path)
    # The older state knows the topic of the same name, so that it is found again; nothing would be lost or made twice.
    result = planned(folder, [])
    assert (result.counts.destroyed, result.counts.added) == (0, 0)


def test_the_restored_generation_is_the_newest_and_the_one_before_stays(clients: Clients, tmp_path: Path) -> None:
    first, second = written(clients, 1), written(clients, 2)
    restored(clients, first.number, tmp_path, OTHER)
    found = generations(clients.storage(), clients.names, clients.names.stack(OTHER))
    assert [(one.serial, one.resources, one.live) for one in found[:3]] == [(1, 1, True), (2, 2, False), (1, 1, False)]
    restored(clients, second.number, tmp_path, OTHER)
    assert newest(clients, OTHER).serial == 2


def test_a_generation_that_is_live_unknown_or_no_state_is_refused_with_the_list(clients: Clients, tmp_path: Path) -> None:
    state(clients, OTHER).upload_from_string("not a state")
    broken, live = newest(clients, OTHER), written(clients, 3)
    for number in (live.number, broken.number, 1):
        with pytest.raises(TerraformFailed, match=rf"(?s)generation {number} of dev-network .*Nothing was changed") as refused:
            restored(clients, number, tmp_path, OTHER)
        assert "(live)" in str(refused.value)
        assert "not a state" in str(refused.value)


def test_a_state_that_somebody_works_on_is_not_restored(clients: Clients, tmp_path: Path) -> None:
    older, live = written(clients, 4), written(clients, 5)
    lock = state(clients, OTHER, "default.tflock")
    lock.upload_from_string(json.dumps({"ID": "1", "Who": "colleague@elsewhere", "Operation": "OperationTypeApply", "Info": ""}))
    try:
        with pytest.raises(TerraformFailed, match="colleague@elsewhere"):
            restored(clients, older.number, tmp_path, OTHER)
    finally:
        lock.delete()
    assert newest(clients, OTHER) == live


def test_the_command_lists_generations_and_says_how_to_restore_one(clients: Clients, tmp_path: Path) -> None:
    written(clients, 6)
    said: list[str] = []
    recovery.run("dev", OTHER, None, tmp_path, said.append)
    assert any("serial 6, 6 resources  (live)" in line for line in said)
    assert f"playbook restore --env dev --stack {OTHER} --generation N" in said[-1]


def test_a_stack_without_any_state_is_adopted_instead(clients: Clients, tmp_path: Path) -> None:
    with pytest.raises(TerraformFailed, match="playbook adopt --env dev"):
        recovery.run("dev", "nothing", None, tmp_path, lambda _: None)
