"""`playbook price --env E`: what the environment costs a month while nobody uses it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command; it asks nobody, so that it takes no address."""
    parser = commands.add_parser("price", help="what an idle environment costs a month, per stack, from infra/prices.yaml")
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: $ENV, else local)")
    parser.add_argument("--json", action="store_true", help="print every line as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the price."""
    from infra.price.__main__ import main

    return main(["--env", arguments.env, *(["--json"] if arguments.json else [])])
