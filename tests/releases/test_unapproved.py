"""Where nothing has to be approved, the ledger still knows what was applied, by whom."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.clients import Clients
from infra.terraform import apply, bootstrap
from releases import ledger
from tests.conftest import running_emulator

pytestmark = pytest.mark.long


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Path]:
    with running_emulator(tmp_path / "google-cloud") as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        bootstrap("dev", lambda _: None)
        yield tmp_path / "terraform"


def test_an_apply_without_an_approval_is_written_down_once_and_an_empty_one_is_not(dev: Path) -> None:
    for _ in range(2):
        assert [result.error for result in apply("dev", ["network"], dev, lambda _: None, rehearsal=True)] == [""]
    [entry] = ledger.entries(Clients.of("dev"))
    assert (entry.kind, entry.by, entry.body["approval"]) == ("apply", Clients.of("dev").principal(), None)
    assert entry.body["stacks"]["dev-network"]["added"] > 0


def test_a_ledger_that_cannot_be_told_undoes_nothing_and_is_said(dev: Path) -> None:
    clients = Clients.of("dev")
    clients.storage().bucket(clients.names.release_bucket).delete()
    said: list[str] = []
    assert [result.error for result in apply("dev", ["network"], dev, said.append, rehearsal=True)] == [""]
    assert any(line.startswith("the ledger of dev was not told: ") for line in said)
