"""`python -m infra.terraform {bootstrap,plan,keep,approve,adopt,apply,destroy,validate,restore,providers} --env E [--stack S]…`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from environments import ConfigurationError
from infra.synthesis.node import NodeMissing
from infra.terraform import approve, binary, breakglass, providers, recovery, runner, together
from infra.terraform.binary import TerraformMissing
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google
from releases.approvals import ApprovalRefused
from releases.breakglass import BreakGlassRefused
from releases.commit import CommitError
from releases.ledger import LedgerError

VERBS = {"plan": runner.plan, "adopt": runner.adopt, "apply": runner.apply, "destroy": runner.destroy}
UNITS = {"h": "hours", "d": "days"}
REFUSALS = (
    ApprovalRefused,
    BreakGlassRefused,
    CommitError,
    ConfigurationError,
    LedgerError,
    NodeMissing,
    TerraformFailed,
    TerraformMissing,
)


def moment(text: str) -> datetime:
    """A time: a date (to its end), a date with a time, or so many hours or days from now; UTC unless it says otherwise.

    Raises:
        ArgumentTypeError: when it is none.
    """
    try:
        if text[-1:] in UNITS:
            return datetime.now(UTC).replace(microsecond=0) + timedelta(**{UNITS[text[-1]]: float(text[:-1])})
        found = datetime.fromisoformat(text)
        if len(text) == len("2026-12-01"):
            found += timedelta(days=1)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-12-01, 2026-12-01T18:00, 8h or 2d") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when every stack is done, 1 when one failed, 2 when nothing could start, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m infra.terraform", description="Terraform over the stacks of an environment.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    verbs.add_parser("providers", help="fetch the google provider into .playbook/providers")
    for verb in ("bootstrap", "validate", *VERBS):
        one = verbs.add_parser(verb, help="make what must exist before any stack" if verb == "bootstrap" else f"{verb} the stacks")
        one.add_argument("--env", required=True, metavar="E", help="environment")
        if verb != "bootstrap":
            one.add_argument(
                "--stack", action="append", default=[], metavar="S", help="a stack, e.g. serving; repeat for more; default all"
            )
            one.add_argument("--folder", type=Path, default=runner.FOLDER, help="working folders (default: %(default)s)")
            if verb != "validate":
                one.add_argument("--rehearsal", action="store_true", help="the local Google Cloud answers, whatever the file says")
            one.add_argument("--json", action="store_true", help="print the results as JSON")
    for verb, what in (("keep", "keep the reviewed plans for who applies them"), ("approve", "sign the reviewed plans")):
        one = verbs.add_parser(verb, help=what)
        one.add_argument("--env", required=True, metavar="E", help="environment")
        one.add_argument("--stack", action="append", default=[], metavar="S", help="a stack, e.g. serving; repeat for more; default all")
        one.add_argument("--folder", type=Path, default=runner.FOLDER, help="working folders (default: %(default)s)")
        one.add_argument("--report", type=Path, metavar="FILE", help="the review as JSON (default: build/review/ENVIRONMENT/review.json)")
        one.add_argument("--json", action="store_true", help="print the results as JSON")
        if verb == "approve":
            one.add_argument("--until", required=True, type=moment, metavar="TIME", help="when it ends: 2026-12-01T18:00, or 8h, or 2d")
            one.add_argument("--saved", action="store_true", help="the plans in the working folders, in place of the newest that were kept")
    one = verbs.add_parser("break-glass", help="act as the identity that applies for some hours, or close that")
    one.add_argument("--env", required=True, metavar="E", help="environment")
    one.add_argument("--reason", default="", help="what is broken, and for whom")
    one.add_argument("--hours", type=float, default=1, metavar="N", help="how long (default: %(default)s)")
    one.add_argument("--close", action="store_true", help="close it, as somebody else")
    one = verbs.add_parser("restore", help="list the generations of a stack's state, or make an older one the newest")
    one.add_argument("--env", required=True, metavar="E", help="environment")
    one.add_argument("--stack", required=True, metavar="S", help="a stack, e.g. serving")
    one.add_argument("--generation", type=int, metavar="N", help="the one to restore; without it they are listed")
    one.add_argument("--folder", type=Path, default=runner.FOLDER, help="working folders (default: %(default)s)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.verb == "providers":
            variables = dict(os.environ)
            providers.prepare(binary.find(variables), variables)
            return 0
        if options.verb == "bootstrap":
            runner.bootstrap(options.env)
            return 0
        if options.verb == "restore":
            recovery.run(options.env, options.stack, options.generation, options.folder, together.on_standard_error)
            return 0
        if options.verb == "break-glass":
            if options.close:
                breakglass.close(options.env, Google(), together.on_standard_error)
            else:
                breakglass.open_(options.env, options.reason, options.hours, Google(), together.on_standard_error)
            return 0
        if options.verb == "approve":
            report = options.report or approve.report_of(options.env)
            approve.approve(options.env, options.until, report, options.stack, options.folder if options.saved else None)
            return 0
        if options.verb == "keep":
            results = approve.keep(options.env, options.report or approve.report_of(options.env), options.stack, options.folder)
        elif options.verb == "validate":
            results = runner.validate(options.env, options.stack, options.folder)
        else:
            results = VERBS[options.verb](options.env, options.stack, options.folder, rehearsal=options.rehearsal)
    except REFUSALS as error:
        print(error, file=sys.stderr)
        return 2
    except together.google_errors() as error:
        print(f"Google refused: {error}. What was done before stays done. Log in: gcloud auth application-default login", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error}. What Terraform did is in its state. Mend the disk, file or connection and run it again.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: Terraform saved its state; run the same command again to go on", file=sys.stderr)
        return 130
    if options.json:
        print(together.as_json(results))
    waiting = [result.stack for result in results if result.status == "not started"]
    if waiting:
        print(f"not started: {', '.join(waiting)}", file=sys.stderr)
    return int(any(result.status != "done" for result in results))


if __name__ == "__main__":
    sys.exit(main())
