"""The first screen of a review in words, which the Markdown and the page share: what it is about, and a line for each section."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from infra.review.report import LEVELS, Finding, Level, Report, Section, Span, Tally, Word

SIGNS: dict[Level, str] = {"block": "⛔", "sign-off": "✋", "note": "·"}
"""Beside the word, so that neither says it alone."""
FINE, NOT_LOOKED_AT = "✓", "–"
VERDICTS: dict[Word, tuple[str, str]] = {
    "BLOCK": ("⛔", "must not be applied as it is"),
    "SIGN-OFF": ("✋", "may be applied once an approver has signed it"),
    "ROUTINE": ("✅", "asks for nothing out of the ordinary"),
}
DRIFTED: dict[Word, str] = {
    "BLOCK": "runs with a change that must not stay",
    "SIGN-OFF": "runs with changes that somebody has to answer for",
    "ROUTINE": "runs as declared, or nearly so",
}
DECISIVE = 10
"""Findings on the first screen; how many more there are is said."""
EACH = 3
"""The same of one kind."""
TALLIED = ("create", "update", "replace", "delete", "forget", "adopt", "move")


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one section says in short."""

    anchor: str
    title: str
    level: Level | None
    """The gravest finding of the section."""
    text: str
    looked: bool = True
    """False where nothing was looked at, which is not the same as nothing found."""

    @property
    def sign(self) -> str:
        """The level as one sign."""
        return SIGNS[self.level] if self.level else FINE if self.looked else NOT_LOOKED_AT


def quantity(count: int, one: str, several: str = "") -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def listed(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = list(parts) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def gravest(findings: Iterable[Finding]) -> Level | None:
    """The gravest level among some findings."""
    return min((finding.level for finding in findings), key=LEVELS.index, default=None)


def name(report: Report) -> str:
    """What was reviewed: an environment, or the plans by their own names."""
    return report.subject.environment or listed(stack.id for stack in report.subject.stacks) or "a plan"


def headline(report: Report) -> str:
    """What the verdict means for what was reviewed."""
    if report.subject.kind == "drift":
        return DRIFTED[report.verdict.level]
    if report.verdict.level == "SIGN-OFF" and not report.sign_off.needed:
        return "changes what somebody has to answer for"
    return VERDICTS[report.verdict.level][1]


def tally(report: Report) -> str:
    """What happens to how many resources, over all stacks."""
    total = {action: sum(getattr(stack.tally, action) for stack in report.subject.stacks) for action in Tally.model_fields}
    changed = [f"{total[action]:,} to {action}" for action in TALLIED if total[action]]
    return f"{', '.join(changed) or 'nothing to change'}; {total['unchanged']:,} unchanged"


def decisive(report: Report) -> list[Finding]:
    """The findings that decide the verdict: the gravest level first and, within it, each section's first before any second.

    What a policy says of a place, or a lesser finding, comes after everything else where that place was told of already.
    """
    policy = report.policy.findings if report.policy else ()
    sections = (
        (*report.destroys.findings, *report.destroys.protection),
        report.access.findings,
        report.exposure.findings,
        report.cost.findings,
        report.promotion.findings if report.promotion else (),
        report.not_understood.findings,
        report.blast.findings,
        policy,
        report.rest.findings,
    )
    worst: dict[tuple[str, str], int] = {}
    for finding in (finding for section in sections if section is not policy for finding in section if finding.address):
        place = finding.stack, finding.address
        worst[place] = min(worst.get(place, len(LEVELS)), LEVELS.index(finding.level))
    found: list[tuple[tuple[bool, int, int, int], Finding]] = []
    for number, section in enumerate(sections):
        counts: Counter[tuple[bool, Level]] = Counter()
        for finding in section:
            if finding.level == "note":
                continue
            level, place = LEVELS.index(finding.level), (finding.stack, finding.address)
            again = place in worst and (worst[place] <= level if section is policy else worst[place] < level)
            if section is policy and finding.address:
                worst[place] = min(worst.get(place, level), level)
            found.append(((again, level, counts[again, finding.level], number), finding))
            counts[again, finding.level] += 1
    return list(dict.fromkeys(finding for _, finding in sorted(found, key=lambda it: it[0])))


def first_screen(report: Report) -> tuple[list[tuple[Finding, int]], int]:
    """The decisive findings that are told at once, each with how many others of its kind it stands for, and how many come on top."""
    found = decisive(report)
    kinds: dict[str, list[Finding]] = {}
    for finding in found:
        kinds.setdefault(finding.id, []).append(finding)
    told = [finding for finding in found if finding in kinds[finding.id][:EACH]][:DECISIVE]
    more = {alike[EACH - 1]: len(alike) - EACH for alike in kinds.values() if len(alike) > EACH}
    said = [(finding, more.get(finding, 0)) for finding in told]
    return said, len(found) - len(said) - sum(others for _, others in said)


def amount(dollars: float, signed: bool = False) -> str:
    """`1,234`, with cents where it is less than ten; `signed` as a difference, `+1,234`."""
    size = abs(dollars)
    digits = f"{size:,.2f}" if 0.005 <= size < 9.995 and round(size, 2) % 1 else f"{size:,.0f}"
    return digits if digits == "0" else f"{'−' if dollars < 0 else '+' if signed else ''}{digits}"


def span(found: Span, signed: bool = False) -> str:
    """Expected, and in brackets between what and what."""
    low, expected, high = (amount(dollars, signed) for dollars in (found.low, found.expected, found.high))
    return expected if low == expected == high else f"{expected} ({low} to {high})"


def lines(report: Report) -> list[Line]:
    """A line for each section, in the order of the sections; what found nothing says so."""
    policy, promotion, sign_off = report.policy, report.promotion, report.sign_off
    found = [
        Line(
            anchor="destroys",
            title="Destroys and replaces",
            level=gravest([*report.destroys.findings, *report.destroys.protection]),
            text=_destroys(report),
        ),
        Line(anchor="access", title="Access", level=gravest(report.access.findings), text=_access(report)),
        Line(
            anchor="exposure",
            title="Exposure",
            level=gravest(report.exposure.findings),
            text=_ids(report.exposure, "nothing becomes reachable that was not"),
        ),
        Line(
            anchor="policy",
            title="Policy",
            level=gravest(policy.findings) if policy else None,
            text=_policy(report),
            looked=bool(policy and policy.resources),
        ),
        Line(anchor="cost", title="Cost", level=gravest(report.cost.findings), text=_cost(report)),
        Line(anchor="blast", title="Blast radius", level=gravest(report.blast.findings), text=_blast(report)),
        Line(
            anchor="promotion",
            title="Promotion",
            level=gravest(promotion.findings) if promotion else None,
            text=_promotion(report),
            looked=bool(promotion),
        ),
    ]
    if report.not_understood.findings:
        text = f"{quantity(len(report.not_understood.findings), 'change')} to types that the rules know nothing of"
        found.append(Line(anchor="not-understood", title="Not understood", level=gravest(report.not_understood.findings), text=text))
    if report.outside:
        text = f"{quantity(len(report.outside), 'resource')} changed outside Terraform since the last apply"
        found.append(Line(anchor="outside", title="Changed outside", level="note", text=text))
    found.append(Line(anchor="rest", title="Everything else", level=gravest(report.rest.findings), text=_rest(report)))
    open_ = sign_off.break_glass or (sign_off.needed and not sign_off.approved_by)
    found.append(Line(anchor="sign-off", title="Sign-off", level="sign-off" if open_ else None, text=_sign_off(report)))
    return found


def _destroys(report: Report) -> str:
    found = report.destroys
    parts = []
    for stateful in (True, False):
        for action, done in (("delete", "destroyed"), ("replace", "replaced"), ("forget", "forgotten")):
            count = sum(lost.stateful is stateful and lost.action == action for lost in found.resources)
            data = f"with {'its' if count == 1 else 'their'} data" if stateful else "without data"
            parts += [f"{count} {done} {data}"] if count else []
    if found.protection:
        parts.append(f"{quantity(len(found.protection), 'protection')} weakened")
    return listed(parts) or "nothing is destroyed or replaced, no protection weakened"


def _access(report: Report) -> str:
    counts = Counter(grant.change for grant in report.access.grants)
    parts = [f"{quantity(counts[change], 'grant')} {change}" for change in ("added", "changed", "removed") if counts[change]]
    edges = sum(edge.change == "added" for edge in report.access.edges)
    if edges:
        parts.append(f"{quantity(edges, 'way')} more to act as another identity")
    return listed(parts) or _ids(report.access, "nobody gains or loses access")


def _ids(section: Section, nothing: str) -> str:
    return listed(f"{count} {id}" for id, count in Counter(finding.id for finding in section.findings).items()) or nothing


def _policy(report: Report) -> str:
    if report.policy is None:
        return "not held against it: the policies are about our own stacks"
    counts = Counter(row.change for row in report.policy.rows)
    looked = f"{quantity(report.policy.rules, 'rule')} over {quantity(report.policy.resources, 'resource')}"
    return f"{counts['new']} new, {counts['fixed']} fixed, {counts['waived']} waived; {looked}"


def _cost(report: Report) -> str:
    found = report.cost
    budget = f" of a budget of {amount(found.budget)}" if found.budget is not None else ""
    unpriced = f"; {quantity(len(found.unpriced), 'resource')} without a price" if found.unpriced else ""
    if not (found.stacks or found.lines):
        return f"nothing that has a price changes{unpriced}"
    return f"USD {span(found.delta, signed=True)} a month, then {amount(found.after.expected)}{budget}{unpriced}"


def _blast(report: Report) -> str:
    found = report.blast
    parts = [
        quantity(len(found.stacks), "other stack") if found.stacks else "",
        quantity(len({use.source for use in found.code}), "place in the code", "places in the code") if found.code else "",
        quantity(len(found.people), "person or identity", "people and identities") if found.people else "",
    ]
    return listed(part for part in parts if part) or "nothing else is known to use what changes"


def _promotion(report: Report) -> str:
    found = report.promotion
    if found is None:
        return "compared with no other environment"
    runs = f"{found.against} runs {found.release}" if found.release else f"no release is known to run in {found.against}"
    refused = sum(not difference.allowed for difference in found.differences)
    return f"{runs}; {quantity(refused, 'difference')} not allowed, {len(found.differences) - refused} allowed"


def _rest(report: Report) -> str:
    count = sum(row.count for row in report.rest.rows)
    types = len({row.type for row in report.rest.rows})
    return f"{quantity(count, 'change')} of {quantity(types, 'type')}" if count else "no other change"


def _sign_off(report: Report) -> str:
    found = report.sign_off
    opened = f"; {quantity(len(found.break_glass), 'emergency grant')} still open" if found.break_glass else ""
    if found.approved_by:
        until = f" until {found.until:%Y-%m-%d %H:%M} UTC" if found.until else ""
        return f"approved by {listed(found.approved_by)}{until}{opened}"
    if not found.needed:
        return f"not needed{opened}"
    approvers = f" by {listed(found.approvers)}" if found.approvers else ""
    return f"needed{approvers}; not given yet{opened}"
