"""`playbook promote --from E --to F`: the code release that one environment runs goes on to the next."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("promote", help="bring the release that one environment runs to the next, by digest")
    parser.add_argument("--from", dest="source", required=True, metavar="E", help="environment that runs it")
    # Under this name, so that it is reached as any other command reaches its environment: as the identity of the target.
    parser.add_argument("--to", dest="env", required=True, metavar="F", help="environment that it goes to")
    parser.add_argument("--emulator", action="store_true", help="let the local Google Cloud answer, whatever the file says (a rehearsal)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Promote; 0 when done, 1 when a rule or a canary refuses, naming each."""
    from playbook.commands.run import inside

    words = ["promote", "--from", arguments.source, "--to", arguments.env]
    return inside(arguments, [sys.executable, "-m", "playbook.releasing", *words])
