"""From the review to the consent, with the commands that people use, and what was changed behind Terraform's back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from infra.review import __main__ as review
from infra.review import drift
from infra.terraform import __main__ as terraform
from infra.terraform import apply, approve, bootstrap, runner
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google
from releases import ledger
from tests.releases.people import acting_as, at_work

pytestmark = pytest.mark.long
APPROVER = "ml-lead@example.com"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A local Google Cloud of our own, and a clean checkout that the plans are of."""
    root = tmp_path_factory.mktemp("checkout")
    with at_work(root, tmp_path_factory.mktemp("google-cloud")):
        for environment in ("staging", "dev"):
            bootstrap(environment, lambda _: None)
        yield


def test_what_was_reviewed_is_kept_approved_and_applied_and_a_tampered_review_is_refused(
    cloud: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "planner", tmp_path / "review"
    chosen = ["--env", "staging", "--stack", "monitoring", "--folder", str(folder)]
    with acting_as(Clients.of("staging").names.service_account("plan"), "staging"):
        assert review.main([*chosen, "--rehearsal", "--out", str(out)]) == 0
        assert terraform.main(["keep", *chosen, "--report", str(out / "review.json")]) == 0
    report = out / "review.json"
    written = report.read_text()
    said = json.loads(written)
    report.write_text(json.dumps({**said, "destroys": said["destroys"]}))
    approving = ["approve", "--env", "staging", "--until", "8h", "--report", str(report)]
    with acting_as(APPROVER, "staging"):
        assert terraform.main(approving) == 2
        assert "is not the review that was kept with the plans, or was changed" in capsys.readouterr().err
        report.write_text(written)
        assert terraform.main(approving) == 0
    with acting_as(Clients.of("staging").names.service_account("apply"), "staging"):
        [result] = apply("staging", ["monitoring"], tmp_path / "applier", lambda _: None, rehearsal=True)
    assert result.error == ""
    assert result.counts.added
    assert [entry.kind for entry in ledger.entries(Clients.of("staging"))] == ["plan", "approval", "apply", "apply"]


def test_a_review_of_other_plans_or_none_or_one_that_blocks_is_not_approved(cloud: None, tmp_path: Path) -> None:
    chosen = ["--env", "dev", "--stack", "network", "--folder", str(tmp_path / "dev")]
    assert review.main([*chosen, "--rehearsal", "--out", str(tmp_path)]) in (0, 3)
    _, found = runner.shown("dev", ["network"], tmp_path / "dev", lambda _: None)
    planned = {id_: saved.planned for id_, saved in found.items()}
    report = tmp_path / "review.json"
    said: dict[str, Any] = json.loads(report.read_text())

    def refused(words: str, **edit: Any) -> None:
        report.write_text(json.dumps({**said, **edit}))
        with pytest.raises(TerraformFailed, match=words):
            approve.pinned(report, "dev", planned, "Nothing was signed.")

    refused("says BLOCK, which nobody can approve", verdict={**said["verdict"], "level": "BLOCK"})
    refused("is not the review of what would be approved", subject={**said["subject"], "environment": "prod"})
    [stack] = said["subject"]["stacks"]
    refused("the plans of dev-network are others now", subject={**said["subject"], "stacks": [{**stack, "plan": "0" * 64}]})
    refused("is no review", surprise=1)
    with pytest.raises(TerraformFailed, match="there is no review at"):
        approve.pinned(tmp_path / "nowhere.json", "dev", planned, "Nothing was signed.")


def test_what_was_changed_behind_terraforms_back_is_reported_and_the_ledger_knows_that_somebody_looked(
    cloud: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = Clients.of("dev").names
    assert [it.error for it in apply("dev", ["monitoring"], tmp_path, lambda _: None, rehearsal=True)] == [""]
    looking = ["--env", "dev", "--stack", "monitoring", "--folder", str(tmp_path), "--rehearsal", "--out", str(tmp_path / "drift")]
    assert drift.main(looking) == 0
    topic = f"projects/{names.project}/topics/{names.topic('alerts')}"
    labels = {"topic": {"name": topic, "labels": {"by": "hand"}}, "updateMask": "labels"}
    Google().call("PATCH", f"https://pubsub.googleapis.com/v1/{topic}", None, labels)
    ledger.append(Clients.of("dev"), "break-glass", {"reason": "nothing works", "until": "2026-03-01T12:00:00+00:00"})
    assert drift.main(looking) == drift.MOVED
    said = capsys.readouterr().out
    assert "google_pubsub_topic.alerts" in said
    assert "break-glass: " in said
    found = json.loads((tmp_path / "drift" / "review.json").read_text())
    assert found["subject"]["kind"] == "drift"
    assert found["sign_off"]["break_glass"][0]["reason"] == "nothing works"
    looked = [entry.body["changes"] for entry in ledger.entries(Clients.of("dev")) if entry.kind == "drift"]
    assert looked[0] == 0
    assert looked[1] >= 1
