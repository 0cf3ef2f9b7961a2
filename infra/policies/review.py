"""Everything that is checked over synthesised stacks, in the order from fast to slow."""

import dataclasses
import datetime
from dataclasses import dataclass
from pathlib import Path

from infra.policies import scanner, waivers
from infra.policies.rules import RULES
from infra.policies.subject import NothingToCheck, read


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
    stacks = read(out, environments)
    resources = sum(1 for stack in stacks for _ in stack.resources)
    if not resources:
        raise NothingToCheck(f"the stacks in {out} declare no resource. A check of nothing would pass. Run: python -m infra.app")
    ours = sorted(finding for stack in stacks for rule in RULES for finding in rule(stack))
    scan = scanner.scan(stacks)
    judged = waivers.judge([*ours, *scan.findings], waivers.load(), today)
    if environments:
        # Only a look at every environment can tell that a waiver is idle.
        judged = dataclasses.replace(judged, unused=())
    return Review(stacks=len(stacks), resources=resources, rules=len(RULES), scanned=scan.passed + len(scan.findings), judged=judged)
