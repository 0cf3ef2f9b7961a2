"""Terraform as a supervised child: it is interrupted, not orphaned, when whoever started it dies, so that it saves its state."""

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

KEEPER = Path(__file__).with_name("keeper.py")
PIPE_BYTES = 1 << 20
"""What Terraform can still say while nobody reads."""


class Interrupted(Exception):
    """No child is started any more, since the run was interrupted."""


def kept(command: Sequence[str], watched: int) -> list[str]:
    """`command` under its keeper, which interrupts it when the file descriptor `watched`, inherited, reaches its end."""
    return [sys.executable, "-I", "-S", str(KEEPER), str(watched), *command]


class Children:
    """The Terraform processes of one run."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._interrupted = False
        self._changing = threading.Lock()

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        variables: Mapping[str, str],
        line: Callable[[str], None],
        keep_open: Sequence[int] = (),
    ) -> int:
        """Run to the end, in a process group of its own, and hand over every line of output.

        Args:
            command: what to run.
            folder: working directory.
            variables: process environment.
            line: called with each line of standard output and error.
            keep_open: file descriptors that the child inherits.

        Returns:
            The exit code.

        Raises:
            Interrupted: when the run was interrupted before.
        """
        reading, writing = os.pipe()
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with os.fdopen(reading, errors="replace") as output, self._watched() as watched:
            try:
                # Terraform holds both ends of its output: a pipe without a reader would kill it at the very moment when it saves its state.
                process = subprocess.Popen(
                    kept(command, watched),
                    cwd=folder,
                    env=dict(variables),
                    stdin=subprocess.DEVNULL,
                    stdout=writing,
                    stderr=writing,
                    process_group=0,
                    pass_fds=[reading, watched, *keep_open],
                )
            finally:
                os.close(writing)
            for text in output:
                line(text.rstrip("\n"))
            return process.wait()

    def interrupt(self) -> None:
        """Ask every living child, once, to finish what it has begun and end; start no other."""
        with self._changing:
            self._interrupted = True
            for held in self._held:
                os.close(held)
            self._held.clear()

    @contextmanager
    def _watched(self) -> Iterator[int]:
        """The end of a pipe that a keeper watches; the other one is held here, and by nobody else."""
        with self._changing:
            if self._interrupted:
                raise Interrupted
            watched, held = os.pipe()
            self._held.add(held)
        try:
            yield watched
        finally:
            os.close(watched)
            with self._changing:
                if held in self._held:
                    self._held.remove(held)
                    os.close(held)
