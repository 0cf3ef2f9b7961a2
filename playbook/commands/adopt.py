"""`playbook adopt --env E [--stack S]…`: import blocks for what exists under the names of what the stacks would create."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook import STATE
from playbook.commands import add_environment, add_stacks

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("adopt", help="write import blocks for what exists already, to be reviewed and applied")
    add_environment(parser)
    add_stacks(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the blocks; 0 when every stack could be looked at and nothing would be replaced."""
    from playbook.commands.run import inside

    rehearsal = ["--rehearsal", "--folder", str(STATE / "rehearsal")] if arguments.emulator else []
    chosen = [word for stack in arguments.stack for word in ("--stack", stack)]
    return inside(arguments, [sys.executable, "-m", "infra.terraform", "adopt", "--env", arguments.env, *chosen, *rehearsal])
