"""`playbook release --env E`: what was made in an environment becomes a release, which can go on and come back."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("release", help="a code release of this commit, or where code comes from elsewhere of retrained models")
    add_environment(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Release; 0 when done, 1 when it is not whole or a gate refused it."""
    from playbook.commands.run import inside

    return inside(arguments, [sys.executable, "-m", "playbook.releasing", "release", "--env", arguments.env])
