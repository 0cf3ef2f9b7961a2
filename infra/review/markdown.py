"""The review as a comment of a pull request: what decides on the first screen, everything else under it or folded.

Nothing is cut. What does not fit into one comment goes on in the next (`parts`), and what only the page and the JSON show is said.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from infra.review import glance, picture
from infra.review.diffs import changes
from infra.review.gfm import SHORT, code, folded, prose, row, summary, table, tabled
from infra.review.glance import SIGNS, quantity, span
from infra.review.parts import LIMIT, Block, split
from infra.review.report import (
    AttributeChange,
    Change,
    ConstructDifference,
    Finding,
    GrantChange,
    LostResource,
    OpenBreakGlass,
    PolicyRow,
    PromotionDelta,
    Report,
    Span,
    digest,
)
from infra.review.values import pair

MANY = 20
"""Rows up to which a table that asks for something is not folded."""
CHANGED = {"added": "+ added", "changed": "± changed", "removed": "− removed"}


def render(report: Report, limit: int = LIMIT) -> list[str]:
    """The comments, of at most `limit` bytes each."""
    subject = re.sub(r"[^A-Za-z0-9._-]+", "-", glance.name(report))[:60]
    return split(f"{report.subject.kind}:{subject}", list(_document(report)), limit)


def _document(report: Report) -> Iterator[Block]:
    yield from _head(report)
    yield from _decisive(report)
    yield from _glance(report)
    yield from _subject(report)
    yield from _destroys(report)
    yield from _access(report)
    yield from _findings("Exposure", report.exposure.findings)
    yield from _policy(report)
    yield from _cost(report)
    yield from _blast(report)
    yield from _promotion(report)
    if report.not_understood.findings:
        yield from _findings("Not understood", report.not_understood.findings)
    yield from _outside(report)
    yield from _rest(report)
    yield from _sign_off(report)


# The first screen


def _head(report: Report) -> Iterator[Block]:
    word = report.verdict.level
    yield Block(head=f"## {glance.VERDICTS[word][0]} {word} · {prose(glance.name(report))} {glance.headline(report)}")
    subject = report.subject
    made = [f"**{glance.tally(report)}**"]
    made += [f"commit {code(subject.commit[:12])}{' **and what is not committed**' if subject.dirty else ''}"] if subject.commit else []
    made += [f"against {code(subject.base)}"] if subject.base else []
    made += [f"planned by {code(subject.made_by)}"] if subject.made_by else []
    made += [f"plan digest {code(report.verdict.digest[:12])}"] if report.verdict.digest else []
    yield Block(head=" · ".join(made))
    partial = [stack.id for stack in subject.stacks if not stack.complete]
    if partial:
        stacks = ", ".join(map(code, partial))
        yield Block(head=f"> **{stacks} could not be planned to the end**: what is missing has been judged by nobody.")


def _decisive(report: Report) -> Iterator[Block]:
    told, more = glance.first_screen(report)
    lines = [_short(finding, others) for finding, others in told] or [f"- {prose(reason)}" for reason in report.verdict.reasons]
    if more:
        lines.append(f"- … and {quantity(more, 'finding')} more that {'asks' if more == 1 else 'ask'} for something, in the sections below")
    if lines:
        yield Block(head="", lines=lines)


def _short(finding: Finding, others: int) -> str:
    where = finding.address or finding.stack
    source = f" ({code(finding.source[0])})" if finding.source else ""
    alike = f" (**and {others:,} more of this kind**)" if others else ""
    return f"- {SIGNS[finding.level]} **{finding.id}**{f' {code(where)}' if where else ''}{source}: {prose(finding.text)}{alike}"


def _glance(report: Report) -> Iterator[Block]:
    rows = [row([line.sign, f"**{line.title}**", prose(line.text)]) for line in glance.lines(report)]
    yield Block(head=table(["", "section", "in short"]), lines=rows)


def _subject(report: Report) -> Iterator[Block]:
    """What the plans were made from; who approves compares it, everybody else passes it by."""
    subject = report.subject
    facts = [
        f"- plans: {code(report.verdict.digest)}" if report.verdict.digest else "",
        f"- this report as JSON: {code(digest(report))}",
        f"- commit: {code(subject.commit)}" if subject.commit else "",
        f"- provider: {prose(subject.provider)}" if subject.provider else "",
    ]
    heads = ("stack", "plan", "configuration", "lock file", "state", "Terraform", "changes")
    rows = [
        row(
            [
                code(stack.id),
                *(code(found[:12]) if found else "" for found in (stack.plan, stack.configuration, stack.lock_file)),
                f"{code(stack.lineage[:8])} {stack.serial}" if stack.serial is not None and stack.lineage else str(stack.serial or ""),
                prose(stack.terraform),
                ", ".join(f"{count} {action}" for action, count in stack.tally.model_dump().items() if count and action != "unchanged"),
            ]
        )
        for stack in subject.stacks
    ]
    facts = [line for line in facts if line]
    opening = f"{summary('Digests, by SHA-256')}\n"
    yield Block(head="\n".join((opening, *facts, "", table(heads))), lines=rows, tail="\n</details>", again=f"{opening}\n{table(heads)}")


# The sections


def _destroys(report: Report) -> Iterator[Block]:
    found = report.destroys
    told = {(finding.stack, finding.address): finding for finding in reversed(found.findings)}
    stateful = [lost for lost in found.resources if lost.stateful]
    others = [lost for lost in found.resources if not lost.stateful]
    places = {(change.stack, change.address): change for change in report.changes}
    if not (found.findings or found.resources or found.protection):
        yield Block(head="### Destroys and replaces\nNothing is destroyed or replaced, and nothing is protected less than before.")
        return
    yield Block(head="### Destroys and replaces")
    listed = {(lost.stack, lost.address) for lost in found.resources}
    for lost in stateful:
        yield Block(head="", lines=list(_lost(lost, told.get((lost.stack, lost.address)), places)))
    yield from _list("", [finding for finding in found.findings if (finding.stack, finding.address) not in listed])
    yield from _list("**Protected less than before**", found.protection)
    if others:
        lines = [line for lost in others for line in _lost(lost, told.get((lost.stack, lost.address)), places)]
        title = f"{quantity(len(others), 'resource')} without data destroyed, replaced or forgotten"
        yield from folded(title, lines) if len(others) > SHORT // 2 else [Block(head=f"**{title}**\n", lines=lines)]


def _lost(lost: LostResource, finding: Finding | None, places: Mapping[tuple[str, str], Change]) -> list[str]:
    """What is lost with a resource, and what forces it."""
    level = SIGNS[finding.level] if finding else SIGNS["note"]
    id = finding.id if finding else lost.action
    change = places.get((lost.stack, lost.address))
    place = _place(lost.stack, change.construct_path, change.source) if change else _place(lost.stack, "", ())
    found = [f"- {level} **{id}** {code(lost.address)}{place}"]
    told = f"{finding.text} {finding.remedy}" if finding else ""
    if finding:
        found.append(f"  - {prose(finding.text)}")
    found += [f"  - forced by {_arrow(attribute)}" for attribute in lost.forced_by]
    if lost.reason and not lost.forced_by and not finding:
        found.append(f"  - Terraform's reason: {prose(lost.reason)}")
    # A finding's own sentences often say it already.
    found += [f"  - {name}: {prose(said)}" for name, said in (("lost", lost.lost), ("undo", lost.undo)) if said and said not in told]
    if finding:
        found.append(f"  - mend: {prose(finding.remedy)}")
    return found


def _access(report: Report) -> Iterator[Block]:
    found = report.access
    yield from _findings("Access", found.findings, nothing="Nobody gains or loses access." if not found.grants and not found.edges else "")
    if found.grants:
        grants = ("", "role", "strength", "member", "on", "condition", "stack")
        yield from tabled(quantity(len(found.grants), "grant"), grants, map(_grant, found.grants))
    if found.edges:
        edges = ("", "who", "may act as", "by", "stack")
        rows = ([CHANGED[edge.change], *map(code, (edge.member, edge.identity, edge.role, edge.stack))] for edge in found.edges)
        yield from tabled("Who may become whom", edges, rows)


def _grant(grant: GrantChange) -> list[str]:
    before = grant.role_before and grant.role_before != grant.role
    role = f"{code(grant.role_before)} → {code(grant.role)}" if before else code(grant.role)
    strength = f"{grant.strength_before} → {grant.strength}" if grant.strength_before else str(grant.strength)
    member = f"{code(grant.member)} {grant.member_kind}{', **outside**' if grant.outside else ''}"
    condition = code(grant.condition) if grant.condition else ""
    if grant.condition_before and grant.condition_before != grant.condition:
        condition = f"{code(grant.condition_before)} → {condition or '(none)'}"
    return [CHANGED[grant.change], role, f"{strength} of 5", member, prose(grant.on), condition, code(grant.stack)]


def _policy(report: Report) -> Iterator[Block]:
    found = report.policy
    if found is None:
        yield Block(head="### Policy\nNot held against it: the policies are about our own stacks.")
        return
    looked = f"{quantity(found.rules, 'rule')} over {quantity(found.resources, 'resource')}"
    against = (
        f"compared with {prose(found.compared_with)}" if found.compared_with else "without a base: everything that is broken counts as new"
    )
    yield Block(head=f"### Policy\n{looked}, {against}.")
    yield from _list("", [finding for finding in found.findings if finding.level != "note"])
    yield from _notes(found.findings)
    told = {(finding.stack, finding.address) for finding in found.findings}
    for change, title, shown in (("new", "New", MANY), ("fixed", "Fixed", 0), ("waived", "Waived", 0)):
        # A new breach is a finding above; a row says more only of what is fixed or waived.
        rows = [one for one in found.rows if one.change == change and not (change == "new" and (one.stack, one.address) in told)]
        if rows:
            heads = ("rule", "where", "what") + (("why it is accepted", "by", "until") if change == "waived" else ())
            yield from tabled(f"{title}: {len(rows)}", heads, _rules(rows), shown=shown)


def _rules(found: Sequence[PolicyRow]) -> Iterator[list[str]]:
    """A row for each rule, and of the waived for each waiver; every single place is on the page and in the JSON."""

    def alike(row: PolicyRow) -> tuple[str, ...]:
        waiver = (row.reason, row.owner, str(row.expires or "no end"))
        return (row.rule, *waiver) if row.change == "waived" else (row.rule, row.stack, row.address)

    for (rule, *waiver), same in groupby(sorted(found, key=alike), key=alike):
        first, *others = same
        where = f"{code(first.address or first.stack)}{f' {code(first.source[0])}' if first.source else ''}"
        more = f" and {len(others):,} more" if others else ""
        why = [prose(waiver[0]), code(waiver[1]) if waiver[1] else "", waiver[2]] if first.change == "waived" else []
        yield [code(rule), f"{where}{more}", prose(first.text), *why]


def _cost(report: Report) -> Iterator[Block]:
    found = report.cost
    priced = found.stacks or found.lines
    yield from _findings("Cost", found.findings, nothing=None if priced or found.unpriced else "Nothing that has a price changes.")
    heads = ("USD a month", "before", "after", "difference")
    rows = [
        [code(one.stack), span(one.before), span(one.after), f"**{span(one.delta, signed=True)}**"]
        for one in found.stacks
        if one.delta != Span()
    ]
    rows.append(["all stacks", span(found.before), span(found.after), f"**{span(found.delta, signed=True)}**"])
    if priced:
        yield Block(head=table(heads, numbers=(1, 2, 3)), lines=list(map(row, rows)))
        yield Block(head="", lines=[f"- {line}" for line in _assumed(report)])
    if found.lines:
        behind = ("resource", "SKU", "before", "after", "price seen on", "confidence")
        rows = [
            [
                code(one.address),
                f"{prose(one.sku)} per {prose(one.unit)}",
                span(one.before),
                span(one.after),
                str(one.observed_on or ""),
                prose(one.confidence),
            ]
            for one in found.lines
        ]
        yield from tabled(f"{quantity(len(rows), 'price')} behind it", behind, rows, numbers=(2, 3), shown=0)
    if found.unpriced:
        rows = [[code(one.address), prose(one.reason)] for one in found.unpriced]
        yield from tabled(f"{quantity(len(rows), 'resource')} without a price, counted as nothing", ("resource", "why"), rows)


def _assumed(report: Report) -> Iterator[str]:
    """What the figures of cost rest on."""
    found = report.cost
    yield f"GPU hours a month: {span(found.gpu_hours_before)} → {span(found.gpu_hours_after)}"
    yield f"endpoint hours a month: {span(found.endpoint_hours_before)} → {span(found.endpoint_hours_after)}"
    for one in found.assumptions:
        changed = prose(one.after) if one.before == one.after else f"{prose(one.before) or '(none)'} → {prose(one.after) or '(none)'}"
        yield f"assumed of {code(one.address or one.stack)}: {changed}"
    if found.budget is not None:
        yield f"budget: USD {glance.amount(found.budget)} a month"
    if found.prices_from:
        age = f", the oldest {quantity(found.oldest_days, 'day')} ago" if found.oldest_days is not None else ""
        yield f"prices were observed between {found.prices_from} and {found.prices_to}{age}"


def _blast(report: Report) -> Iterator[Block]:
    found = report.blast
    yield from _findings("Blast radius", found.findings, nothing=None if found.edges else "Nothing else is known to use what changes.")
    drawn = picture.mermaid(report)
    if drawn:
        yield Block(head=f"```mermaid\n{drawn}\n```")
    yield from _names("Stacks beside those that change", found.stacks)
    yield from _names("People and identities", found.people)
    if found.code:
        rows = [[code(use.source), code(use.name), code(use.address)] for use in found.code]
        yield from tabled(f"{quantity(len(rows), 'use')} in the code", ("line", "name", "what changes"), rows)


def _promotion(report: Report) -> Iterator[Block]:
    found = report.promotion
    if found is None:
        return
    runs = f"{code(found.against)} runs {code(found.release)}" if found.release else f"No release is known to run in {code(found.against)}"
    since = f" since {found.since:%Y-%m-%d %H:%M} UTC" if found.since else ""
    ran = f", for {found.ran_hours:,.0f} hours" if found.ran_hours is not None else ""
    soak = f" of the {found.soak_hours} that it has to" if found.soak_hours is not None and found.ran_hours is not None else ""
    yield Block(head=f"### Promotion\n{runs}{since}{ran}{soak}{f' (commit {code(found.commit[:12])})' if found.commit else ''}.")
    yield from _list("", found.findings)
    heads = ("setting", "here", found.against, "why it is allowed")
    for allowed, title in ((False, "not allowed"), (True, "allowed")):
        rows = [
            [
                code(one.path),
                *map(code, pair(AttributeChange(path=one.path, before=one.here, after=one.there))),
                prose(one.reason) or "**it is not**",
            ]
            for one in found.differences
            if one.allowed is allowed
        ]
        if rows:
            yield from tabled(f"{quantity(len(rows), 'difference')} {title}", [*map(prose, heads)], rows, shown=0 if allowed else MANY)
    if found.constructs:
        title = f"{quantity(len(found.constructs), 'construct')} in one of the two only"
        yield from tabled(title, ("only in", "construct", "why"), _constructs(found), shown=0)


def _constructs(found: PromotionDelta) -> Iterator[list[str]]:
    """A row for each reason; every single construct is on the page and in the JSON."""

    def alike(one: ConstructDifference) -> tuple[str, str]:
        return one.only, one.reason

    for (only, reason), same in groupby(sorted(found.constructs, key=alike), key=alike):
        first, *others = same
        place = "here" if only == "here" else code(found.against)
        more = f" and {len(others):,} more" if others else ""
        yield [place, f"{code(first.construct_path)}{more}", prose(reason) or "**no reason is known**"]


def _rest(report: Report) -> Iterator[Block]:
    found = report.rest
    yield Block(head="### Everything else")
    yield from _list("", [finding for finding in found.findings if finding.level != "note"])
    yield from _notes(found.findings)
    if found.rows:
        rows = [[code(one.stack), code(one.type), one.action, str(one.count)] for one in found.rows]
        total = quantity(sum(one.count for one in found.rows), "change")
        yield from tabled(f"{total} that no other section is about", ("stack", "type", "action", "count"), rows, numbers=(3,), shown=0)
    shown = {(finding.stack, finding.address) for finding in glance.decisive(report)}
    for stack, found_there in groupby(report.changes, key=lambda change: change.stack):
        yield from changes(f"Every change of {stack}", list(found_there), shown)


def _outside(report: Report) -> Iterator[Block]:
    if report.outside:
        yield Block(head="### Changed outside Terraform")
        whole = {(change.stack, change.address) for change in report.outside}
        yield from changes("Since the last apply", report.outside, whole)


def _sign_off(report: Report) -> Iterator[Block]:
    found = report.sign_off
    lines = [f"- {prose(glance.lines(report)[-1].text)}"]
    if found.needed and found.command and not found.approved_by:
        lines.append(f"- an approver runs {code(found.command)}, which signs {code(report.verdict.digest)}")
    if found.needed and found.protected:
        lines.append("- whoever made the plan or the commit is not among the approvers")
    if found.needed or found.approved_by:
        lines.append(f"- it becomes stale when {prose(found.stale_when)}")
    lines += [f"- {SIGNS['sign-off']} {_emergency(grant)}" for grant in found.break_glass]
    yield Block(head="### Sign-off", lines=lines)


def _emergency(grant: OpenBreakGlass) -> str:
    since, until = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (grant.since, grant.until))
    return f"emergency grant of {code(grant.by)} since {since}, until {until}: {prose(grant.reason)}; no review has closed it"


# What sections are made of


def _findings(title: str, findings: Sequence[Finding], nothing: str | None = "Nothing.") -> Iterator[Block]:
    """A section's heading and findings; `nothing` is said where there are none, unless the section says more."""
    if not findings:
        yield Block(head=f"### {title}{chr(10) + nothing if nothing else ''}")
        return
    lines = [line for finding in findings for line in _told(finding)]
    yield Block(head=f"### {title}", lines=lines, again=f"### {title}, continued")


def _list(title: str, findings: Sequence[Finding]) -> Iterator[Block]:
    if findings:
        lines = [line for finding in findings for line in _told(finding)]
        yield Block(head=f"{title}\n" if title else "", lines=lines)


def _notes(findings: Sequence[Finding]) -> Iterator[Block]:
    notes = [finding for finding in findings if finding.level == "note"]
    if notes:
        yield from folded(quantity(len(notes), "note"), [line for finding in notes for line in _told(finding)])


def _names(title: str, names: Sequence[str]) -> Iterator[Block]:
    if 0 < len(names) <= SHORT:
        yield Block(head=f"{title}: {', '.join(map(code, names))}")
    elif names:
        yield from folded(f"{title}: {len(names)}", [f"- {code(name)}" for name in names])


def _told(finding: Finding) -> list[str]:
    where = f" {code(finding.address)}" if finding.address else ""
    return [
        f"- {SIGNS[finding.level]} **{finding.id}**{where}{_place(finding.stack, finding.construct_path, finding.source)}",
        f"  - {prose(finding.text)}",
        f"  - mend: {prose(finding.remedy)}",
    ]


def _place(stack: str, construct: str, source: Sequence[str]) -> str:
    """Where something stands: in the app, and in the code."""
    parts = [code(construct or stack) if construct or stack else "", *(code(line) for line in source[:1])]
    return "".join(f" · {part}" for part in parts if part)


def _arrow(attribute: AttributeChange) -> str:
    before, after = pair(attribute)
    return f"{code(attribute.path)}: {code(before)} → {code(after)}"
