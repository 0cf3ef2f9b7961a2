"""`playbook restore --env E --stack S [--generation N]`: an older state of a stack comes back."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook import STATE
from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("restore", help="list the generations of a stack's state, or make an older one the newest")
    add_environment(parser)
    parser.add_argument("--stack", required=True, metavar="S", help="a stack, e.g. serving")
    parser.add_argument("--generation", metavar="N", help="the one to restore; without it they are listed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List or restore; 0 when done, 2 when there is no such generation or somebody else works on the state."""
    from playbook.commands.run import inside

    words = ["--generation", arguments.generation] if arguments.generation else []
    words += ["--folder", str(STATE / "rehearsal")] if arguments.emulator else []
    command = [sys.executable, "-m", "infra.terraform", "restore", "--env", arguments.env, "--stack", arguments.stack]
    return inside(arguments, [*command, *words])
