"""`playbook preflight --env E`: what would stop an apply, before its plan is approved."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("preflight", help="APIs, permissions, organisation policies, quotas and agents that an apply needs")
    add_environment(parser)
    parser.add_argument("--json", action="store_true", help="print every finding as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask Google; 0 when all is ok, 1 when something blocks, 3 when something could not be read."""
    from playbook.commands.run import inside

    words = ["--json"] if arguments.json else []
    return inside(arguments, [sys.executable, "-m", "infra.preflight", "--env", arguments.env, *words])
