"""Where releases are tried: an environment whose ledger is empty, and a checkout beside a bootstrapped staging."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from infra.terraform import bootstrap
from tests.releases.people import at_work


@pytest.fixture
def clients(google_cloud: dict[str, Any]) -> Iterator[Clients]:
    """Clients of `local`, with a release bucket that holds nothing."""
    clients = Clients.of("local")
    bucket = clients.storage().bucket(clients.names.release_bucket)
    if not bucket.exists():
        bucket.create(location=clients.names.environment.data_location)
    yield clients
    for blob in list(clients.storage().list_blobs(bucket)):
        blob.delete()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The commit that the plans are of, in a clean checkout, beside a local Google Cloud with what a bootstrap of staging makes."""
    root = tmp_path_factory.mktemp("checkout")
    with at_work(root, tmp_path_factory.mktemp("google-cloud")):
        bootstrap("staging", lambda _: None)
        yield root
