"""`playbook drift --env E [--stack S]…`: what runs otherwise than the state says, and who is past the approvals."""

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
    parser = commands.add_parser("drift", help="compare what runs with the state: build/drift/ENV/review.{md,json,html}")
    add_environment(parser)
    add_stacks(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare; 0 when nothing moved, 3 when something did, 1 or 2 when it could not be looked at."""
    from playbook.commands.run import inside

    chosen = [word for stack in arguments.stack for word in ("--stack", stack)]
    rehearsal = ["--rehearsal", "--folder", str(STATE / "rehearsal" / "drift")] if arguments.emulator else []
    return inside(arguments, [sys.executable, "-m", "infra.review.drift", "--env", arguments.env, *chosen, *rehearsal])
