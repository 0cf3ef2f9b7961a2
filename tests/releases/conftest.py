"""An environment on the local Google Cloud whose ledger is empty."""

from collections.abc import Iterator
from typing import Any

import pytest

from environments.clients import Clients


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
