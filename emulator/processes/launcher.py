"""A program with one thread that forks a process for each command: `python -m emulator.processes.launcher FD [MODULE...]`.

It imports the modules and does nothing with them: a fork copies one thread only, so that a thread pool started here, even
by a single TensorFlow operation, would be a lock that no child can ever take. Hence the count before it serves.
On the control socket FD each datagram carries two descriptors: the command's connection and the pipe for its output. The
command arrives on the connection, the process id and the end are answered there; a further line asks for a stop. After the
datagram `END` it ends when nothing runs. When the emulator goes away the control socket closes, and everything that runs is killed.
"""

import ctypes
import gc
import importlib
import inspect
import json
import os
import selectors
import signal
import socket
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path

from emulator.processes import child
from emulator.processes.command import END, Command, Ended

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 5.0
"""Between the polite signal and the kill."""


@dataclass(eq=False)
class Running:
    """A command between its connection and its end."""

    connection: socket.socket
    output: int
    buffer: bytes = b""
    pid: int = 0
    descriptor: int = -1
    started: float = 0.0
    deadline: float | None = None
    reason: str = ""


@dataclass
class Launcher:
    """The loop: connections in, forks out, ends reported."""

    control: socket.socket
    selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)
    live: dict[int, Running] = field(default_factory=dict)
    ending: bool = False

    def serve(self) -> None:
        """Serve until the control socket closes, or until nothing runs after the last command."""
        self.selector.register(self.control, selectors.EVENT_READ, None)
        while not self.ending or len(self.selector.get_map()) > 1:
            deadlines = [running.deadline for running in self.live.values() if running.deadline is not None]
            timeout = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
            for key, _ in self.selector.select(timeout):
                running: Running | None = key.data
                if running is None:
                    if not self.accept():
                        self.end_everything()
                        return
                elif key.fileobj is running.connection:
                    self.receive(running)
                else:
                    self.reap(running)
            self.enforce(time.monotonic())

    def accept(self) -> bool:
        """Take a new command's connection; False when the emulator is gone."""
        data, descriptors, _, _ = socket.recv_fds(self.control, 16, 2)
        if not data:
            return False
        if data == END:
            self.ending = True
            return True
        running = Running(socket.socket(fileno=descriptors[0]), descriptors[1])
        self.selector.register(running.connection, selectors.EVENT_READ, running)
        return True

    def receive(self, running: Running) -> None:
        """Read the command and fork, or read the wish to stop."""
        try:
            data = running.connection.recv(1 << 20)
        except ConnectionResetError:
            # Closed with an answer unread: the asker was cancelled.
            data = b""
        if not data:
            self.selector.unregister(running.connection)
            running.connection.close()
            if running.pid in self.live:
                running.reason = "stopped"
                kill(running.pid, signal.SIGKILL)
            elif not running.pid:
                os.close(running.output)
            return
        running.buffer += data
        if not running.buffer.endswith(b"\n"):
            return
        line, running.buffer = running.buffer, b""
        if running.pid:
            running.reason = "stopped"
            running.deadline = time.monotonic() + GRACE_SECONDS
            kill(running.pid, signal.SIGTERM)
            return
        self.fork(running, Command.read(line))

    def fork(self, running: Running, command: Command) -> None:
        """Fork the process of `command`."""
        running.started = time.monotonic()
        launcher = os.getpid()
        pid = os.fork()
        if pid == 0:
            child.become(command, running.output, launcher)
        os.close(running.output)
        running.pid, running.descriptor = pid, os.pidfd_open(pid)
        running.deadline = running.started + command.seconds if command.seconds else None
        self.live[pid] = running
        self.selector.register(running.descriptor, selectors.EVENT_READ, running)
        answer(running, json.dumps({"pid": pid}).encode() + b"\n")

    def reap(self, running: Running) -> None:
        """Report an end, and end what the process left behind in its group."""
        # Before the wait: until then the number of the group cannot be anybody else's.
        kill(running.pid, signal.SIGKILL)
        _, status, usage = os.wait4(running.pid, 0)
        self.selector.unregister(running.descriptor)
        os.close(running.descriptor)
        del self.live[running.pid]
        code = os.waitstatus_to_exitcode(status)
        answer(
            running,
            Ended(
                code=code,
                reason=running.reason or (f"signal {-code}" if code < 0 else ""),
                seconds=round(time.monotonic() - running.started, 4),
                cpu_seconds=round(usage.ru_utime + usage.ru_stime, 4),
                peak_mb=usage.ru_maxrss // 1024,
            ).line(),
        )
        for orphan in children() - self.live.keys():
            # Reparented to us when its parent ended; it is waited for when it has ended, and killed with everything else.
            os.waitpid(orphan, os.WNOHANG)

    def enforce(self, now: float) -> None:
        """Kill what is past its deadline: the time limit, or the grace after a stop."""
        for running in self.live.values():
            if running.deadline is not None and now >= running.deadline:
                running.deadline = None
                running.reason = running.reason or "time limit"
                kill(running.pid, signal.SIGKILL)

    def end_everything(self) -> None:
        """Kill every process below this one, orphans of orphans included."""
        for pid in self.live:
            kill(pid, signal.SIGKILL)
        while found := children():
            for pid in found:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def kill(pid: int, number: int) -> None:
    """Signal the process group that `pid` leads, or `pid` alone before it leads one."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def children() -> set[int]:
    """Process ids of the direct children."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def answer(running: Running, line: bytes) -> None:
    """Send a line, unless the asker has gone."""
    try:
        running.connection.sendall(line)
    except OSError:
        return


def threads() -> int:
    """Number of threads of this process."""
    return len(os.listdir("/proc/self/task"))


def sources() -> dict[str, int]:
    """The files of the imported modules that are neither Python's nor an installed package's, with their times in nanoseconds."""
    installed = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    files = {file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    return {file: os.stat(file).st_mtime_ns for file in files if not file.startswith(installed) and os.path.isfile(file)}


def main() -> None:
    """Import the modules, freeze them, check that there is one thread, say so, and serve."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the emulator's to handle
    control = socket.socket(fileno=int(sys.argv[1]))
    started = time.monotonic()
    gc.disable()  # looking for garbage among a million objects that stay would take a quarter of the start
    for module in sys.argv[2:]:
        importlib.import_module(module)
    # Whoever looks for the source of a class (pydantic does, for its docstrings) indexes every module by file: a third of a second,
    # which each process would spend again.
    inspect.getmodule(sys._getframe())
    gc.collect()
    gc.freeze()
    gc.enable()
    if threads() != 1:
        sys.exit(
            f"the launcher has {threads()} threads after importing {', '.join(sys.argv[2:])}. Its forks would hang. "
            "Take the module that starts a thread off `preload` in the image table."
        )
    # From here a closed control socket is noticed at once, and the children are ended in order.
    libc.prctl(PR_SET_PDEATHSIG, 0)
    control.sendall(json.dumps({"seconds": round(time.monotonic() - started, 3), "sources": sources()}).encode())
    Launcher(control).serve()


if __name__ == "__main__":
    main()
