"""`python keeper.py FD COMMAND…`: run a command and, when FD reaches its end, interrupt it once.

Whoever starts the command holds the other end of FD and closes it to interrupt, or by dying. Once, since a second interrupt makes
Terraform drop its state: a parent-death signal alone would not do, as the kernel sends it for every thread of a parent that dies.
The keeper has one thread, so that its own death (the command's parent-death signal) is one interrupt as well.

Runs without the project: only the standard library, in isolated mode, in a few milliseconds.
"""

import ctypes
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(watched: int, command: list[str]) -> int:
    """Run `command` to its end; its exit code, or 128 and the number of the signal that ended it."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # An interrupt from the keyboard reaches the command by itself.
    signal.signal(signal.SIGINT, lambda *_: None)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != keeper:
            os._exit(130)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(watched)
        os.execv(command[0], command)
    waiting = [watched, woken]
    while True:
        ready, _, _ = select.select(waiting, [], [])
        if watched in ready:
            os.kill(child, signal.SIGINT)
            waiting.remove(watched)
        if woken in ready:
            os.read(woken, 64)
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
