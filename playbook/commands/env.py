"""`playbook env --env E [--emulator]`: the variables, for `eval "$(playbook env)"`."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("env", help="print the variables that lead to an environment, for eval")
    add_environment(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print `export` lines."""
    from playbook.address import variables

    for name, value in sorted(variables(arguments.env, arguments.emulator).items()):
        print(f"export {name}={shlex.quote(value)}")
    return 0
