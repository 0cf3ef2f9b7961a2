"""`playbook loop`: from infrastructure to a served model, in one command on real data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from playbook import BUILD, STATE
from playbook.commands import add_environment

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("loop", help="provision, ingest, label, train, evaluate, register, gate, deploy, predict, report")
    add_environment(parser)
    own = "your own data: a folder of one folder per class, or a CSV with text,label; give both to replace both"
    parser.add_argument("--data", type=Path, action="append", default=[], help=own)
    parser.add_argument("--state", type=Path, default=STATE, help="what a rerun goes on from (default: .playbook)")
    parser.add_argument("--out", type=Path, default=BUILD / "loop", help="folder of the report (default: build/loop)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the loop; 0 when every model passed its gate and answered."""
    from playbook.loop.run import loop

    return loop(arguments.env, arguments.emulator, arguments.data, arguments.state, arguments.out)
