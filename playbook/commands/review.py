"""`playbook review --env E [--against F] [--base REF]`, or `--plan FILE --out DIR`: what plans would do, for whoever has to agree."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playbook import STATE
from playbook.commands import add_environment, add_stacks

if TYPE_CHECKING:
    from playbook.commands import Subparsers


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("review", help="plan every stack and write what that would do: build/review/ENV/review.{md,json,html}")
    add_environment(parser)
    add_stacks(parser)
    parser.add_argument(
        "--plan", type=Path, action="append", default=[], metavar="FILE", help="review a plan instead (terraform show -json)"
    )
    parser.add_argument("--against", metavar="F", help="environment that it is compared with, for promotion")
    parser.add_argument("--base", metavar="REF", help="commit that policies and costs are compared with (default: the state)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the review is written")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the review; 0 when it is written, 3 when it is and says BLOCK, 1 or 2 when there is none."""
    from playbook.commands.run import inside

    given = {"--against": arguments.against, "--base": arguments.base, "--out": arguments.out}
    options = [word for name, value in given.items() if value for word in (name, str(value))]
    options += [word for stack in arguments.stack for word in ("--stack", stack)]
    if arguments.plan:
        from infra.review.__main__ import main

        return main([*(word for plan in arguments.plan for word in ("--plan", str(plan))), *options])
    rehearsal = ["--rehearsal", "--folder", str(STATE / "rehearsal")] if arguments.emulator else []
    return inside(arguments, [sys.executable, "-m", "infra.review", "--env", arguments.env, *options, *rehearsal])
