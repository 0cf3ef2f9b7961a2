"""The gRPC bridge as a process of its own, started by the first client that speaks gRPC.

It imports Google's client libraries for their message types: hundreds of megabytes and seconds that the emulator itself must not pay.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from emulator.gateway import http


class Bridge:
    """Two Unix sockets in a private folder: gRPC towards the bridge, REST from the bridge back to the emulator."""

    def __init__(self, answer: http.Answer) -> None:
        self._answer = answer
        self._ready: asyncio.Task[Path] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._server: asyncio.Server | None = None
        self._folder: Path | None = None

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection, whose TLS is off already, to the bridge and back."""
        if self._ready is None or self._gone():
            # Forgotten before anything is awaited: connections that come meanwhile wait for this start and begin none of their own.
            self._process = None
            self._ready = asyncio.ensure_future(self._start())
        there_reader, there_writer = await asyncio.open_unix_connection(await asyncio.shield(self._ready))
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))

    async def close(self) -> None:
        """Ends the process and removes the sockets."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        if self._server is not None:
            self._server.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _gone(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    async def _start(self) -> Path:
        await self.close()
        # Not in the state folder: the path of a Unix socket has room for 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="local-google-cloud-"))
        rest, grpc = self._folder / "rest", self._folder / "grpc"
        self._server = await asyncio.start_unix_server(self._rest, rest, limit=http.READ_LIMIT)
        # The bridge ends when its standard input does, so it cannot outlive the emulator, however that ends.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "emulator.gateway.bridge",
            str(grpc),
            str(rest),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        if self._process.stdout is None or await self._process.stdout.readline() != b"ready\n":
            raise ConnectionError("The gRPC bridge did not start.")
        return grpc

    async def _rest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await http.serve(reader, writer, self._answer, "")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(http.CHUNK):
            writer.write(part)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
