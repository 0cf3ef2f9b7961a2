"""`python -m infra.review.drift --env E`: what runs otherwise than the state says, as the same report, and whoever is past the approvals.

Exit code 0: nothing moved and nobody is. 3: something did, or somebody is; it is written. 1: a stack could not be looked at. 2: none could.
"""

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

from environments.clients import Clients
from infra.review.__main__ import REFUSALS
from infra.review.report import digest
from infra.review.written import write
from infra.terraform import providers, runner, together
from releases import ledger
from releases.commit import CommitError

OUT = Path("build") / "drift"
FOLDER = providers.STATE / "drift"
"""Working folders of their own: what is planned here never takes the place of a plan that was reviewed."""
MOVED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, write, tell the ledger."""
    parser = argparse.ArgumentParser(prog="python -m infra.review.drift", description="What runs otherwise than the state says.")
    parser.add_argument("--env", required=True, metavar="E", help="environment")
    parser.add_argument("--stack", action="append", default=[], metavar="S", help="a stack, e.g. data; repeat for more; default all")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="working folders (default: %(default)s)")
    parser.add_argument("--rehearsal", action="store_true", help="the local Google Cloud answers, whatever the file says")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where it is written (default: {OUT}/ENVIRONMENT)")
    options = parser.parse_args(arguments)
    try:
        return compared(options, datetime.datetime.now(datetime.UTC))
    except (*REFUSALS, CommitError) as error:
        print(error, file=sys.stderr)
        return 2
    except together.google_errors() as error:
        print(f"Google refused: {error}. Nothing was compared. Log in: gcloud auth application-default login", file=sys.stderr)
        return 2


def compared(options: argparse.Namespace, now: datetime.datetime) -> int:
    """Plan every stack, which reads everything anew, and report what was changed outside Terraform."""
    from infra.review import ours

    # A broken policy is no reason not to look.
    results = runner.plan_for_review(options.env, options.stack, options.folder, lambda _: None, rehearsal=options.rehearsal)
    saved: dict[str, runner.Saved] = {}
    if not any(result.error for result in results):
        results, saved = runner.shown(options.env, options.stack, options.folder, say=lambda _: None)
    if failed := [result for result in results if result.error]:
        print(*(result.error for result in failed), sep="\n", file=sys.stderr)
        return 1
    report = ours.of_environment(options.env, saved, (options.folder / options.env).absolute(), now, kind="drift")
    glass = report.sign_off.break_glass
    written = write(report, options.out or OUT / options.env)
    body = {"report": digest(report), "changes": len(report.changes), "stacks": sorted(saved)}
    ledger.append(Clients.of(options.env), "drift", body, now)
    for one in glass:
        print(f"break-glass: {one.by} since {one.since.isoformat(timespec='minutes')}: {one.reason}")
    for change in report.changes:
        print(f"{change.stack}  {change.address}: {change.action} outside Terraform")
    print(f"{len(report.changes)} resources of {options.env} were changed outside Terraform", *written, sep="\n")
    return MOVED if report.changes or glass else 0


if __name__ == "__main__":
    sys.exit(main())
