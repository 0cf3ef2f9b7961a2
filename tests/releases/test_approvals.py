"""Approvals: who may give one, for what and how long, and what makes one worthless."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from infra.terraform import bootstrap
from releases import approvals, ledger
from releases.approvals import Approval, ApprovalRefused
from releases.commit import Commit
from releases.digest import Planned
from releases.signing import SigningError
from tests.conftest import running_emulator
from tests.releases.people import KEY, acting_as

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=8)
APPROVER, OTHER = "ml-lead@example.com", "platform-lead@example.com"
COMMIT = Commit(id="a" * 40, author="engineer@example.com", committer="noreply@github.com", dirty=False)
PLAN = Planned(
    stack="staging-data",
    changes="1" * 64,
    configuration="2" * 64,
    lock_file="3" * 64,
    terraform="terraform 1.11.4",
    provider="google provider 6.50.0",
    lineage="f0d1",
    serial=4,
    commit=COMMIT.id,
)


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local Google Cloud that enforces permissions, with what a bootstrap of staging makes; the owner's key."""
    with running_emulator(tmp_path_factory.mktemp("google-cloud"), "--enforce") as described, pytest.MonkeyPatch.context() as patch:
        for variable, value in described["environment"].items():
            patch.setenv(variable, value)
        bootstrap("staging", lambda _: None)
        yield described["environment"][KEY]


def approved(who: str = APPROVER, plan: Planned = PLAN, **other: Any) -> Approval:
    given = {"planned_by": ["planner@example.com"], "commit": COMMIT, "report": "4" * 64, "until": UNTIL, "now": NOW, **other}
    with acting_as(who, "staging") as clients:
        return approvals.approve(clients, [plan], **given)


@pytest.fixture
def approval(staging: str) -> Approval:
    return approved()


@pytest.fixture
def applier(staging: str) -> Iterator[Clients]:
    """Clients of who applies."""
    with acting_as(Clients.of("staging").names.service_account("apply"), "staging") as clients:
        clients.storage()
        yield clients


def test_an_approval_is_read_back_from_the_ledger_and_holds(approval: Approval, applier: Clients) -> None:
    found = approvals.newest(ledger.entries(applier), "staging-data")
    assert found is not None
    entry, read = found
    assert (entry.by, read) == (APPROVER, approval)
    approvals.refuse(applier, read, PLAN, COMMIT, NOW)
    assert approvals.newest(ledger.entries(applier), "staging-network") is None


def test_for_a_new_plan_that_is_equal_the_approval_holds(approval: Approval, applier: Clients) -> None:
    anew = Planned(**PLAN.__dict__)
    approvals.refuse(applier, approval, anew, COMMIT, NOW + timedelta(hours=7))
    assert anew is not PLAN
    assert anew.digest == approval.stacks[anew.stack].digest


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ({"changes": "9" * 64}, "it would do something else"),
        ({"configuration": "9" * 64}, "the configuration moved"),
        ({"lock_file": "9" * 64}, "the provider lock file is another"),
        ({"terraform": "terraform 1.12.0"}, r"another Terraform made it \(terraform 1.11.4 → terraform 1.12.0\)"),
        ({"provider": "google provider 7.0.0"}, "another provider made it"),
        ({"lineage": "beef"}, "the state was made anew"),
        ({"serial": 5}, r"the state moved \(4 → 5\)"),
        ({"serial": 5, "changes": "9" * 64}, r"the state moved \(4 → 5\)\. "),
    ],
)
def test_a_stale_plan_is_refused_saying_what_moved(approval: Approval, applier: Clients, moved: dict[str, Any], words: str) -> None:
    with pytest.raises(ApprovalRefused, match=f"staging-data is stale.*{words}.*playbook approve --env staging"):
        approvals.refuse(applier, approval, replace(PLAN, **moved), COMMIT, NOW)


def test_an_expired_approval_is_refused(approval: Approval, applier: Clients) -> None:
    with pytest.raises(ApprovalRefused, match="expired at 2026-03-02T17:00"):
        approvals.refuse(applier, approval, PLAN, COMMIT, UNTIL + timedelta(seconds=1))


@pytest.mark.parametrize(
    "edit",
    [
        {"until": UNTIL + timedelta(days=30)},
        {"stacks": {"staging-data": replace(PLAN, changes="9" * 64)}},
        {"report": "9" * 64},
        {"at": NOW - timedelta(days=1)},
        {"planned_by": ()},
    ],
)
def test_an_edited_approval_is_refused(approval: Approval, applier: Clients, edit: dict[str, Any]) -> None:
    with pytest.raises(ApprovalRefused, match="was edited after it was signed"):
        approvals.refuse(applier, replace(approval, **edit), PLAN, COMMIT, NOW)


def test_an_approval_in_another_persons_name_is_refused(approval: Approval, applier: Clients) -> None:
    with pytest.raises(ApprovalRefused, match=f"is not the key of {OTHER}: somebody else gave it"):
        approvals.refuse(applier, replace(approval, by=OTHER), PLAN, COMMIT, NOW)
    key = applier.names.approver_key(OTHER)
    forged = replace(approval, by=OTHER, signature=replace(approval.signature, version=f"{key}/cryptoKeyVersions/1"))
    with pytest.raises(ApprovalRefused, match="was edited after it was signed"):
        approvals.refuse(applier, forged, PLAN, COMMIT, NOW)


def test_nobody_signs_with_somebody_elses_key(staging: str) -> None:
    from releases import signing

    with acting_as(OTHER, "staging") as clients, pytest.raises(SigningError, match=r"403: .*useToSign"):
        signing.sign(clients.session(), clients.names.approver_key(APPROVER), b"a plan")
    with acting_as(Clients.of("staging").names.service_account("apply"), "staging") as clients, pytest.raises(SigningError, match="403"):
        signing.sign(clients.session(), clients.names.approver_key(APPROVER), b"a plan")


def test_who_is_no_approver_is_refused(staging: str) -> None:
    with pytest.raises(ApprovalRefused, match=r"stranger@example.com is not among the approvers of environments/staging.yaml \(ml-lead"):
        approved("stranger@example.com")


def test_who_is_no_approver_any_more_has_approved_for_nothing(approval: Approval, applier: Clients) -> None:
    names = replace(applier.names, environment=applier.names.environment.model_copy(update={"approvers": [OTHER]}))
    with pytest.raises(ApprovalRefused, match=f"{APPROVER} is not among the approvers"):
        approvals.refuse(replace(applier, names=names), approval, PLAN, COMMIT, NOW)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"commit": replace(COMMIT, author=APPROVER)}, "wrote the commit"),
        ({"commit": replace(COMMIT, committer=APPROVER)}, "committed it"),
        ({"planned_by": [APPROVER]}, "made the plan"),
    ],
)
def test_nobody_approves_their_own_work(staging: str, own: dict[str, Any], words: str) -> None:
    with pytest.raises(ApprovalRefused, match=f"{APPROVER} {words}, and in staging.*Ask another approver: {OTHER}"):
        approved(**own)


def test_an_approval_that_became_ones_own_is_refused_when_it_is_applied(approval: Approval, applier: Clients) -> None:
    with pytest.raises(ApprovalRefused, match="nobody approves their own work"):
        approvals.refuse(applier, approval, PLAN, replace(COMMIT, author=APPROVER), NOW)


def test_a_plan_of_another_commit_is_refused(approval: Approval, applier: Clients) -> None:
    with pytest.raises(ApprovalRefused, match=r"the plans are of commit aaaaaaaaaaaa, and this checkout is at bbbbbbbbbbbb"):
        approvals.refuse(applier, approval, PLAN, replace(COMMIT, id="b" * 40), NOW)
    with pytest.raises(ApprovalRefused, match="are of commit bbbbbbbbbbbb"):
        approved(plan=replace(PLAN, commit="b" * 40))


def test_what_is_not_committed_is_refused_where_that_matters(approval: Approval, applier: Clients) -> None:
    with pytest.raises(ApprovalRefused, match="holds more than commit aaaaaaaaaaaa"):
        approvals.refuse(applier, approval, PLAN, replace(COMMIT, dirty=True), NOW)


@pytest.mark.parametrize(("until", "words"), [(NOW, "is over already"), (NOW + timedelta(days=8), "would hold for more than 7 days")])
def test_an_approval_ends_soon_and_not_in_the_past(staging: str, until: datetime, words: str) -> None:
    with pytest.raises(ApprovalRefused, match=words):
        approved(until=until)


def test_without_a_plan_nothing_is_signed(staging: str) -> None:
    with acting_as(APPROVER, "staging") as clients, pytest.raises(ApprovalRefused, match="no plan of staging to approve"):
        approvals.approve(clients, [], [], COMMIT, "", UNTIL, NOW)


def test_a_disabled_key_makes_an_approval_worthless_and_its_successor_signs(staging: str, applier: Clients) -> None:
    approval = approved(OTHER)
    key = applier.names.approver_key(OTHER)
    url = f"https://cloudkms.googleapis.com/v1/{key}/cryptoKeyVersions"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, staging)
        owner = Clients.of("staging").session()
        assert owner.patch(f"{url}/1?updateMask=state", json={"state": "DISABLED"}).ok
        with pytest.raises(SigningError, match="is not enabled"):
            approvals.refuse(applier, approval, PLAN, COMMIT, NOW)
        assert owner.post(url, json={}).ok
    again = approved(OTHER)
    assert again.signature.version.endswith("/cryptoKeyVersions/2")
    approvals.refuse(applier, again, PLAN, COMMIT, NOW)


@pytest.mark.parametrize("body", [{}, {"signed": {}}, {"signed": {"stacks": {"a": {"b": 1}}}}])
def test_an_entry_without_an_approval_is_said(body: dict[str, Any]) -> None:
    entry = ledger.Entry(number=7, kind="approval", at=NOW, by="x@example.com", digest="", body=body)
    with pytest.raises(ApprovalRefused, match="entry 7 of the ledger holds no approval"):
        approvals.read(entry)


def test_what_is_signed_says_everything_and_names_no_secret(approval: Approval, tmp_path: Path) -> None:
    said = json.loads(approval.payload)
    assert said.keys() == {"environment", "by", "at", "until", "report", "planned_by", "stacks"}
    assert Planned(**said["stacks"]["staging-data"]) == PLAN
