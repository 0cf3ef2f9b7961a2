"""What a change breaks and mends of the policies, and what is waived: compared with another commit, or with the state."""

import copy
import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.app import synthesise
from infra.policies import waivers
from infra.policies.scanner import Scan, scan
from infra.policies.subject import SynthesisedStack, read
from infra.policies.waivers import Waivers
from infra.review.policies import policies, reverted
from infra.review.report import Finding, PolicyChanges, PolicyRow
from tests.review import planned

TODAY = datetime.date(2026, 11, 27)
BASE = "commit 0123456"


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> list[SynthesisedStack]:
    out = tmp_path_factory.mktemp("synthesised")
    synthesise(["dev"], out)
    return read(out, ["dev"])


def unscanned(stacks: Sequence[SynthesisedStack]) -> Scan:
    """Our own rules alone: checkov takes seconds, and one test below asks it."""
    return Scan(passed=0, findings=())


def named(stacks: Sequence[SynthesisedStack], address: str) -> tuple[SynthesisedStack, str]:
    """The stack and the full address of a resource by the beginning of its address."""
    return next((stack, resource.address) for stack in stacks for resource in stack.resources if resource.address.startswith(address))


def edited(stacks: Sequence[SynthesisedStack], address: str, **attributes: Any) -> list[SynthesisedStack]:
    """The stacks with attributes of one resource replaced; None removes one."""
    stack, full = named(stacks, address)
    document = copy.deepcopy(stack.document)
    type_, _, id_ = full.partition(".")
    body = document["resource"][type_][id_]
    body.update(attributes)
    document["resource"][type_][id_] = {key: value for key, value in body.items() if value is not None}
    return [dataclasses.replace(it, document=document) if it is stack else it for it in stacks]


def delta(stacks: Sequence[SynthesisedStack], base: Sequence[SynthesisedStack], waived: Waivers | None = None) -> PolicyChanges:
    return policies(stacks, base, waived or waivers.load(), TODAY, BASE, unscanned)


def rows(changes: PolicyChanges, change: str) -> list[PolicyRow]:
    return [row for row in changes.rows if row.change == change]


def found(changes: PolicyChanges, id_: str) -> list[Finding]:
    return [finding for finding in changes.findings if finding.id == id_]


def test_the_same_stacks_break_and_mend_nothing_and_what_is_waived_says_why_by_whom_and_until_when(stacks: list[SynthesisedStack]) -> None:
    changes = delta(stacks, stacks)
    assert (rows(changes, "new"), rows(changes, "fixed"), changes.findings) == ([], [], ())
    assert changes.compared_with == BASE
    assert changes.resources == sum(len(stack.resources) for stack in stacks) > 100
    assert changes.rules > 20
    assert rows(changes, "waived")
    assert all(row.reason and row.owner and row.expires and row.expires > TODAY for row in rows(changes, "waived"))


def test_a_rule_that_is_broken_anew_stops_the_change_and_names_the_construct_and_the_line(stacks: list[SynthesisedStack]) -> None:
    changed = edited(stacks, "google_storage_bucket.raw_", public_access_prevention="inherited")
    changes = delta(changed, stacks)
    (finding,) = found(changes, "policy-new")
    assert (finding.level, finding.stack) == ("block", "dev-data")
    assert "[public-access]" in finding.text
    assert finding.construct_path == "dev-data/raw/bucket"
    assert finding.source[0].startswith("infra/components/bucket.py:")
    assert finding.remedy
    assert finding.remedy not in finding.text
    assert [row.rule for row in rows(changes, "new")] == ["public-access"]


def test_a_rule_that_is_no_longer_broken_is_mended(stacks: list[SynthesisedStack]) -> None:
    broken = edited(stacks, "google_storage_bucket.raw_", public_access_prevention="inherited")
    changes = delta(stacks, broken)
    assert [(finding.id, finding.level) for finding in changes.findings] == [("policy-fixed", "note")]
    assert [row.rule for row in rows(changes, "fixed")] == ["public-access"]


def test_what_was_broken_before_is_neither_new_nor_mended(stacks: list[SynthesisedStack]) -> None:
    broken = edited(stacks, "google_storage_bucket.raw_", public_access_prevention="inherited")
    worse = edited(broken, "google_storage_bucket.raw_", labels={"a": "b"})
    assert [row.rule for row in rows(delta(worse, broken), "new") if row.rule == "public-access"] == []


def waiver(until: datetime.date) -> Waivers:
    said = {"rules": ["public-access"], "where": "dev-data/*", "reason": "a page for everybody", "owner": "team", "expires": until}
    return Waivers.model_validate({"waivers": [*waivers.load().waivers, {**said, "reason": "everybody may read this page"}]})


def test_a_rule_that_is_broken_and_waived_is_a_note_with_reason_owner_and_end(stacks: list[SynthesisedStack]) -> None:
    changed = edited(stacks, "google_storage_bucket.raw_", public_access_prevention="inherited")
    changes = delta(changed, stacks, waiver(TODAY + datetime.timedelta(days=300)))
    (finding,) = changes.findings
    assert (finding.id, finding.level) == ("policy-waived", "note")
    assert "everybody may read this page" in finding.text
    assert any(row.rule == "public-access" and row.owner == "team" for row in rows(changes, "waived"))


def test_a_waiver_that_is_over_waives_nothing(stacks: list[SynthesisedStack]) -> None:
    changed = edited(stacks, "google_storage_bucket.raw_", public_access_prevention="inherited")
    assert [finding.level for finding in delta(changed, stacks, waiver(TODAY)).findings] == ["block"]


def test_a_waiver_that_is_about_to_end_is_mentioned_although_nothing_changes(stacks: list[SynthesisedStack]) -> None:
    changed = edited(stacks, "google_storage_bucket.raw_", public_access_prevention="inherited")
    soon = delta(changed, changed, waiver(TODAY + datetime.timedelta(days=7)))
    assert [(finding.id, finding.level) for finding in soon.findings] == [("policy-waived", "note")]
    assert delta(changed, changed, waiver(TODAY + datetime.timedelta(days=300))).findings == ()


def test_checkov_is_asked_as_well_and_only_about_what_differs(stacks: list[SynthesisedStack]) -> None:
    asked: list[list[str]] = []

    def watched(of: Sequence[SynthesisedStack]) -> Scan:
        asked.append(sorted(stack.id for stack in of))
        return scan(of)

    some = [stack for stack in stacks if stack.id in ("dev-data", "dev-training")]
    changed = edited(some, "google_storage_bucket.raw_", versioning=[{"enabled": False}])
    changes = policies(changed, some, waivers.load(), TODAY, BASE, watched)
    assert asked == [["dev-data", "dev-training"], ["dev-data"]]
    assert "CKV_GCP_78" in {row.rule for row in rows(changes, "new")}
    assert all(finding.remedy for finding in changes.findings)


# The state as the base


def changed(stacks: Sequence[SynthesisedStack], address: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Any:
    stack, full = named(stacks, address)
    return planned.read(stack.id, planned.entry(full, before, after))


def test_without_another_commit_the_base_is_what_the_state_says(stacks: list[SynthesisedStack]) -> None:
    now = edited(stacks, "google_storage_bucket.raw_", public_access_prevention="inherited")
    computed: dict[str, Any] = {"id": "raw", "self_link": "x", "labels": None, "cors": []}
    before = {"name": "raw", "public_access_prevention": "enforced", **computed}
    plan = changed(now, "google_storage_bucket.raw_", before, {**before, "public_access_prevention": "inherited"})
    base = reverted(now, plan)
    assert [row.rule for row in rows(delta(now, base), "new")] == ["public-access"]
    assert [row.rule for row in rows(delta(base, now), "fixed")] == ["public-access"]


def test_what_is_made_is_not_in_the_base_and_what_goes_is(stacks: list[SynthesisedStack]) -> None:
    stack, full = named(stacks, "google_storage_bucket.raw_")
    made = reverted(stacks, planned.read(stack.id, planned.entry(full, None, {"name": "raw"})))
    assert full not in {resource.address for it in made for resource in it.resources}
    gone = planned.read(stack.id, planned.entry("google_storage_bucket.old", {"name": "old", "location": "EU", "cors": []}, None))
    base = next(it for it in reverted(stacks, gone) if it.id == stack.id)
    (old,) = [resource for resource in base.resources if resource.address == "google_storage_bucket.old"]
    assert old.body == {"name": "old", "location": "EU"}
    assert rows(delta(stacks, reverted(stacks, gone)), "fixed")


def test_a_stack_that_does_not_change_is_left_as_it_is(stacks: list[SynthesisedStack]) -> None:
    kept = reverted(stacks, planned.read("dev-data", planned.stands("google_storage_bucket.a", name="a")))
    assert [stack.document for stack in kept] == [stack.document for stack in stacks]


def test_the_stacks_of_another_environment_are_told_apart(tmp_path: Path) -> None:
    synthesise(["dev"], tmp_path)
    first, second = read(tmp_path, ["dev"]), read(tmp_path, ["dev"])
    assert delta(first, second) == delta(second, list(reversed(first)))
