"""checkov over the synthesised stacks, in this process.

Its framework `terraform` silently skips `.tf.json` files, and `terraform_json` silently skips a file with a block that it
cannot read (`terraform`, `import`). So it gets copies of the blocks that it has checks for, and a run in which a stack was
not checked is a failure.
"""

import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.policies.subject import Finding, NothingToCheck, SynthesisedStack

CHECKED = ("provider", "resource", "data")


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What checkov said."""

    passed: int
    findings: tuple[Finding, ...]


def scan(stacks: Sequence[SynthesisedStack]) -> Scan:
    """Run every Google Cloud check of checkov.

    Raises:
        NothingToCheck: when a file could not be read or no check ran.
    """
    # Three seconds of imports that only this function needs.
    from checkov.runner_filter import RunnerFilter
    from checkov.terraform_json.runner import TerraformJsonRunner

    logging.getLogger("checkov").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="checkov-") as scratch:
        for stack in stacks:
            copy = Path(scratch) / stack.id / "cdk.tf.json"
            copy.parent.mkdir()
            copy.write_text(json.dumps({key: stack.document[key] for key in CHECKED if key in stack.document}, indent=1))
        found = TerraformJsonRunner().run(root_folder=scratch, runner_filter=RunnerFilter(framework=["terraform_json"]))
    reports = found if isinstance(found, list) else [found]
    unread = sorted(str(path) for report in reports for path in report.parsing_errors)
    passed = sum(len(report.passed_checks) for report in reports)
    # It names a resource by its id alone, or by type and id, depending on the check.
    addresses = {(stack.id, resource.id): resource.address for stack in stacks for resource in stack.resources}
    findings = [
        Finding(
            stack=(id_ := Path(check.file_path).parent.name),
            address=addresses.get((id_, check.resource.rpartition(".")[2]), str(check.resource)),
            rule=check.check_id,
            message=f"{check.check_name}. {check.guideline or ''}".rstrip(),
        )
        for report in reports
        for check in report.failed_checks
    ]
    if unread or not passed + len(findings):
        raise NothingToCheck(
            f"checkov ran {passed + len(findings)} checks and could not read {unread or 'anything'}. "
            "A check of nothing would pass whatever was wrong. Compare infra/policies/scanner.py with the installed checkov."
        )
    return Scan(passed=passed, findings=tuple(sorted(findings)))
