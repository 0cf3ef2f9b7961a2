"""Terraform as a supervised child: it is interrupted, not orphaned, when whoever started it dies, so that it saves its state."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Sets PR_SET_PDEATHSIG, which survives exec, then becomes Terraform. A parent that died in between is noticed by its pid.
_SHIM = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGINT); "
    "sys.exit(130) if os.getppid() != int(sys.argv[1]) else os.execv(sys.argv[2], sys.argv[2:])"
)

_living: set[subprocess.Popen[str]] = set()
_changing = threading.Lock()


def shimmed(command: Sequence[str]) -> list[str]:
    """`command`, started so that it gets SIGINT when this process dies."""
    return [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid()), *command]


def run(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], line: Callable[[str], None], keep_open: Sequence[int] = ()
) -> int:
    """Run to the end, in a process group of its own, and hand over every line of output.

    The thread that calls must be the one that waits: the kernel counts the starting thread as the parent.

    Args:
        command: what to run.
        folder: working directory.
        variables: process environment.
        line: called with each line of standard output and error.
        keep_open: file descriptors that the child inherits.

    Returns:
        The exit code; negative when a signal ended it.
    """
    with subprocess.Popen(
        shimmed(command),
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
        pass_fds=keep_open,
    ) as process:
        with _changing:
            _living.add(process)
        try:
            assert process.stdout is not None
            for text in process.stdout:
                line(text.rstrip("\n"))
            return process.wait()
        finally:
            with _changing:
                _living.discard(process)


def interrupt() -> int:
    """Ask every living child, once, to finish what it has begun and end; returns how many there are.

    A second interrupt would make Terraform drop its state, so it is asked once only.
    """
    with _changing:
        asked = list(_living)
        _living.clear()
    for process in asked:
        process.send_signal(signal.SIGINT)
    return len(asked)
