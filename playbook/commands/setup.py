"""`playbook setup`: what `make` does by itself before every command that needs it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("setup", help="packages, tools, providers and data; does nothing when all is there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Set up what is missing."""
    from playbook.setup.steps import set_up

    set_up()
    return 0
