"""One process a core on one listening socket: Python answers on one core, and the model's memory is shared by the fork."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

from serving.python.settings import ServingError

MOST = 4
"""More only helps on machines that serve nothing else; WEB_CONCURRENCY says so."""
PR_SET_PDEATHSIG = 1
STOPPING = (signal.SIGTERM, signal.SIGINT)


def default() -> int:
    """`WEB_CONCURRENCY`, or the cores of this process up to `MOST`.

    Raises:
        ServingError: when the variable is not a number of workers.
    """
    wanted = os.environ.get("WEB_CONCURRENCY", "")
    if not wanted:
        return min(len(os.sched_getaffinity(0)), MOST)
    if not wanted.isdecimal() or not int(wanted):
        raise ServingError(f"WEB_CONCURRENCY is {wanted!r}, which is no number of workers. Set it to 1 or more, or unset it.")
    return int(wanted)


def run(count: int, work: Callable[[], None]) -> int:
    """Do `work` in `count` processes until told to stop; the end of one is the end of all, so that a restart is a whole one.

    Returns:
        Exit status: 0 after SIGTERM or SIGINT, 1 when a worker ended by itself.
    """
    parent = os.getpid()
    # Held back while it forks: Python forgets a signal that reaches a child in its first moments.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    children = {_fork(work, parent) for _ in range(count)}
    told = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True
        _terminate(children)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    while children:
        child, _ = os.wait()
        children.discard(child)
        if not told:
            _terminate(children)
    return 0 if told else 1


def _fork(work: Callable[[], None], parent: int) -> int:
    child = os.fork()
    if child:
        return child
    # Nothing may go on serving when the parent is killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        if os.getppid() == parent:
            work()
            status = 0
    except SystemExit:
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _terminate(children: set[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGTERM)
