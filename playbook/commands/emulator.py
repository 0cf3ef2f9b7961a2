"""`playbook emulator start|status|stop|lifecycle|coverage`: the local Google Cloud by itself, for whoever wants no more than that."""

from __future__ import annotations

import argparse
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbook.commands import Subparsers

STOP_SECONDS = 30


def add(commands: Subparsers) -> None:
    """Declare the commands."""
    parser = commands.add_parser("emulator", help="the local Google Cloud by itself: start, status, stop, lifecycle, coverage")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def verb(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
        one.set_defaults(run=run)
        return one

    started = verb("start", start, "run it in the foreground until Ctrl-C")
    started.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    started.add_argument("--enforce", action="store_true", help="refuse calls for which the caller was granted no permission")
    others = (
        verb("status", status, "say whether it runs, and how to reach it"),
        verb("stop", stop, "end the one that runs"),
        verb("lifecycle", lifecycle, "have it follow the lifecycle rules of its buckets now, which it does daily"),
    )
    for one in (started, *others):
        one.add_argument("--state", type=Path, default=None, help="folder with all of its state (default: .playbook/emulator)")
    covered = verb("coverage", coverage, "print what answers each method of each API, and who of this repository calls it")
    covered.add_argument("--api", default="", help="every method of one API, e.g. storage")


def start(arguments: argparse.Namespace) -> int:
    """Become the local Google Cloud."""
    from playbook import ROOT
    from playbook.address import FOLDER, IMAGES

    state = (arguments.state or FOLDER).resolve()
    command = [sys.executable, "-m", "emulator", "--state", str(state), "--images", str(IMAGES), "--port", str(arguments.port)]
    os.chdir(ROOT)
    os.execv(sys.executable, [*command, *(["--enforce"] if arguments.enforce else [])])


def status(arguments: argparse.Namespace) -> int:
    """Say how it is reached; 1 where none runs."""
    from playbook.address import FOLDER, running

    state = arguments.state or FOLDER
    found = running(state)
    if found is None:
        print(f"No local Google Cloud runs on {state}. Start one: playbook emulator start")
        return 1
    print(f"The local Google Cloud runs on {state} (process {found['pid']}). Console: {found['console']}")
    return 0


def stop(arguments: argparse.Namespace) -> int:
    """End the one that runs, cleanly; its state stays."""
    from playbook import PlaybookError
    from playbook.address import FOLDER, running

    state = arguments.state or FOLDER
    found = running(state)
    if found is None:
        print(f"No local Google Cloud runs on {state}.")
        return 0
    ended = os.pidfd_open(found["pid"])
    try:
        os.kill(found["pid"], signal.SIGTERM)
        if not select.select([ended], [], [], STOP_SECONDS)[0]:
            raise PlaybookError(
                f"The local Google Cloud on {state} (process {found['pid']}) has not ended within {STOP_SECONDS} s. Nothing is lost by "
                f"a kill: kill -9 {found['pid']}"
            )
    finally:
        os.close(ended)
    print(f"The local Google Cloud on {state} has ended; its state stays.")
    return 0


def lifecycle(arguments: argparse.Namespace) -> int:
    """Have the rules of all buckets followed now."""
    from playbook import PlaybookError
    from playbook.address import FOLDER, running

    state = arguments.state or FOLDER
    found = running(state)
    if found is None:
        raise PlaybookError(f"No local Google Cloud runs on {state}, so no rule was followed. It follows them when it starts.")
    os.kill(found["pid"], signal.SIGUSR1)
    print(f"The rules are being followed. What they do stands in the log 'lifecycle': {found['console']}logs?resource=lifecycle")
    return 0


def coverage(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from playbook import ROOT

    given = ["--api", arguments.api] if arguments.api else []
    return subprocess.run([sys.executable, "-m", "emulator.coverage", *given], cwd=ROOT, check=False).returncode
