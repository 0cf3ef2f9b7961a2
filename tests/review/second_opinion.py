"""What checkov says of the same plans, below the last heading of docs/review.md: `python -m tests.review.second_opinion [--check]`.

Its framework `terraform_plan` sees what will be and not what was, so each plan is scanned twice, before the change and after it: what
fails only after is what a reader could have noticed.
"""

import json
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.review.risks import Case, Change, cases, plan

FILE = Path(__file__).parents[2] / "docs" / "review.md"
HEADING = "## The same plans through checkov\n"
COMMAND = "python -m tests.review.second_opinion"


def failing(plans: Mapping[str, Sequence[Change]]) -> dict[str, set[str]]:
    """Name of the plan → checks that fail in it.

    Raises:
        RuntimeError: when checkov could not read a plan, or no check ran.
    """
    from checkov.runner_filter import RunnerFilter
    from checkov.terraform.plan_runner import Runner

    # It logs whatever its checks stumble over, with a stack trace.
    logging.disable(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory(prefix="checkov-") as scratch:
            for name, changes in plans.items():
                (Path(scratch) / f"{name}.json").write_text(json.dumps(plan(changes)), encoding="utf-8")
            found = Runner().run(root_folder=scratch, runner_filter=RunnerFilter(framework=["terraform_plan"]))
    finally:
        logging.disable(logging.NOTSET)
    failed: dict[str, set[str]] = {name: set() for name in plans}
    ran = 0
    for report in found if isinstance(found, list) else [found]:
        if report.parsing_errors:
            raise RuntimeError(f"checkov could not read {', '.join(sorted(report.parsing_errors))}, so that the table would say too little")
        ran += len(report.passed_checks) + len(report.failed_checks)
        for check in report.failed_checks:
            failed[Path(check.file_path).stem].add(check.check_id)
    if not ran:
        raise RuntimeError("checkov ran no check, so that the table would say that it finds nothing. Compare with the installed checkov.")
    return failed


def noticed(found: Sequence[Case]) -> list[set[str]]:
    """For each case the checks that fail after its change and did not before."""
    numbered = {f"plan-{number}": case for number, case in enumerate(found)}
    before = {name: [_unchanged(change) for change in case.changes if change.actions != ("create",)] for name, case in numbered.items()}
    was = failing({name: changes for name, changes in before.items() if changes})
    will = failing({name: case.changes for name, case in numbered.items()})
    return [will[name] - was.get(name, set()) for name in numbered]


def _unchanged(change: Change) -> Change:
    return change.model_copy(update={"actions": ("no-op",), "after": {}, "unknown": (), "replace_paths": ()})


def render() -> str:
    """The heading and what stands below it."""
    seeded = [case for case in cases() if case.finds]
    harmless = list(cases("harmless"))
    shown, alarms = noticed(seeded), noticed(harmless)
    rows = [
        f"| {case.what} | `{case.type}` | `{case.finds}` | {', '.join(f'`{check}`' for check in sorted(checks)) or '–'} |"
        for case, checks in zip(seeded, shown, strict=True)
    ]
    return "\n".join(
        [
            HEADING,
            f"Written by `{COMMAND}`; a test compares. The changes of `tests/review/risks/`, {len(seeded)} that a reviewer must "
            f"be told of and {len(harmless)} that are harmless, each as a plan of its own. For checkov a check counts that fails after "
            "the change and did not before, also one that is about something else of a new resource. checkov judges what will be; it "
            "is not made to tell what is lost, or what was stronger before.",
            "",
            f"The review shows all {len(seeded)}, and a check of checkov fails anew in {sum(map(bool, shown))} of them. Of the harmless "
            f"ones the review shows none above a note, and a check fails anew in {sum(map(bool, alarms))}.",
            "",
            "| change | type | the review | checkov |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """Write the document, or say that it is stale."""
    written = FILE.read_text(encoding="utf-8").partition(HEADING)[0]
    new = written + render()
    if "--check" not in arguments:
        FILE.write_text(new, encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != new:
        print(f"docs/{FILE.name} is stale. Run: {COMMAND}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
