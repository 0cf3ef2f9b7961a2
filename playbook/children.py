"""Processes that never outlive the command that started them, also when it is killed."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    errors: IO[bytes] | int | None = None,
    directory: Path | None = None,
    group: bool = False,
) -> subprocess.Popen[bytes]:
    """Start `command`; the kernel sends it SIGTERM when the calling *thread* ends, so call this from one that stays.

    Args:
        command: program and arguments.
        environment: the whole process environment; None hands down ours.
        output: where standard output goes; None hands down ours.
        errors: where standard error goes; None hands down ours.
        directory: working directory.
        group: put it into its own process group, so that Ctrl-C reaches it through us alone.
    """
    parent = os.getpid()

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent ended between fork and prctl
            os._exit(1)

    return subprocess.Popen(
        list(command), env=environment, stdout=output, stderr=errors, cwd=directory, preexec_fn=tie, process_group=0 if group else None
    )


def end(process: subprocess.Popen[bytes], patience: float = 10) -> None:
    """Ask `process` to end, and after `patience` seconds make it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
