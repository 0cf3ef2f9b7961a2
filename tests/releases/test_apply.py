"""Apply in a protected environment: the approved plan and no other, once, and after a kill from where it stopped."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from infra.review import ours
from infra.terraform import apply, approved, kept, plan, runner, wrapped
from infra.terraform.stack import Counts
from infra.terraform.together import Result
from releases import approvals, commit, ledger
from releases.digest import Planned
from tests.releases.people import GIT, acting_as

APPROVER = "ml-lead@example.com"
STACKS = ["features", "monitoring"]


pytestmark = pytest.mark.long


def deployed(folder: Path, stacks: list[str]) -> list[Result]:
    return apply("staging", stacks, folder, lambda _: None, rehearsal=True)


def errors(results: list[Result]) -> list[str]:
    return [result.error for result in results if result.error]


def consent(root: Path, folder: Path, stacks: list[str], keep: bool) -> dict[str, Planned]:
    """Plan as who plans, keep the plans, and approve them as an approver."""
    with acting_as(Clients.of("staging").names.service_account("plan"), "staging"):
        assert errors(plan("staging", stacks, folder, lambda _: None, rehearsal=True)) == []
        results, found = runner.shown("staging", stacks, folder, lambda _: None)
        assert errors(results) == []
        if keep:
            results, entry = runner.keep("staging", lambda _: "4" * 64, stacks, folder, lambda _: None)
            assert errors(results) == []
            assert entry is not None
    planned = {id_: saved.planned for id_, saved in found.items()}
    with acting_as(APPROVER, "staging") as clients:
        now = datetime.now(UTC)
        makers = [saved.by for saved in found.values()]
        approvals.approve(clients, list(planned.values()), makers, commit.of(root), "4" * 64, now + timedelta(hours=1), now)
    return planned


def test_the_approved_plans_are_applied_from_another_folder_once_and_are_gone(checkout: Path, tmp_path: Path) -> None:
    clients = Clients.of("staging")
    planned = consent(checkout, tmp_path / "planner", STACKS, keep=True)
    assert {one.commit for one in planned.values()} == {commit.of(checkout).id}
    assert len(list(clients.storage().list_blobs(clients.names.plan_bucket))) == 2

    results = deployed(tmp_path / "applier", STACKS)
    assert errors(results) == []
    assert all(result.counts.added for result in results)
    assert list(clients.storage().list_blobs(clients.names.plan_bucket)) == [], "a plan holds secrets, and was used"
    entries = ledger.entries(clients)
    assert [entry.kind for entry in entries[:2]] == ["plan", "approval"]
    told = [(entry.body["stack"], entry.body["outcome"]) for entry in entries if entry.kind == "apply"]
    for stack in planned:
        assert told.index((stack, "begun")) < told.index((stack, "done"))
    # Once more, as after a kill between two stacks: what is done is not done again.
    assert [result.counts for result in deployed(tmp_path / "applier", STACKS)] == [Counts(), Counts()]
    assert len(ledger.entries(clients)) == len(entries)


def test_what_nobody_approved_and_what_was_approved_otherwise_is_refused(checkout: Path, tmp_path: Path) -> None:
    assert errors(plan("staging", ["data"], tmp_path, lambda _: None, rehearsal=True)) == []
    ledger.append(Clients.of("staging"), "plan", {"report": "", "stacks": {}})
    [error] = errors(deployed(tmp_path, ["data"]))
    assert "nobody has approved a plan of staging-data" in error
    consent(checkout, tmp_path, ["data"], keep=False)
    reviewed = tmp_path / "staging" / "stacks" / "staging-data" / "plan.json"
    content = json.loads(reviewed.read_text())
    reviewed.write_text(json.dumps({**content, "terraform": "terraform 0.0.1"}))
    [error] = errors(deployed(tmp_path, ["data"]))
    assert "another Terraform made it" in error
    reviewed.write_text(json.dumps(content))

    (checkout / "README").write_text("changed\n")
    [error] = errors(deployed(tmp_path, ["data"]))
    assert "holds more than commit" in error
    subprocess.run([*GIT, "commit", "-qam", "second"], cwd=checkout, check=True)
    [error] = errors(deployed(tmp_path, ["data"]))
    assert "Check out the commit that was planned" in error
    subprocess.run([*GIT, "reset", "-q", "--hard", "HEAD~1"], cwd=checkout, check=True)


def test_a_review_names_those_alone_whose_signature_holds(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients.of("staging")
    consent(checkout, tmp_path, ["training"], keep=False)
    monkeypatch.setattr(ours, "ROOT", checkout)
    _, found = runner.shown("staging", ["training"], tmp_path, lambda _: None)

    def approved_by() -> tuple[str, ...]:
        return ours.of_environment("staging", found, (tmp_path / "staging").absolute(), datetime.now(UTC)).sign_off.approved_by

    assert approved_by() == (APPROVER,)
    genuine: Any = ledger.newest(ledger.entries(clients), "approval")
    longer = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    ledger.append(clients, "approval", {**genuine.body, "signed": {**genuine.body["signed"], "until": longer}})
    assert approved_by() == (), "its end was edited after it was signed"


def test_an_equal_plan_made_anew_is_let_through_also_by_the_wrapper_and_another_is_not(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    consent(checkout, tmp_path / "first", ["network"], keep=False)
    assert errors(plan("staging", ["network"], tmp_path / "second", lambda _: None, rehearsal=True)) == []
    # Without it the stand-in alone would be refused, where there is no google provider.
    monkeypatch.setattr("infra.terraform.providers.refuse_stand_in", lambda *_: None)
    folder = tmp_path / "second" / "staging" / "stacks" / "staging-network"
    monkeypatch.chdir(folder)
    assert wrapped.main(["apply", "-auto-approve"]) == 1
    assert "nobody has approved what would be planned now" in capfd.readouterr().err
    assert wrapped.main(["destroy"]) == 1
    (folder / "plan.json").rename(folder / "aside.json")
    assert wrapped.main(["apply", "-input=false", "-lock=false", "plan"]) == 0
    assert wrapped.main(["apply", "-input=false", "-lock=false", "plan"]) == 1, "Terraform itself refuses a plan that was applied"
    assert "Saved plan is stale" in capfd.readouterr().err


def test_an_apply_that_was_left_half_way_is_refused_with_the_reason(checkout: Path, tmp_path: Path) -> None:
    clients = Clients.of("staging")
    planned = consent(checkout, tmp_path, ["workbench"], keep=True)["staging-workbench"]
    approval = ledger.entries(clients)[-1]
    approved._tell(clients, approval.number, planned, "begun", Counts())
    # Nothing was written to the state: the same plan goes on.
    blob = clients.storage().bucket(clients.names.state_bucket).blob("staging-workbench/default.tfstate")
    before = blob.download_as_bytes()
    state = json.loads(before)
    blob.upload_from_string(json.dumps({**state, "serial": state["serial"] + 1}))
    [error] = errors(deployed(tmp_path / "other", ["workbench"]))
    assert "was left half-way" in error
    assert f"from serial {planned.serial} to {planned.serial + 1}" in error
    blob.upload_from_string(before)
    assert errors(deployed(tmp_path / "other", ["workbench"])) == []


def test_a_kept_plan_that_was_changed_or_is_gone_is_refused(checkout: Path, tmp_path: Path) -> None:
    clients = Clients.of("staging")
    consent(checkout, tmp_path / "planner", ["serving"], keep=True)
    entry: Any = ledger.newest(ledger.entries(clients), "plan")
    [held] = entry.body["stacks"].values()
    bucket = clients.storage().bucket(clients.names.plan_bucket)
    blob = bucket.blob(held["object"])
    content = blob.download_as_bytes()
    blob.upload_from_string(content + b"x")
    [error] = errors(deployed(tmp_path / "applier", ["serving"]))
    assert "is no longer at gs://" in error, "another generation is not the plan that the ledger names"
    blob.delete()
    [error] = errors(deployed(tmp_path / "applier", ["serving"]))
    assert "make plan ENV=staging" in error
    assert kept.holding(ledger.entries(clients), kept.plans(entry)["staging-serving"]) == entry
