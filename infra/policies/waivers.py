"""Findings that are accepted for a time (`waivers.yaml`): each has a reason, an owner and an end."""

import datetime
import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from environments.loading import read
from environments.schema import Strict
from infra.policies.subject import Finding

FILE = Path(__file__).with_name("waivers.yaml")


RuleId = Annotated[str, StringConstraints(pattern=r"^(CKV2?_GCP_[0-9]+|[a-z]+(-[a-z]+)*)$")]
"""A rule of ours or of checkov."""


class Waiver(Strict):
    """Some rules, accepted to be broken in some places for one reason."""

    rules: Annotated[list[RuleId], Field(min_length=1)]
    where: Annotated[str, StringConstraints(min_length=3)]
    """Glob over `<stack id>/<address>`; `*/*` means everywhere."""
    reason: Annotated[str, StringConstraints(min_length=20)]
    owner: Annotated[str, StringConstraints(min_length=2)]
    """The team that answers for it."""
    expires: datetime.date
    """From this day on the findings count again."""

    def covers(self, finding: Finding) -> bool:
        """Whether this waiver speaks of the finding, whatever the day."""
        return finding.rule in self.rules and fnmatch.fnmatchcase(f"{finding.stack}/{finding.address}", self.where)


class Waivers(Strict):
    """The content of `waivers.yaml`."""

    waivers: Annotated[list[Waiver], Field(default_factory=list)]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Findings, told apart by what the waivers say."""

    open: tuple[Finding, ...]
    """Not waived, or no longer."""
    waived: tuple[tuple[Finding, Waiver], ...]
    unused: tuple[tuple[str, Waiver], ...]
    """Rules that no finding needs waived any more: doors left open."""


def load(file: Path = FILE) -> Waivers:
    """The waivers of the repository."""
    return read(file, Waivers)


def judge(findings: Iterable[Finding], waivers: Waivers, today: datetime.date) -> Judged:
    """Tell open from waived findings on a given day."""
    open_, waived, used = [], [], set()
    for finding in findings:
        covering = [waiver for waiver in waivers.waivers if waiver.covers(finding)]
        used |= {(waiver.where, waiver.reason, finding.rule) for waiver in covering}
        valid = next((waiver for waiver in covering if today < waiver.expires), None)
        if valid:
            waived.append((finding, valid))
        else:
            open_.append(finding)
    unused = tuple((rule, waiver) for waiver in waivers.waivers for rule in waiver.rules if (waiver.where, waiver.reason, rule) not in used)
    return Judged(open=tuple(open_), waived=tuple(waived), unused=unused)
