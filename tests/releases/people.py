"""Who acts: a login of each person and each identity, as the local Google Cloud gives them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator.identity import key_of
from environments.clients import Clients

KEY = "GOOGLE_APPLICATION_CREDENTIALS"


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
