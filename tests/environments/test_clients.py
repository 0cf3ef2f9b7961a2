"""Every client waits and tries again as the factory says."""

import inspect
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Blob, Bucket
from google.cloud.storage.retry import DEFAULT_RETRY

from environments import clients
from environments.clients import Clients


class Flaky(BaseHTTPRequestHandler):
    """Answers 503 as often as the server was told, then 200."""

    server: "Overloaded"

    def answer(self) -> None:
        self.server.asked += 1
        self.send_response(503 if self.server.asked <= self.server.failures else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class Overloaded(HTTPServer):
    asked = 0
    failures = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Overloaded]:
    """A server that is overloaded at first, and credentials that need no login."""
    monkeypatch.setattr("google.auth.default", lambda **_: (AnonymousCredentials(), "project"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Overloaded(("127.0.0.1", 0), Flaky) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_what_only_reads_is_tried_again_and_what_writes_is_not(server: Overloaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "BACKOFF_SECONDS", 0)
    session, url = Clients.of("dev").session(), f"http://127.0.0.1:{server.server_port}/"
    session.mount("http://", session.get_adapter("https://storage.googleapis.com"))
    server.failures = clients.ATTEMPTS - 1
    assert session.get(url).status_code == 200
    assert server.asked == clients.ATTEMPTS
    server.failures = clients.ATTEMPTS + 1
    assert session.post(url).status_code == 503
    assert server.asked == clients.ATTEMPTS + 1


def test_cloud_storage_waits_and_tries_again_by_itself() -> None:
    for call in (Blob.exists, Blob.download_as_bytes, Blob.upload_from_filename, Bucket.exists):
        assert inspect.signature(call).parameters["timeout"].default == clients.TIMEOUT_SECONDS
        assert inspect.signature(call).parameters["retry"].default is not None
    assert DEFAULT_RETRY.timeout == 2 * clients.TIMEOUT_SECONDS


def test_gemini_takes_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("google.auth.default", lambda **_: (AnonymousCredentials(), "project"))
    options = Clients.of("dev").gemini()._api_client._http_options
    assert options.timeout == clients.TIMEOUT_SECONDS * 1000
    assert options.retry_options is not None
    assert options.retry_options.attempts == clients.ATTEMPTS
