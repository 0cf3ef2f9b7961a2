"""The asyncio side of the launchers: start, limit, listen, stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emulator.processes.command import END, Command, Ended

Log = Callable[[str], None]
"""Takes one line of a process's output."""

ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
"""Keeps the libraries from starting threads while they are imported."""

DRAIN_SECONDS = 1.0
CLOSE_SECONDS = 2.0
LINES = 100_000
"""Of one process; what it prints beyond them is dropped."""
LOOK_SECONDS = 0.2
"""Between two looks at the memory of a process that has a limit."""
LONGEST_LINE = LONGEST_MESSAGE = 1 << 16
logger = logging.getLogger(__name__)


class LauncherFailed(Exception):
    """A launcher cannot run commands; the message says why and what mends it."""


@dataclass(eq=False)
class Process:
    """A command that runs."""

    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    output: asyncio.Task[None]

    async def wait(self) -> Ended:
        """Its end, after all that it printed was handed on."""
        line = await self.reader.readline()
        self.writer.close()
        # A descendant that left the process group may hold the pipe open: what is there is read, then it is left alone.
        await asyncio.wait([self.output], timeout=DRAIN_SECONDS)
        self.output.cancel()
        if not line:
            return Ended(code=-9, reason="its launcher ended", seconds=0, cpu_seconds=0, peak_mb=0)
        return Ended.read(line)

    def stop(self) -> None:
        """Ask it to end; what is left after a grace period is killed."""
        self.writer.write(b"stop\n")


class Launcher:
    """One launcher process and its control socket."""

    def __init__(self, preload: Sequence[str], environment: dict[str, str]) -> None:
        self.preload = tuple(preload)
        self.environment = {**os.environ, **environment, **(ONE_THREAD if preload else {})}
        self.process: asyncio.subprocess.Process | None = None
        self.control: socket.socket | None = None
        self.seconds = 0.0
        """What the imports took; 0 until the launcher serves."""
        self.sources: dict[str, int] = {}
        """Files of this repository that it has imported, with their times."""
        self.retired: list[tuple[asyncio.subprocess.Process, socket.socket]] = []
        """Launchers of older source, which end when what they run has."""
        self.starting = asyncio.Lock()

    async def ready(self) -> socket.socket:
        """The control socket of a launcher that serves the source as it is now; starts one where none does.

        Raises:
            LauncherFailed: when it ends before it serves.
        """
        async with self.starting:
            if self.process is not None and self.process.returncode is None and self.control is not None:
                if self._is_current():
                    return self.control
                self.control.send(END)
                self.retired.append((self.process, self.control))
                self.process = self.control = None
            await self._end()
            self.seconds = 0.0
            self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.control.setblocking(False)
            with theirs:
                self.process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "emulator.processes.launcher", str(theirs.fileno()), *self.preload),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env=self.environment,
                )
            message = await asyncio.get_running_loop().sock_recv(self.control, LONGEST_MESSAGE)
            if not message:
                _, errors = await self.process.communicate()
                last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
                raise LauncherFailed(
                    f"the process that runs steps did not start: {last[0]}. No step or job can run. "
                    "Install the groups that the image table preloads (`make setup`), or shorten `preload` there."
                )
            said = json.loads(message)
            self.seconds, self.sources = said["seconds"], said["sources"]
            return self.control

    def _is_current(self) -> bool:
        """Whether the source that it has imported has not changed since."""
        try:
            return all(os.stat(file).st_mtime_ns == time for file, time in self.sources.items())
        except OSError:
            return False

    async def start(self, command: Command, log: Log) -> Process:
        """Fork the process of `command`; each line that it prints goes to `log`."""
        control = await self.ready()
        ours, theirs = socket.socketpair()
        readable, writable = os.pipe()
        try:
            socket.send_fds(control, [b"\n"], [theirs.fileno(), writable])
        finally:
            theirs.close()
            os.close(writable)
        output = asyncio.create_task(_hand_on(readable, log))
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            writer.write(command.line())
            first = await reader.readline()
            if not first:
                raise LauncherFailed("the process that runs steps ended while it started this one. Run it again: a new one is started.")
        except BaseException:
            # A closed connection kills what may have been forked already.
            writer.close()
            output.cancel()
            raise
        return Process(json.loads(first)["pid"], reader, writer, output)

    async def close(self) -> None:
        """End the launcher, and those of older source, with all that they run."""
        await self._end()
        for process, control in self.retired:
            control.close()
            await _ended(process, CLOSE_SECONDS)
        self.retired.clear()

    async def _end(self) -> None:
        """Close the control socket: the launcher kills what it runs and ends; one that still imports is killed."""
        if self.control is not None:
            self.control.close()
            self.control = None
        if self.process is not None:
            await _ended(self.process, CLOSE_SECONDS if self.seconds else 0)


class Supervisor:
    """The processes of one emulator: components and modules from warm launchers, programs from the bare one.

    Args:
        preloads: What the images preload; those that preload the same share a launcher.
        environment: Variables of the launchers.
        slots: How many commands run at a time.
    """

    def __init__(self, preloads: Iterable[tuple[str, ...]], environment: dict[str, str], slots: int | None = None) -> None:
        self.launchers = {preload: Launcher(preload, environment) for preload in ((), *preloads)}
        self.slots = asyncio.Semaphore(slots or max(4, os.cpu_count() or 1))
        self.warming: dict[tuple[str, ...], asyncio.Task[None]] = {}

    def warm(self, preloads: Iterable[tuple[str, ...]]) -> None:
        """Start launchers in the background, since commands for them are near; nothing waits for them but the first command."""
        for preload in preloads:
            if preload not in self.warming:
                self.warming[preload] = asyncio.create_task(self._warm(preload))

    async def _warm(self, preload: tuple[str, ...]) -> None:
        try:
            await self.launchers[preload].ready()
        except LauncherFailed as error:
            logger.error("%s", error)

    async def start(self, command: Command, log: Log) -> Process:
        """Start a process that runs beside others without limit, such as a server."""
        return await self.launchers[() if command.form == "program" else command.preload].start(command, log)

    async def run(self, command: Command, log: Log) -> Ended:
        """Run a command to its end when a slot is free; a cancelled caller stops the process first."""
        async with self.slots:
            return await self.run_beside(command, log)

    async def run_beside(self, command: Command, log: Log) -> Ended:
        """As `run`, for a caller who holds a slot for all that he runs together: parts that wait for each other must not wait for slots."""
        process = await self.start(command, log)
        ending = asyncio.create_task(process.wait())
        watching = asyncio.create_task(_watch(process.pid, command.memory)) if command.memory else None
        try:
            ended = await asyncio.shield(ending)
        except asyncio.CancelledError:
            process.stop()
            await ending
            raise
        finally:
            if watching is not None:
                watching.cancel()
        exceeded = watching is not None and watching.done()
        return replace(ended, reason=f"memory limit of {(command.memory or 0) // 10**6} MB") if exceeded else ended

    async def close(self) -> None:
        """End every process."""
        for task in self.warming.values():
            task.cancel()
        await asyncio.gather(*self.warming.values(), return_exceptions=True)
        await asyncio.gather(*(launcher.close() for launcher in self.launchers.values()))


async def _ended(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Wait for the end of a process, and kill it when that takes longer than so many seconds."""
    if process.returncode is None:
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _watch(pid: int, limit: int) -> None:
    """Kill a process and its group when it holds more than `limit` bytes; returns when it has."""
    while _held(pid) <= limit:
        await asyncio.sleep(LOOK_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _held(pid: int) -> int:
    """Bytes of memory that a process holds; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


async def _hand_on(descriptor: int, log: Log) -> None:
    """Split what arrives on a pipe into lines; closes the pipe at its end."""
    reader = asyncio.StreamReader()
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            rest, left = b"", LINES
            while chunk := await reader.read(LONGEST_LINE):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > LONGEST_LINE:
                    lines, rest = [*lines, rest], b""
                for line in lines[:left]:
                    log(line.decode(errors="replace"))
                if left and len(lines) >= left:
                    log(f"(more than {LINES} lines; the rest is dropped)")
                left = max(0, left - len(lines))
            if rest and left:
                log(rest.decode(errors="replace"))
        finally:
            transport.close()
