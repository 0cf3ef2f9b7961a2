"""`playbook releases`: who runs what, since when."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("releases", help="which release each environment runs, since when, and by whom")
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment by whose address all are asked (default: $ENV)")
    parser.add_argument("--emulator", action="store_true", help="let the local Google Cloud answer, whatever the file says (a rehearsal)")
    parser.add_argument("--json", action="store_true", help="print every line as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List; 0 also where an environment cannot be read, which its line says."""
    from playbook.commands.run import inside

    return inside(arguments, [sys.executable, "-m", "playbook.releasing", "list", *(["--json"] if arguments.json else [])])
