"""Whatever ends a listener, people are told what mends it, and the exit status tells programs."""

from typing import Any

import pytest
from google.api_core.exceptions import PermissionDenied
from google.auth.exceptions import RefreshError

from environments.clients import Clients
from pipelines.images import ImagesError
from pipelines.listening import listen


@pytest.mark.parametrize(
    ("ended_by", "status", "said"),
    [
        (ImagesError("No images were built"), 1, "No images were built"),
        (PermissionDenied("not you"), 1, "playbook run --env dev -- python -m pipelines.retraining"),
        (RefreshError("expired"), 1, "come again"),
        (KeyboardInterrupt(), 0, ""),
    ],
)
def test_a_listener_pulls_until_something_ends_it(
    ended_by: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pulled: list[str] = []

    def pull(clients: Clients) -> Any:
        pulled.append(clients.names.environment.name)
        if len(pulled) == 3:
            raise ended_by

    assert listen("pipelines.retraining", "dev", pull, once=False) == status
    assert pulled == ["dev"] * 3
    assert said in capsys.readouterr().err


def test_once_is_one_pull_and_without_a_configuration_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    pulled: list[Clients] = []
    assert listen("pipelines.retraining", "dev", pulled.append, once=True) == 0
    assert len(pulled) == 1
    assert listen("pipelines.retraining", "nowhere", pulled.append, once=True) == 2
    assert len(pulled) == 1
    assert "there is no environment 'nowhere'" in capsys.readouterr().err
