"""Every seeded change gives the finding that it names, and a harmless one gives none that anybody is asked about."""

import datetime
from collections.abc import Sequence
from typing import get_args

import pytest

from infra.price.book import book
from infra.review import plan
from infra.review.cost import costs
from infra.review.report import Access, Blast, Finding, FindingId, Policies, Promoted, Report
from infra.review.review import Context, review
from tests.review import risks
from tests.review.risks import REGION, Case, Change, cases

TODAY = datetime.date(2026, 11, 27)
SEEDED = [case for case in cases() if case.finds]
HARMLESS = list(cases("harmless"))
ELSEWHERE = {"over-budget", "changed-outside", *get_args(Policies), *get_args(Blast), *get_args(Promoted)}
"""What one plan cannot have by itself: it comes of an environment, of a base, of other stacks or of code, and has tests there."""


def named(case: Case) -> str:
    return case.what.replace(" ", "-")


def reviewed(changes: Sequence[Change]) -> Report:
    read = plan.read(risks.plan(changes), "shop")
    cost = costs(read.resources, {"shop": REGION}, book(), TODAY)
    return review([read], Context(today=TODAY, domains=["example.com"], cost=cost))


def asked(findings: Sequence[Finding]) -> list[str]:
    """The findings that stop a change or ask for an approval."""
    return [f"{found.id} {found.address}: {found.text}" for found in findings if found.level != "note"]


def test_the_corpus_is_large_says_nothing_twice_and_covers_every_finding() -> None:
    assert len(SEEDED) >= 60
    assert len(HARMLESS) >= 20
    assert len({case.what for case in cases()}) == len(SEEDED) + len(HARMLESS)
    known = {id_ for part in get_args(FindingId) for id_ in (get_args(part) or [part])}
    assert {case.finds for case in SEEDED} == known - ELSEWHERE
    assert len({case.type for case in cases()}) >= 60


@pytest.mark.parametrize("case", SEEDED, ids=named)
def test_a_seeded_change_gives_the_finding_that_it_names(case: Case) -> None:
    findings = reviewed(case.changes).findings
    # What a whole stack costs has no address.
    levels = [found.level for found in findings if found.id == case.finds and found.address in (case.address, "")]
    assert levels, [f"{found.level} {found.id} {found.address}" for found in findings]
    assert case.level in levels if case.level else set(levels) - {"note"}


@pytest.mark.parametrize("case", HARMLESS, ids=named)
def test_nobody_is_asked_about_a_harmless_change(case: Case) -> None:
    report = reviewed(case.changes)
    assert asked(report.findings) == []
    assert report.verdict.level == "ROUTINE"


@pytest.mark.parametrize("case", SEEDED, ids=named)
def test_what_does_not_change_is_not_found(case: Case) -> None:
    before = [change for change in case.changes if change.actions != ("create",)]
    kept = [Change(type=change.type, name=change.name, before=change.before, actions=("no-op",)) for change in before]
    assert [found.id for found in reviewed(kept).findings] == []


def test_every_seeded_change_is_found_among_all_the_others() -> None:
    numbered = [
        case.model_copy(
            update={
                "name": f"{case.name}-{number}",
                "also": tuple(other.model_copy(update={"name": f"{other.name}-{number}"}) for other in case.also),
            }
        )
        for number, case in enumerate(SEEDED)
        # The corpus grants the same role to the same member in many ways, and who holds a role already gets nothing new.
        if case.finds not in get_args(Access)
    ]
    report = reviewed([change for case in numbered for change in case.changes])
    found = {(finding.id, finding.address) for finding in report.findings}
    missing = [case.what for case in numbered if not {(case.finds, case.address), (case.finds, "")} & found]
    assert missing == []
    assert report.verdict.level == "BLOCK"


def test_a_case_with_a_name_that_the_provider_does_not_know_is_refused() -> None:
    with pytest.raises(LookupError, match="force_destory"):
        risks.plan([Change(type="google_storage_bucket", after={"force_destory": True})])
