"""What may go on with a sign-off although it would stop a change (`accepted.yaml`): with a reason, an owner and an end."""

import datetime
from collections.abc import Iterable
from pathlib import Path

from infra.policies import subject
from infra.policies.waivers import Waiver, Waivers
from infra.policies.waivers import load as load_waivers
from infra.review.report import Finding

FILE = Path(__file__).with_name("accepted.yaml")


def load(file: Path = FILE) -> Waivers:
    """What is accepted in the repository."""
    return load_waivers(file)


def softened(findings: Iterable[Finding], accepted: Waivers, today: datetime.date) -> list[Finding]:
    """The findings, those that are accepted on this day asking for a sign-off instead of stopping everything."""
    return [_softened(finding, accepted, today) for finding in findings]


def _softened(finding: Finding, accepted: Waivers, today: datetime.date) -> Finding:
    if finding.level != "block":
        return finding
    waiver = next((waiver for waiver in accepted.waivers if _covers(waiver, finding) and today < waiver.expires), None)
    if waiver is None:
        return finding
    text = f"{finding.text} (accepted until {waiver.expires} by {waiver.owner}: {waiver.reason})"
    return finding.model_copy(update={"level": "sign-off", "text": text})


def _covers(waiver: Waiver, finding: Finding) -> bool:
    return waiver.covers(subject.Finding(stack=finding.stack, address=finding.address, rule=finding.id, message=finding.text))
