"""Everything that is checked over synthesised stacks, in the order from fast to slow."""

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.policies import scanner, waivers
from infra.policies.rules import RULES, owned_once
from infra.policies.subject import Finding, NothingToCheck, SynthesisedStack, finding, read

REMEDY = "Mend the lines above, or waive a rule in infra/policies/waivers.yaml, with a reason, an owner and an end."
"""What whoever meets a broken policy is told."""


@dataclass(frozen=True, kw_only=True)
class Review:
    """The outcome: it passes when nothing is open and no waiver is idle."""

    stacks: int
    resources: int
    rules: int
    scanned: int
    """checkov's checks, passed and failed."""
    judged: waivers.Judged

    @property
    def passed(self) -> bool:
        """Whether the stacks may be planned."""
        return not self.judged.open and not self.judged.unused


def review(out: Path, environments: list[str], today: datetime.date) -> Review:
    """Apply every rule and checkov to the synthesised stacks of some environments, or of all.

    Raises:
        NothingToCheck: when there was nothing to look at, or checkov looked at nothing.
        ConfigurationError: when an environment's files or the waivers are wrong.
    """
    stacks = something(out, environments)
    scan = scanner.scan(stacks)
    judged = waivers.judge([*broken(stacks), *located(scan.findings, stacks)], waivers.load(), today)
    if environments:
        # Only a look at every environment can tell that a waiver is idle.
        judged = dataclasses.replace(judged, unused=())
    resources = sum(len(stack.resources) for stack in stacks)
    return Review(stacks=len(stacks), resources=resources, rules=len(RULES), scanned=scan.passed + len(scan.findings), judged=judged)


def breaches(out: Path, environments: Sequence[str], today: datetime.date) -> tuple[Finding, ...]:
    """What breaks our own rules and is not waived: quick enough for every synthesis and every plan.

    Raises:
        NothingToCheck: when there was nothing to look at.
        ConfigurationError: when an environment's files or the waivers are wrong.
    """
    return waivers.judge(broken(something(out, environments)), waivers.load(), today).open


def something(out: Path, environments: Sequence[str]) -> list[SynthesisedStack]:
    """The synthesised stacks, with at least one resource in them."""
    stacks = read(out, environments)
    if not any(stack.resources for stack in stacks):
        raise NothingToCheck(f"the stacks in {out} declare no resource. A check of nothing would pass. Run: python -m infra.app")
    return stacks


def broken(stacks: Sequence[SynthesisedStack]) -> list[Finding]:
    """What breaks our own rules."""
    return sorted([*(found for stack in stacks for rule in RULES for found in rule(stack)), *owned_once(stacks)])


def located(findings: Iterable[Finding], stacks: Sequence[SynthesisedStack]) -> list[Finding]:
    """The findings of checkov with the construct and the line of what they are about."""
    about = {(stack.id, resource.address): (stack, resource) for stack in stacks for resource in stack.resources}
    return [
        finding(*about[found.stack, found.address], found.rule, found.message) if (found.stack, found.address) in about else found
        for found in findings
    ]
