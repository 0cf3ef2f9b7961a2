"""The proxy that clients are led to by `HTTPS_PROXY`: it answers for Google's hosts itself and refuses all others.

One listening socket on loopback: CONNECT leads to TLS under a certificate made for that host, and from there to REST or, for clients that
offer HTTP/2 alone, to the gRPC bridge. Any other request is for the console.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

from emulator import dispatch
from emulator.behaviours import Response
from emulator.cloud import Cloud
from emulator.dispatch import Request
from emulator.gateway import http
from emulator.gateway.authority import Authority, answers_for
from emulator.gateway.launch import Bridge
from emulator.recording import Recording

DENIED = "denied"
"""Refused hosts are logged under this name: whatever stands there would have left the machine."""


class Proxy:
    """Serves `listener` until it is closed."""

    def __init__(self, cloud: Cloud, authority: Authority, listener: socket.socket, recording: Recording | None = None) -> None:
        self._cloud = cloud
        self._recording = recording
        self._authority = authority
        self._listener = listener
        self._bridge = Bridge(self._answer)
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Accepts connections for ever."""
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._listener)
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._keep(asyncio.ensure_future(self._connection(client)))

    async def close(self) -> None:
        """Ends the bridge and the open connections."""
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._bridge.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        head = b""
        try:
            while b"\r\n\r\n" not in head and len(head) < http.HEAD_LIMIT and (part := await loop.sock_recv(client, http.CHUNK)):
                head += part
            if not head.startswith(b"CONNECT "):
                await self._plain(client, head)
                return
            host, _, port = head.split(b" ", 2)[1].decode("latin-1").rpartition(":")
            if port != "443" or not answers_for(host):
                self._cloud.log(DENIED, f"{host}:{port}")
                text = f"{host}:{port} is not part of the local Google Cloud, and a local run reaches nothing else.\n".encode()
                await loop.sock_sendall(client, b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
                client.close()
                return
            await loop.sock_sendall(client, b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._secure(client, host)
        except (OSError, ssl.SSLError, ValueError):
            # A client that leaves, that does not trust the authority, or that asks for a host that no certificate can name.
            client.close()

    async def _secure(self, client: socket.socket, host: str) -> None:
        reader = asyncio.StreamReader(limit=http.READ_LIMIT)
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=self._authority.context(host))
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            await self._bridge.carry(reader, writer)
        else:
            await http.serve(reader, writer, self._answer, host, self._cloud.objects.incoming)

    async def _plain(self, client: socket.socket, head: bytes) -> None:
        reader = asyncio.StreamReader(limit=http.READ_LIMIT)
        reader.feed_data(head)
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, client)
        await http.serve(reader, asyncio.StreamWriter(transport, protocol, reader, loop), self._console, "127.0.0.1")

    async def _answer(self, request: Request) -> Response:
        response = await dispatch.answer(request, self._cloud)
        if self._recording is not None:
            self._recording.add(request, response)
        return response

    async def _console(self, request: Request) -> Response:
        if request.host not in ("127.0.0.1", "localhost"):
            # A page of another site that resolves its name to loopback must not read the console.
            return Response(b"Only for 127.0.0.1.\n", 403, content_type="text/plain")
        from emulator import console

        return await console.answer(request, self._cloud)
