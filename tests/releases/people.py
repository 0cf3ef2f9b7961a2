"""Who acts: a login of each person and each identity, as the local Google Cloud gives them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator.identity import key_of
from environments.clients import Clients
from infra.terraform import runner, wrapped
from tests.conftest import running_emulator

KEY = "GOOGLE_APPLICATION_CREDENTIALS"
GIT = ("git", "-c", "user.name=engineer", "-c", "user.email=engineer@example.com")


@contextmanager
def at_work(checkout: Path, state: Path) -> Iterator[None]:
    """A clean checkout that the plans of this process are of, beside a local Google Cloud of its own.

    Args:
        checkout: an empty folder.
        state: of the local Google Cloud.
    """
    (checkout / "README").write_text("infrastructure\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, *words], cwd=checkout, check=True)
    with running_emulator(state) as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        patch.setattr(runner, "ROOT", checkout)
        patch.setattr(wrapped, "ROOT", checkout)
        yield


@contextmanager
def acting_as(who: str, environment: str, own: str = "") -> Iterator[Clients]:
    """This process logged in as somebody, with their clients of an environment.

    Args:
        who: e-mail.
        environment: its name.
        own: path of the key of who owns the machine; the one of the process environment by default.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(key_of(who, Path(own or os.environ[KEY]))))
        yield Clients.of(environment)
