"""`playbook run --env E [--emulator] -- COMMAND`: any command, with an environment's address set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="run any command so that it reaches an environment")
    add_environment(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- followed by the command and its arguments")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    from playbook import PlaybookError

    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise PlaybookError("No command is given, so there is nothing to run. Write it after two dashes: playbook run -- python")
    return inside(arguments, command)


def inside(arguments: argparse.Namespace, command: Sequence[str]) -> int:
    """Run `command` where the chosen environment is reached; its exit code."""
    from playbook import children
    from playbook.address import reached

    with reached(arguments.env, arguments.emulator) as environment:
        try:
            child = children.start(command, environment=environment)
        except FileNotFoundError:
            print(f"{command[0]}: not found on the path; nothing was run. Install it, or write its full path.", file=sys.stderr)
            return 127
        try:
            code = child.wait()
        finally:
            children.end(child)
    return code if code >= 0 else 128 - code
