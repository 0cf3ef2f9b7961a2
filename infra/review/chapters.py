"""The chapters of the review's page, one for each section of the report, and every change with its attributes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Self

from infra.review import glance, picture
from infra.review.glance import quantity, span
from infra.review.markup import Html, Place, arrow, attributes, code, facts, fold, group, level, panel, prose, section, table, text, values
from infra.review.report import AttributeChange, Change, Finding, GrantChange, Level, LostResource, OpenBreakGlass, PolicyRow, Report
from infra.review.values import pair

SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "−", "forget": "−", "import": "←", "move": "→", "read": "?"}
CHANGED = {"added": "+ added", "changed": "± changed", "removed": "− removed"}
STRONGEST = 5


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where on the page each change and each finding stands."""

    changes: Mapping[Place, tuple[int, Change]]
    findings: Mapping[Finding, int]
    levels: Mapping[Place, Level]
    """The gravest finding at each place."""

    @classmethod
    def of(cls, report: Report) -> Self:
        """The places of a report: numbers, since an address may hold anything."""
        return cls(
            changes={(change.stack, change.address): (number, change) for number, change in enumerate(report.changes)},
            findings={finding: number for number, finding in enumerate(report.findings)},
            levels={(finding.stack, finding.address): finding.level for finding in reversed(report.findings)},
        )

    def change(self, place: Place) -> Change | None:
        """What happens at a place."""
        found = self.changes.get(place)
        return found[1] if found else None

    def link(self, place: Place) -> Html:
        """A link to the change at a place; empty where nothing changes."""
        found = self.changes.get(place)
        return Html(f'<a href="#c{found[0]}">the change</a>' if found else "")

    def anchor(self, finding: Finding) -> str:
        """What a link to a finding names."""
        return f"f{self.findings[finding]}"

    def known(self, stack: str, address: str = "") -> str:
        """What the filters know of a row about a place."""
        place = (stack, address)
        return attributes(self.change(place), place, self.levels.get(place))


def chapters(report: Report, places: Places) -> Iterator[Html]:
    """The chapters in their order."""
    yield _destroys(report, places)
    yield _access(report, places)
    yield section(
        "exposure", "Exposure", _findings(report.exposure.findings, places) or _nothing("Nothing becomes reachable that was not.")
    )
    yield _policy(report, places)
    yield _cost(report, places)
    yield _blast(report, places)
    yield _promotion(report, places)
    if report.not_understood.findings:
        yield section("not-understood", "Not understood", _findings(report.not_understood.findings, places))
    if report.outside:
        listed = "".join(_change(change, f"o{number}", None) for number, change in enumerate(report.outside))
        yield section("outside", "Changed outside Terraform since the last apply", listed)
    yield _rest(report, places)
    yield _sign_off(report)
    yield _changes(report, places)


# The chapters


def _destroys(report: Report, places: Places) -> Html:
    found = report.destroys
    told = {(finding.stack, finding.address): finding for finding in reversed(found.findings)}
    listed = {(lost.stack, lost.address) for lost in found.resources}
    cards = [
        _lost(lost, told.get((lost.stack, lost.address)), places) for lost in sorted(found.resources, key=lambda lost: not lost.stateful)
    ]
    loose = [finding for finding in found.findings if (finding.stack, finding.address) not in listed]
    protection = _findings(found.protection, places)
    return section(
        "destroys",
        "Destroys and replaces",
        *cards,
        _findings(loose, places),
        group("Protected less than before", protection),
        "" if cards or loose or protection else _nothing("Nothing is destroyed or replaced, and nothing is protected less than before."),
    )


def _lost(lost: LostResource, finding: Finding | None, places: Places) -> str:
    """What is lost with a resource, what forces it, and how it comes back."""
    place = (lost.stack, lost.address)
    sentences = f"{finding.text} {finding.remedy}" if finding else ""
    told = [
        ("", prose(finding.text) if finding else ""),
        ("forced by", Html("<br>".join(map(arrow, lost.forced_by)))),
        ("because", prose(lost.reason) if lost.reason and not lost.forced_by and not finding else ""),
        # A finding's own sentences often say it already.
        ("lost", prose(lost.lost) if lost.lost not in sentences else ""),
        ("undo", prose(lost.undo) if lost.undo not in sentences else ""),
        ("mend", prose(finding.remedy) if finding else ""),
    ]
    if finding:
        return _card(finding, told, places)
    change = places.change(place)
    title = f"{SIGNS[lost.action]} <b>{lost.action}</b> {code(lost.address)}"
    return _framed(title, "note", told, attributes(change, place, "note"), _where(lost.stack, change, places.link(place)))


def _access(report: Report, places: Places) -> Html:
    found = report.access
    grants = [(places.known(grant.stack, grant.address), _grant(grant)) for grant in found.grants]
    edges = [
        (places.known(edge.stack, edge.address), [CHANGED[edge.change], *map(code, (edge.member, edge.identity, edge.role))])
        for edge in found.edges
    ]
    return section(
        "access",
        "Access",
        _findings(found.findings, places) or ("" if grants or edges else _nothing("Nobody gains or loses access.")),
        panel(group("Grants", table(("", "role", "strength", "member", "on", "condition"), grants))) if grants else "",
        panel(group("Who may become whom", table(("", "who", "may act as", "by"), edges))) if edges else "",
    )


def _grant(grant: GrantChange) -> list[object]:
    before = grant.role_before and grant.role_before != grant.role
    role = f"<del>{text(grant.role_before)}</del> → <ins>{text(grant.role)}</ins>" if before else code(grant.role)
    strength = f"{_dots(grant.strength_before)} → {_dots(grant.strength)}" if grant.strength_before else _dots(grant.strength)
    member = f"{code(grant.member)} <span class=soft>{grant.member_kind}</span>{' <b class=bad>outside</b>' if grant.outside else ''}"
    condition = code(grant.condition) if grant.condition else ""
    if grant.condition_before and grant.condition_before != grant.condition:
        condition = Html(f"<del>{text(grant.condition_before)}</del> → <ins>{text(grant.condition or '(none)')}</ins>")
    return [Html(CHANGED[grant.change].replace(" ", "&nbsp;")), Html(role), Html(strength), Html(member), grant.on, condition]


def _dots(strength: int) -> str:
    """How strong a role is, from 1 to 5."""
    shown = max(0, min(strength, STRONGEST))
    return f'<span class="dots s{shown}" title="{shown} of {STRONGEST}">{"●" * shown}{"○" * (STRONGEST - shown)}</span>'


def _policy(report: Report, places: Places) -> Html:
    found = report.policy
    if found is None:
        return section("policy", "Policy", _nothing("Not held against it: the policies are about our own stacks."))
    against = (
        f"compared with {text(found.compared_with)}" if found.compared_with else "without a base: everything that is broken counts as new"
    )
    looked = f"<p class=soft>{quantity(found.rules, 'rule')} over {quantity(found.resources, 'resource')}, {against}.</p>"
    parts = []
    for change, title in (("new", "New"), ("fixed", "Fixed"), ("waived", "Waived")):
        # A new breach is a finding above; a row says more only of what is fixed or waived.
        listed = [row for row in found.rows if row.change == change and not (change == "new" and (row.stack, row.address) in places.levels)]
        rows = [(places.known(row.stack, row.address), _rule(row)) for row in listed]
        if rows:
            heads = ("rule", "where", "what", *(("why it is accepted", "by", "until") if change == "waived" else ()))
            parts.append(fold(f"{title}: {len(rows)}", table(heads, rows), unfolded=change == "new"))
    return section("policy", "Policy", looked, _findings(found.findings, places), panel(*parts))


def _rule(row: PolicyRow) -> list[object]:
    where = f"{code(row.address or row.stack)}{f'<br>{code(row.source[0])}' if row.source else ''}"
    waived = [prose(row.reason), row.owner, row.expires or "no end"] if row.change == "waived" else []
    return [code(row.rule), Html(where), prose(row.text), *waived]


def _cost(report: Report, places: Places) -> Html:
    found = report.cost
    priced = found.stacks or found.lines
    per_stack = [
        (attributes(None, (one.stack, "")), [code(one.stack), span(one.before), span(one.after), _delta(span(one.delta, signed=True))])
        for one in found.stacks
    ]
    per_stack.append(("", [Html("<b>all stacks</b>"), span(found.before), span(found.after), _delta(span(found.delta, signed=True))]))
    behind = [
        (
            places.known(one.stack, one.address),
            [code(one.address), f"{one.sku} per {one.unit}", span(one.before), span(one.after), one.observed_on or "", one.confidence],
        )
        for one in found.lines
    ]
    unpriced = [(places.known(one.stack, one.address), [code(one.address), prose(one.reason)]) for one in found.unpriced]
    return section(
        "cost",
        "Cost",
        _findings(found.findings, places),
        "" if priced or unpriced else _nothing("Nothing that has a price changes."),
        panel(
            picture.costs(report),
            table(("USD a month: expected (least to most)", "before", "after", "difference"), per_stack, numbers=(1, 2, 3)),
            _assumed(report),
        )
        if priced
        else "",
        panel(
            fold(
                f"{quantity(len(behind), 'price')} behind it",
                table(("resource", "SKU", "before", "after", "price seen on", "confidence"), behind, numbers=(2, 3)),
            )
            if behind
            else "",
            fold(
                f"{quantity(len(unpriced), 'resource')} without a price, counted as nothing",
                table(("resource", "why"), unpriced),
                unfolded=True,
            )
            if unpriced
            else "",
        ),
    )


def _delta(said: str) -> Html:
    return Html(f"<b>{escape(said)}</b>")


def _assumed(report: Report) -> Html:
    """What the figures of cost rest on."""
    found = report.cost
    age = f", the oldest {quantity(found.oldest_days, 'day')} ago" if found.oldest_days is not None else ""
    return facts(
        [
            ("GPU hours a month", f"{span(found.gpu_hours_before)} → {span(found.gpu_hours_after)}"),
            ("endpoint hours a month", f"{span(found.endpoint_hours_before)} → {span(found.endpoint_hours_after)}"),
            ("budget", f"USD {glance.amount(found.budget)} a month" if found.budget is not None else ""),
            ("prices seen", f"between {found.prices_from} and {found.prices_to}{age}" if found.prices_from else ""),
            *(
                (
                    "assumed",
                    f"{code(one.address or one.stack)} "
                    + (text(one.after) if one.before == one.after else f"<del>{text(one.before)}</del> → <ins>{text(one.after)}</ins>"),
                )
                for one in found.assumptions
            ),
        ]
    )


def _blast(report: Report, places: Places) -> Html:
    found = report.blast
    uses = [(places.known(use.stack, use.address), [code(use.source), code(use.name), use.room, code(use.address)]) for use in found.code]
    alone = picture.drawing(report).alone
    drawn = picture.svg(report)
    reached = facts(
        {
            "other stacks": Html(" ".join(map(code, found.stacks))),
            "people and identities": Html("; ".join(map(text, found.people))),
            "reach nothing else": quantity(alone, "change") if drawn and alone else "",
        }
    )
    said = found.findings or drawn or found.stacks or uses or found.people
    return section(
        "blast",
        "Blast radius",
        "" if said else _nothing("Nothing else is known to use what changes."),
        panel(f"<div class=wide>{drawn}</div>" if drawn else "", reached if found.stacks or found.people or drawn else ""),
        _findings(found.findings, places),
        panel(
            fold(
                f"{quantity(len(uses), 'use')} in the code", table(("line", "name", "room", "what changes"), uses), unfolded=len(uses) <= 12
            )
        )
        if uses
        else "",
    )


def _promotion(report: Report, places: Places) -> Html:
    found = report.promotion
    if found is None:
        return section("promotion", "Promotion", _nothing("Compared with no other environment."))
    runs = facts(
        {
            f"{text(found.against)} runs": code(found.release) if found.release else "no release that the ledger knows",
            "since": f"{found.since:%Y-%m-%d %H:%M} UTC" if found.since else "",
            "commit": code(found.commit[:12]) if found.commit else "",
            "has run": f"{found.ran_hours:,.0f} hours" if found.ran_hours is not None else "",
            "has to run": f"{found.soak_hours} hours before it may go on" if found.soak_hours is not None else "",
        }
    )
    heads = ("setting", "here", found.against, "why it is allowed")
    parts = []
    for allowed, title in ((False, "not allowed"), (True, "allowed")):
        rows = [("", _difference(one.path, one.here, one.there, one.reason)) for one in found.differences if one.allowed is allowed]
        if rows:
            parts.append(fold(f"{quantity(len(rows), 'difference')} {title}", table(heads, rows), unfolded=not allowed))
    constructs = [
        ("", [code(one.construct_path), code(one.type), "here" if one.only == "here" else found.against, prose(one.reason)])
        for one in found.constructs
    ]
    if constructs:
        title = f"{quantity(len(constructs), 'construct')} in one of the two only"
        parts.append(fold(title, table(("construct", "type", "only in", "why"), constructs)))
    return section("promotion", "Promotion", panel(runs), _findings(found.findings, places), panel(*parts))


def _difference(path: str, here: object, there: object, reason: str) -> list[object]:
    values_ = pair(AttributeChange.model_construct(path=path, before=here, after=there))
    return [code(path), *map(code, values_), prose(reason) or Html("<b class=bad>it is not</b>")]


def _rest(report: Report, places: Places) -> Html:
    found = report.rest
    asking = [finding for finding in found.findings if finding.level != "note"]
    notes = [finding for finding in found.findings if finding.level == "note"]
    rows = [
        (attributes(None, (one.stack, "")), [code(one.stack), code(one.type), f"{SIGNS[one.action]} {one.action}", one.count])
        for one in found.rows
    ]
    total = quantity(sum(one.count for one in found.rows), "change")
    return section(
        "rest",
        "Everything else",
        _findings(asking, places),
        panel(
            fold(f"{total} that no other section is about", table(("stack", "type", "action", "count"), rows, numbers=(3,)))
            if rows
            else "",
            fold(quantity(len(notes), "note"), _findings(notes, places)) if notes else "",
        )
        or ("" if asking else _nothing("No other change.")),
    )


def _sign_off(report: Report) -> Html:
    found = report.sign_off
    line = next(line for line in glance.lines(report) if line.anchor == "sign-off")
    waiting = found.needed and not found.approved_by
    known = facts(
        [
            ("", prose(line.text)),
            ("an approver runs", code(found.command) if waiting and found.command else ""),
            ("which signs", code(report.verdict.digest) if waiting and report.verdict.digest else ""),
            ("not among them", "whoever made the plan or the commit" if waiting and found.protected else ""),
            ("becomes stale when", prose(found.stale_when) if found.needed or found.approved_by else ""),
            *(("emergency grant", _emergency(grant)) for grant in found.break_glass),
        ]
    )
    return section("sign-off", "Sign-off", panel(known))


def _emergency(grant: OpenBreakGlass) -> str:
    since, until = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (grant.since, grant.until))
    return f"<b class=bad>open</b> {code(grant.by)} since {since}, until {until}: {prose(grant.reason)}"


def _changes(report: Report, places: Places) -> Html:
    parts = []
    number = 0
    for stack, found in groupby(report.changes, key=lambda change: change.stack):
        listed = list(found)
        rows = "".join(_change(change, f"c{number + place}", places) for place, change in enumerate(listed))
        number += len(listed)
        parts.append(group(f"{stack}: {len(listed)}", rows))
    return section("changes", "Every change", *(parts or [_nothing("None.")]))


# What chapters are made of


def _findings(findings: Sequence[Finding], places: Places) -> Html:
    told = (_card(finding, [("", prose(finding.text)), ("mend", prose(finding.remedy))], places) for finding in findings)
    return Html("".join(told))


def _card(finding: Finding, told: Sequence[tuple[str, str]], places: Places) -> str:
    place = (finding.stack, finding.address)
    change = places.change(place)
    title = f"{level(finding.level)} <b>{finding.id}</b> {code(finding.address) if finding.address else ''}"
    where = _where(finding.stack, finding, places.link(place))
    return _framed(title, finding.level, told, f' id="{places.anchor(finding)}"{attributes(change, place, finding.level)}', where)


def _framed(title: str, kind: str, told: Sequence[tuple[str, str]], known: str, where: str) -> str:
    sentence = "".join(f"<p>{content}</p>" for name, content in told if not name and content)
    named = facts((name, content) for name, content in told if name)
    return (
        f'<article class="finding item {kind}" tabindex="0"{known}><h4>{title}</h4>{sentence}{named}<p class="where">{where}</p></article>'
    )


def _where(stack: str, found: Finding | Change | None, link: Html) -> str:
    """Where something stands: in the app, in the code, on this page."""
    parts = [code(found.construct_path or stack) if found else code(stack) if stack else ""]
    parts += [code(line) for line in found.source] if found else []
    return " · ".join(part for part in (*parts, link) if part and part != code(""))


def _change(change: Change, anchor: str, places: Places | None) -> str:
    """A change with its attributes; `places` says what was found on it."""
    place = (change.stack, change.address)
    found = places.levels.get(place) if places else None
    known = attributes(change, place, found)
    more = facts(
        {
            "construct": code(change.construct_path) if change.construct_path else "",
            "declared": Html(" ".join(map(code, change.source))),
            "moved from": code(change.moved_from) if change.moved_from else "",
            "adopts": code(change.imported) if change.imported else "",
            "because": text(change.reason),
            "order": "the new one is made before the old one goes" if change.create_first else "",
        }
    )
    rows = "".join(values(attribute, change) for attribute in change.attributes)
    attributes_ = f"<div class=wide><table class=values>{rows}</table></div>" if rows else ""
    said = f"<span class=soft>{quantity(len(change.attributes), 'attribute')}</span> {level(found) if found else ''}"
    return (
        f'<details class="change item {change.action}" id="{anchor}"{known}><summary><b class=sign>{SIGNS[change.action]}</b> '
        f"<span>{change.action}</span> {code(change.address)} {said}</summary>{more}{attributes_}</details>"
    )


def _nothing(sentence: str) -> Html:
    return Html(f"<p class=soft>{escape(sentence)}</p>")
