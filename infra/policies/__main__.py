"""`python -m infra.policies [--env E]… [--out FOLDER]`: synthesise and check; exit code 1 when something is open.

With `--out`, what is already there is checked as it is, for instance the very files that a plan was made from.
"""

import argparse
import datetime
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from environments import ConfigurationError
from infra import app, synthesis
from infra.policies.review import Review, review
from infra.policies.subject import NothingToCheck
from infra.synthesis.node import NodeMissing


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and report."""
    parser = argparse.ArgumentParser(prog="python -m infra.policies", description="Check the synthesised stacks.")
    parser.add_argument("--env", action="append", default=[], metavar="E", help="environment; repeat for more; default all")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="check what infra.app wrote there")
    options = parser.parse_args(arguments)
    try:
        synthesis.prepare()  # rules ask the bindings which types carry labels
        with tempfile.TemporaryDirectory(prefix="policies-") as scratch:
            out = options.out or Path(scratch)
            if not options.out:
                app.synthesise(options.env, out)
            outcome = review(out, options.env, datetime.date.today())
    except (ConfigurationError, NothingToCheck, NodeMissing) as error:
        print(error, file=sys.stderr)
        return 2
    print(render(outcome))
    return 0 if outcome.passed else 1


def render(outcome: Review) -> str:
    """The report as text: what is open first, then what is waived, then what was looked at."""
    judged = outcome.judged
    lines = [f"OPEN    {finding}" for finding in judged.open]
    lines += [
        f"UNUSED  the waiver of {rule} on {waiver.where} covers nothing; it would hide a new finding. Remove it from waivers.yaml."
        for rule, waiver in judged.unused
    ]
    waived = Counter((finding.rule, waiver.expires, waiver.owner, waiver.reason) for finding, waiver in judged.waived)
    for (rule, expires, owner, reason), count in sorted(waived.items()):
        lines.append(f"waived  {rule} × {count}, until {expires} by {owner}: {reason}")
    lines.append(
        f"{outcome.resources} resources in {outcome.stacks} stacks: {outcome.rules} rules and {outcome.scanned} checks of checkov; "
        f"{len(judged.open)} open, {len(judged.waived)} waived"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
