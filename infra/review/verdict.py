"""The first line of a review: what its findings ask for together."""

from collections import defaultdict
from collections.abc import Sequence

from infra.review.report import LEVELS, Finding, Level, Verdict, Word, ordered

WORDS: dict[Level, Word] = {"block": "BLOCK", "sign-off": "SIGN-OFF", "note": "ROUTINE"}


def verdict(findings: Sequence[Finding], digest: str) -> Verdict:
    """Judge by the gravest finding.

    Args:
        findings: of all sections.
        digest: over the plans of all stacks.
    """
    counts = {level: sum(finding.level == level for finding in findings) for level in LEVELS}
    worst: Level = next((level for level in LEVELS if counts[level]), "note")
    return Verdict(
        level=WORDS[worst],
        digest=digest,
        reasons=tuple(_reasons(findings)),
        block=counts["block"],
        sign_off=counts["sign-off"],
        note=counts["note"],
    )


def _reasons(findings: Sequence[Finding]) -> list[str]:
    """A sentence for each kind of finding that asks for something: its first one, and how many more there are."""
    kinds: dict[tuple[int, str], list[Finding]] = defaultdict(list)
    for finding in ordered(findings):
        if finding.level != "note":
            kinds[LEVELS.index(finding.level), finding.id].append(finding)
    said = []
    for (_, id_), alike in sorted(kinds.items()):
        first = alike[0]
        where = f"{first.stack}: " if first.stack else ""
        more = f" (and {len(alike) - 1} more)" if len(alike) > 1 else ""
        said.append(f"{id_}: {where}{first.text}{more}")
    return said
