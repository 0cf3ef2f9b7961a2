"""Terraform as a supervised child: it is interrupted, not orphaned, when whoever started it dies, so that it saves its state."""

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

_interrupts: set[int] = set()
_changing = threading.Lock()


@contextmanager
def kept(command: Sequence[str]) -> Iterator[tuple[list[str], int]]:
    """`command` under its keeper, and the file descriptor that it must inherit; leaving the block, or dying in it, interrupts it."""
    watched, held = os.pipe()
    with _changing:
        _interrupts.add(held)
    try:
        yield [sys.executable, "-I", "-S", str(KEEPER), str(watched), *command], watched
    finally:
        os.close(watched)
        with _changing:
            if held in _interrupts:
                _interrupts.remove(held)
                os.close(held)


def interrupt() -> None:
    """Ask every living child, once, to finish what it has begun and end."""
    with _changing:
        for held in _interrupts:
            os.close(held)
        _interrupts.clear()


def run(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], line: Callable[[str], None], keep_open: Sequence[int] = ()
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
    """
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with os.fdopen(reading, errors="replace") as output, kept(command) as (keeper, watched):
        try:
            # Terraform holds both ends of its output: a pipe without a reader would kill it in the very moment when it saves its state.
            process = subprocess.Popen(
                keeper,
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
