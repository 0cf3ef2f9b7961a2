"""One module a command: `add(subparsers)` declares it, `run(arguments)` does it and returns the exit code.

A module imports what its command needs inside `run`, so that `playbook --help` stays instant.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_environment(parser: argparse.ArgumentParser) -> None:
    """The two axes: which configuration, and who answers for Google's hosts."""
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment file that is used (default: $ENV, else local)")
    parser.add_argument("--emulator", action="store_true", help="let the local Google Cloud answer, whatever the file says (a rehearsal)")


def add_stacks(parser: argparse.ArgumentParser) -> None:
    """Which stacks of the environment."""
    parser.add_argument("--stack", action="append", default=[], metavar="S", help="a stack, e.g. data; repeat for more; default all")
