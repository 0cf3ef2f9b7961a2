"""`playbook break-glass --env E --reason TEXT --hours N`, or `--close`: past the approvals in an emergency, and back."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("break-glass", help="act as the identity that applies for some hours, with a reason")
    add_environment(parser)
    parser.add_argument("--reason", default="", help="what is broken, and for whom")
    parser.add_argument("--hours", default="1", metavar="N", help="how long (default: 1, at most 8)")
    parser.add_argument("--close", action="store_true", help="close it, as another approver, after playbook drift")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Open or close; 0 when it is done."""
    from playbook.commands.run import inside

    given = ["--close"] if arguments.close else ["--reason", arguments.reason, "--hours", arguments.hours]
    return inside(arguments, [sys.executable, "-m", "infra.terraform", "break-glass", "--env", arguments.env, *given])
