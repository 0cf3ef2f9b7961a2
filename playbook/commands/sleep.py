"""`playbook sleep --env E`: nothing that is paid by the hour keeps running for nobody."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("sleep", help="undeploy models and stop workbenches; a rollout and a click bring them back")
    add_environment(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Sleep; 0 when done, 2 when the environment is protected or Google refused."""
    from playbook.commands.run import inside

    return inside(arguments, [sys.executable, "-m", "infra.saving", "sleep", "--env", arguments.env])
