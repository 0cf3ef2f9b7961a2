"""`playbook approve --env E --until TIME`: sign the plans that were reviewed, as who is logged in."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from playbook import STATE
from playbook.commands import add_environment, add_stacks

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("approve", help="sign the reviewed plans of an environment, so that they can be applied")
    add_environment(parser)
    add_stacks(parser)
    parser.add_argument("--until", required=True, metavar="TIME", help="when it ends: 2026-12-01T18:00 (UTC), or 8h, or 2d")
    parser.add_argument("--report", metavar="FILE", help="the review as JSON (default: build/review/ENVIRONMENT/review.json)")
    parser.add_argument("--saved", action="store_true", help="the plans that make diff left here, in place of the newest that were kept")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Sign; 0 when the approval stands in the ledger."""
    from playbook.commands.run import inside

    chosen = [word for stack in arguments.stack for word in ("--stack", stack)]
    report = ["--report", arguments.report] if arguments.report else []
    saved = ["--saved"] if arguments.saved else []
    folder = ["--folder", str(STATE / "rehearsal")] if arguments.emulator else []
    command = [sys.executable, "-m", "infra.terraform", "approve", "--env", arguments.env, "--until", arguments.until]
    return inside(arguments, [*command, *chosen, *report, *saved, *folder])
