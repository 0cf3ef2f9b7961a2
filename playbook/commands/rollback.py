"""`playbook rollback --env E --reason WHY`: the last good release runs again."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("rollback", help="return to the release before: its models get the traffic back at once")
    add_environment(parser)
    parser.add_argument("--reason", required=True, metavar="WHY", help="stands in the ledger and on the versions that go")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Roll back; 0 when done, 1 when there is no release to return to."""
    from playbook.commands.run import inside

    words = ["rollback", "--env", arguments.env, "--reason", arguments.reason]
    return inside(arguments, [sys.executable, "-m", "playbook.releasing", *words])
