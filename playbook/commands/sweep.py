"""`playbook sweep --env E`: what nobody needs any more is listed, and deleted when asked to."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("sweep", help="list what has outlived its ttl label and models that serve nobody; --delete deletes it")
    add_environment(parser)
    parser.add_argument("--delete", action="store_true", help="delete what is listed, except what stacks declare")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, and delete when asked to; 0 when done, 1 when something could not be deleted, 2 when Google refused."""
    from playbook.commands.run import inside

    return inside(
        arguments, [sys.executable, "-m", "infra.saving", "sweep", "--env", arguments.env, *(["--delete"] if arguments.delete else [])]
    )
