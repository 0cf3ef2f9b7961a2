"""`playbook doctor`: what is there, what is missing, what that costs and how to get it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("doctor", help="what is there, what is missing, what that costs and how to get it")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 when something that every command needs is missing."""
    from playbook.setup.doctor import report

    return report()
