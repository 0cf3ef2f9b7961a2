"""The section on policies: what the planned configuration breaks and the base did not, what it mends, and what is waived until when."""

import copy
import dataclasses
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from infra.policies import waivers
from infra.policies.review import broken, located
from infra.policies.rules import RULES
from infra.policies.scanner import Scan, scan
from infra.policies.subject import Finding as Breach
from infra.policies.subject import SynthesisedStack
from infra.policies.waivers import Waiver, Waivers
from infra.review.change import Planned
from infra.review.declared import declared
from infra.review.report import Finding, FindingId, Level, PolicyChanges, PolicyRow, ordered

SOON_DAYS = 30
"""A waiver that ends within these days is mentioned: from that day on its rule is broken."""
REMEDIES = {policy.id: f"{policy.remedy}." for policy in RULES}
CHECKOV = "See what the check asks for, or waive it in infra/policies/waivers.yaml with a reason, an owner and an end."
Scanner = Callable[[Sequence[SynthesisedStack]], Scan]


def policies(
    stacks: Sequence[SynthesisedStack],
    base: Sequence[SynthesisedStack],
    waived: Waivers,
    today: datetime.date,
    compared_with: str,
    scanned: Scanner = scan,
) -> PolicyChanges:
    """Our own rules and checkov over what is planned, compared with the same over a base.

    Args:
        stacks: the synthesised stacks that were planned.
        base: the same before: synthesised from another commit, or `reverted`.
        waived: the waivers.
        today: the day on which they count.
        compared_with: what the base is, in words.
        scanned: checkov.

    Raises:
        NothingToCheck: when checkov looked at nothing.
    """
    before = {stack.id: stack for stack in base}
    moved = [stack for stack in base if stack.document != next((it.document for it in stacks if it.id == stack.id), None)]
    external = located(scanned(stacks).findings, stacks)
    # A stack that is as it was is not looked at twice.
    unmoved = [breach for breach in external if breach.stack in before and breach.stack not in {stack.id for stack in moved}]
    old = [*broken(base), *unmoved, *(located(scanned(moved).findings, moved) if any(stack.resources for stack in moved) else ())]
    known = {_key(breach) for breach in old}
    judged = waivers.judge([*broken(stacks), *external], waived, today)
    new = [breach for breach in judged.open if _key(breach) not in known]
    still = {_key(breach) for breach in (*judged.open, *(breach for breach, _ in judged.waived))}
    fixed = [breach for breach in old if _key(breach) not in still]
    found = [
        *(_finding("policy-new", "block", breach, "") for breach in new),
        *(_finding("policy-fixed", "note", breach, "") for breach in fixed),
        *(
            _finding("policy-waived", "note", breach, _until(waiver))
            for breach, waiver in judged.waived
            if _key(breach) not in known or (waiver.expires - today).days <= SOON_DAYS
        ),
    ]
    rows = [
        *(_row("new", breach) for breach in new),
        *(_row("fixed", breach) for breach in fixed),
        *(_row("waived", breach, waiver) for breach, waiver in judged.waived),
    ]
    return PolicyChanges(
        findings=ordered(found),
        rows=tuple(sorted(rows, key=lambda row: (row.change, row.stack, row.address, row.rule, row.text))),
        rules=len(RULES),
        resources=sum(len(stack.resources) for stack in stacks),
        compared_with=compared_with,
    )


def reverted(stacks: Iterable[SynthesisedStack], resources: Iterable[Planned]) -> list[SynthesisedStack]:
    """The stacks as the state has them: what the plans change is put back, and everything else is as it is planned."""
    changes: dict[str, list[Planned]] = {}
    for it in resources:
        if it.change:
            changes.setdefault(it.stack, []).append(it)
    return [dataclasses.replace(stack, document=_put_back(stack.document, changes.get(stack.id, ()))) for stack in stacks]


def _put_back(document: dict[str, Any], changes: Sequence[Planned]) -> dict[str, Any]:
    if not changes:
        return document
    document = copy.deepcopy(document)
    for it in changes:
        types, id_ = document.setdefault("resource", {}), it.address.partition(".")[2]
        if it.before is None:
            types.get(it.type, {}).pop(id_, None)
            continue
        was = declared(it.before)
        body = types.setdefault(it.type, {}).get(id_)
        if body is None:
            types[it.type][id_] = {**was, "//": {"metadata": {"path": it.construct_path}}}
            continue
        for attribute in {change.path.partition(".")[0] for change in it.change.attributes} if it.change else ():
            if attribute in was:
                body[attribute] = was[attribute]
            else:
                body.pop(attribute, None)
    return document


def _key(breach: Breach) -> tuple[str, str, str]:
    """What makes two breaches the same; the sentence may hold a value that moved."""
    return breach.stack, breach.address, breach.rule


def _parted(breach: Breach) -> tuple[str, str]:
    """What is wrong, and what mends it."""
    remedy = REMEDIES.get(breach.rule, CHECKOV)
    return breach.message.removesuffix(remedy).strip().removesuffix("."), remedy


def _until(waiver: Waiver) -> str:
    return f" (waived until {waiver.expires} by {waiver.owner}: {waiver.reason})"


def _finding(id_: FindingId, level: Level, breach: Breach, more: str) -> Finding:
    text, remedy = _parted(breach)
    return Finding(
        id=id_,
        level=level,
        stack=breach.stack,
        address=breach.address,
        text=f"[{breach.rule}] {text}{more}",
        remedy=remedy,
        construct_path=breach.construct,
        source=breach.source,
    )


def _row(change: Literal["new", "fixed", "waived"], breach: Breach, waiver: Waiver | None = None) -> PolicyRow:
    return PolicyRow(
        change=change,
        rule=breach.rule,
        stack=breach.stack,
        address=breach.address,
        text=_parted(breach)[0],
        reason=waiver.reason if waiver else "",
        owner=waiver.owner if waiver else "",
        expires=waiver.expires if waiver else None,
        construct_path=breach.construct,
        source=breach.source,
    )
