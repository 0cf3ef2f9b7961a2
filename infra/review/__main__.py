"""`python -m infra.review --plan FILE… --out DIR`, or `--env E [--against F] [--base REF] [--stack S]…`: plan, and say what it would do.

Exit code 0: the review is written. 3: it is written, and its verdict is BLOCK. 1: a stack could not be planned. 2: there is no review.
"""

import argparse
import datetime
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from environments import ConfigurationError
from infra.policies.subject import NothingToCheck
from infra.review import foreign
from infra.review.base import BaseUnreadable
from infra.review.plan import PlanUnreadable
from infra.review.report import Report
from infra.review.written import write
from infra.synthesis.node import NodeMissing
from infra.terraform import runner, together
from infra.terraform.binary import TerraformMissing
from infra.terraform.errors import TerraformFailed
from releases.approvals import ApprovalRefused
from releases.ledger import LedgerError

OUT = Path("build") / "review"
BLOCKED = 3
REFUSALS = (
    ApprovalRefused,
    BaseUnreadable,
    ConfigurationError,
    LedgerError,
    NodeMissing,
    NothingToCheck,
    PlanUnreadable,
    TerraformFailed,
    TerraformMissing,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Review, write, and say the verdict."""
    parser = argparse.ArgumentParser(prog="python -m infra.review", description="What plans would do, for whoever has to agree.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", type=Path, action="append", default=[], metavar="FILE", help="a plan from terraform show -json; repeatable")
    what.add_argument("--env", metavar="E", help="environment; its stacks are planned")
    parser.add_argument("--against", default="", metavar="F", help="environment that it is compared with (default: none)")
    parser.add_argument("--base", default="", metavar="REF", help="commit that policies and costs are compared with (default: the state)")
    parser.add_argument("--stack", action="append", default=[], metavar="S", help="a stack, e.g. data; repeat for more; default all")
    parser.add_argument("--folder", type=Path, default=runner.FOLDER, help="working folders (default: %(default)s)")
    parser.add_argument("--rehearsal", action="store_true", help="the local Google Cloud answers, whatever the file says")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where the review is written (default: {OUT}/ENVIRONMENT)")
    options = parser.parse_args(arguments)
    if options.plan and (options.against or options.base or options.stack):
        parser.error("--against, --base and --stack are about an environment of ours, and --plan is about a file")
    # A plan is a large tree without a cycle: looking for garbage in it costs a fifth of the time and finds none.
    gc.disable()
    now = datetime.datetime.now(datetime.UTC)
    try:
        if options.plan:
            return said(foreign.of_files(options.plan, now.date()), options.out or OUT / options.plan[0].stem)
        return planned(options, now)
    except REFUSALS as error:
        print(error, file=sys.stderr)
        return 2
    except together.google_errors() as error:
        print(f"Google refused: {error}. Nothing was reviewed. Log in: gcloud auth application-default login", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error}. No file holds half of a review. Mend the disk, file or connection and run it again.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: plans that were made are kept; run the same command again", file=sys.stderr)
        return 130
    finally:
        gc.enable()


def planned(options: argparse.Namespace, now: datetime.datetime) -> int:
    """Plan every stack of an environment and review that."""
    from infra.review import ours

    results = runner.plan_for_review(options.env, options.stack, options.folder, rehearsal=options.rehearsal)
    saved: dict[str, runner.Saved] = {}
    if not any(result.error for result in results):
        results, saved = runner.shown(options.env, options.stack, options.folder, say=lambda _: None)
    if failed := [result for result in results if result.error]:
        print(*(result.error for result in failed), sep="\n", file=sys.stderr)
        print(
            f"{len(failed)} stacks could not be planned, so that nobody can say what would happen. Nothing was reviewed.", file=sys.stderr
        )
        return 1
    folder = (options.folder / options.env).absolute()
    report = ours.of_environment(options.env, saved, folder, now, options.against, options.base)
    return said(report, options.out or OUT / options.env)


def said(report: Report, folder: Path) -> int:
    """Write a review and print its first lines."""
    written = write(report, folder)
    verdict = report.verdict
    print(f"{verdict.level}  {verdict.block} block, {verdict.sign_off} to sign off, {verdict.note} notes  (plans {verdict.digest[:12]})")
    for reason in verdict.reasons:
        print(f"  {reason}")
    print(*written, sep="\n")
    return BLOCKED if verdict.level == "BLOCK" else 0


if __name__ == "__main__":
    sys.exit(main())
