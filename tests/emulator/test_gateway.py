"""The way in: Google's hosts and no others, certificates for Google's hosts and no others, REST and gRPC by the environment alone."""

from __future__ import annotations

import asyncio
import http.client
import random
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from emulator.behaviours import Response
from emulator.dispatch import Request
from emulator.gateway.authority import Authority, answers_for
from emulator.gateway.launch import Bridge


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


def test_clients_that_break_off_or_send_nonsense_hold_up_nobody(google_cloud: dict[str, Any]) -> None:
    lot = random.Random(7)
    context = ssl.create_default_context(cafile=google_cloud["ca"])
    heads = [
        b"GET / HTTP/1.1\r\n",
        b"X\r\n\r\n",
        b"\x00" * 50 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nshort",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nContent-Type: json\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
    broken = [b"x" * 300 + b".googleapis.com", b"..googleapis.com", b"\xff.googleapis.com", b"*.googleapis.com", b""]
    hosts = [b"storage.googleapis.com", *broken]
    held = []
    for _ in range(150):
        client = socket.create_connection(("127.0.0.1", google_cloud["port"]))
        held.append(client)
        if lot.random() < 0.2:
            client.sendall(lot.choice([b"", b"CONNECT", b"CONNECT ", *heads]))
            continue
        host = hosts[0] if lot.random() < 0.6 else lot.choice(hosts)
        client.sendall(b"CONNECT %s:443 HTTP/1.1\r\n\r\n" % host)
        if host != hosts[0] or b"200" not in client.recv(4096):
            continue
        if lot.random() < 0.3:
            client.sendall(lot.randbytes(lot.randrange(1, 200)))
            continue
        secure = context.wrap_socket(client, server_hostname=host.decode())
        held.append(secure)
        head = lot.choice(heads)
        secure.sendall(head[: lot.randrange(1, len(head) + 1)])
        if lot.random() < 0.5:
            secure.close()
    connection = http.client.HTTPSConnection("127.0.0.1", google_cloud["port"], timeout=10, context=context)
    connection.set_tunnel("storage.googleapis.com", 443)
    connection.request("GET", "/storage/v1/b/no-such-bucket")
    assert connection.getresponse().status == 404
    for client in held:
        client.close()


def test_clients_that_come_together_after_the_bridge_has_died_share_a_new_one() -> None:
    async def answer(request: Request) -> Response:
        return Response.of({})

    async def carried(bridge: Bridge) -> bytes:
        """The first bytes that a gRPC server sends to a client which begins as HTTP/2 does."""
        near, far = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=far)
        carrying = asyncio.ensure_future(bridge.carry(reader, writer))
        client_reader, client_writer = await asyncio.open_connection(sock=near)
        client_writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        received = await asyncio.wait_for(client_reader.read(9), 20)
        client_writer.close()
        await carrying
        return received

    async def work() -> None:
        bridge = Bridge(answer)
        try:
            assert await carried(bridge)
            assert bridge._process is not None
            bridge._process.kill()
            await bridge._process.wait()
            assert all(await asyncio.gather(*(carried(bridge) for _ in range(4))))
        finally:
            await bridge.close()

    asyncio.run(work())
