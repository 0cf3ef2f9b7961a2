"""The way in: Google's hosts and no others, certificates for Google's hosts and no others, REST and gRPC by the environment alone."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from emulator.gateway.authority import Authority, answers_for


def connect(port: int, target: str) -> tuple[int, str]:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        answer = client.recv(4096).decode()
    return int(answer.split(" ")[1]), answer


@pytest.mark.parametrize(
    "target", ["example.com:443", "googleapis.com.example.com:443", "evilgoogleapis.com:443", "storage.googleapis.com:80"]
)
def test_a_host_that_is_not_googles_is_refused(google_cloud: dict[str, Any], target: str) -> None:
    status, answer = connect(google_cloud["port"], target)
    assert status == 403
    assert target in answer


def test_googles_hosts_are_answered_for() -> None:
    hosts = (
        "storage.googleapis.com",
        "europe-west4-aiplatform.googleapis.com",
        "1.europe-west4-2.prediction.vertexai.goog",
        "us-kfp.pkg.dev",
    )
    assert all(answers_for(host) for host in hosts)


@pytest.mark.parametrize(("host", "trusted"), [("storage.googleapis.com", True), ("example.com", False)])
def test_the_authority_is_trusted_for_googles_hosts_alone(tmp_path: Path, host: str, trusted: bool) -> None:
    authority = Authority(tmp_path)
    client_context = ssl.create_default_context(cafile=str(authority.certificate))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = authority.context(host).wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)

    def shake() -> None:
        for _ in range(4):
            for side in (client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue

    if trusted:
        shake()
        assert client.getpeercert()
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
            shake()


def test_the_console_is_for_loopback_alone(google_cloud: dict[str, Any]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", google_cloud["port"])
    connection.request("GET", "/", headers={"Host": "rebound.example.com"})
    assert connection.getresponse().status == 403


def test_a_project_is_found_over_grpc(google_cloud: dict[str, Any]) -> None:
    from google.cloud import resourcemanager_v3

    project = resourcemanager_v3.ProjectsClient().get_project(name="projects/acme-gemini-local")
    assert project.project_id == "acme-gemini-local"
    assert project.name.removeprefix("projects/").isdigit()


def test_messages_are_published_and_pulled_over_grpc(google_cloud: dict[str, Any]) -> None:
    from google.cloud import pubsub_v1

    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    topic, subscription = "projects/acme-gemini-local/topics/alerts", "projects/acme-gemini-local/subscriptions/inbox"
    publisher.create_topic(name=topic)
    subscriber.create_subscription(name=subscription, topic=topic)
    publisher.publish(topic, b"drift", task="vision").result()
    pulled = subscriber.pull(subscription=subscription, max_messages=5).received_messages
    assert [(message.message.data, message.message.attributes["task"]) for message in pulled] == [(b"drift", "vision")]
    subscriber.acknowledge(subscription=subscription, ack_ids=[message.ack_id for message in pulled])
    assert not subscriber.pull(subscription=subscription, max_messages=5).received_messages


def test_a_refusal_keeps_its_code_and_details_over_grpc(google_cloud: dict[str, Any]) -> None:
    import google.auth
    from google.api_core import exceptions
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud import pubsub_v1

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    switch = "https://serviceusage.googleapis.com/v1/projects/acme-other/services/storage.googleapis.com:enable"
    assert AuthorizedSession(credentials).post(switch, json={}).status_code == 200
    with pytest.raises(exceptions.PermissionDenied) as caught:
        pubsub_v1.PublisherClient().create_topic(name="projects/acme-other/topics/t")
    assert caught.value.reason == "SERVICE_DISABLED"
    assert caught.value.metadata["service"] == "pubsub.googleapis.com"


def test_operations_of_vertex_ai_end_over_grpc(google_cloud: dict[str, Any]) -> None:
    from google.cloud import aiplatform_v1

    parent = "projects/acme-gemini-local/locations/europe-west4"
    client = aiplatform_v1.TensorboardServiceClient()
    board = client.create_tensorboard(parent=parent, tensorboard=aiplatform_v1.Tensorboard(display_name="board")).result()
    assert [found.name for found in client.list_tensorboards(parent=parent)] == [board.name]
