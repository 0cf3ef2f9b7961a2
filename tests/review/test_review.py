"""The joined report and the command that writes it: stable, complete, valid, and honest about what it could not read."""

import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from infra.review import plan
from infra.review.__main__ import main
from infra.review.base import BaseUnreadable, synthesised
from infra.review.foreign import of_files
from infra.review.plan import PlanUnreadable
from infra.review.report import LEVELS, Finding, PlannedStack, Report, Subject, digest, from_json, to_json
from infra.review.review import Context, review
from infra.review.verdict import verdict
from infra.schemas import FOLDER
from infra.terraform import runner
from releases.digest import Planned, of_all
from tests.review.planned import entry
from tests.review.risks import cases
from tests.review.risks import plan as seeded

ROOT = Path(__file__).parents[2]
TODAY = datetime.date(2026, 11, 27)


def everything() -> dict[str, Any]:
    """A plan with one change of every type that the corpus seeds."""
    found = {change.type: change for case in cases() for change in case.changes}
    return seeded(list(found.values()))


def reviewed(*documents: dict[str, Any], **context: Any) -> Report:
    plans = [plan.read(document, f"stack-{number}") for number, document in enumerate(documents)]
    return review(plans, Context(today=TODAY, **context))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(everything()), encoding="utf-8")
    return path


def test_the_same_plans_give_the_same_bytes_in_whatever_order(file: Path) -> None:
    document = json.loads(file.read_text())
    document["resource_changes"].reverse()
    document["timestamp"] = "2027-01-01T00:00:00Z"
    other = {"format_version": "1.2", "resource_changes": [entry("google_pubsub_topic.a", None, {"name": "a"})]}
    first = reviewed(everything(), other)
    again = review([plan.read(other, "stack-1"), plan.read(document, "stack-0")], Context(today=TODAY))
    assert to_json(first) == to_json(again)
    assert digest(first) == digest(again)


def test_a_report_is_read_back_as_it_was_written() -> None:
    report = reviewed(everything())
    assert from_json(to_json(report)) == report


def test_a_report_fits_the_published_schema() -> None:
    schema = json.loads((FOLDER / "review.schema.json").read_text(encoding="utf-8"))
    document = json.loads(to_json(reviewed(everything())))
    jsonschema.validate(document, schema)
    document["verdict"]["level"] = "FINE"
    with pytest.raises(jsonschema.ValidationError, match="FINE"):
        jsonschema.validate(document, schema)


def test_a_report_with_an_unknown_word_is_refused() -> None:
    document = json.loads(to_json(reviewed(everything())))
    document["destroys"]["findings"][0]["level"] = "fine"
    with pytest.raises(ValidationError, match="level"):
        from_json(json.dumps(document))


def test_every_list_of_findings_starts_with_the_gravest() -> None:
    report = reviewed(everything())
    for section in (
        report.destroys.findings,
        report.destroys.protection,
        report.access.findings,
        report.exposure.findings,
        report.findings,
    ):
        levels = [LEVELS.index(finding.level) for finding in section]
        assert len(levels) > 3
        assert levels == sorted(levels)


def test_every_change_is_listed_and_counted_and_told_of_in_one_place_at_least() -> None:
    report = reviewed(everything())
    (stack,) = report.subject.stacks
    done = stack.tally.create + stack.tally.update + stack.tally.replace + stack.tally.delete + stack.tally.forget
    assert done == len([change for change in report.changes if change.action not in ("import", "move", "read")]) > 50
    rest = sum(row.count for row in report.rest.rows)
    told = {(finding.stack, finding.address) for finding in report.findings}
    assert rest + len(told) >= len(report.changes)


def test_what_is_lost_with_its_data_stands_first() -> None:
    stateful = [lost.stateful for lost in reviewed(everything()).destroys.resources]
    assert stateful == sorted(stateful, reverse=True)
    assert True in stateful
    assert False in stateful


def test_the_digest_of_the_verdict_is_what_an_approval_names() -> None:
    planned = Planned(
        stack="stack-0", changes="c", configuration="f", lock_file="", terraform="t", provider="p", lineage="l", serial=3, commit="a"
    )
    subject = Subject(stacks=(PlannedStack(id="stack-0", plan=planned.digest),))
    assert reviewed(everything(), subject=subject).verdict.digest == of_all({planned.stack: planned.digest})


def test_nothing_to_do_is_routine() -> None:
    report = reviewed({"format_version": "1.2", "resource_changes": []})
    assert (report.verdict.level, report.verdict.reasons, report.changes) == ("ROUTINE", (), ())


def test_the_gravest_finding_decides_and_each_kind_is_said_once() -> None:
    def found(id_: str, level: str, address: str) -> Finding:
        return Finding.model_validate({"id": id_, "level": level, "stack": "s", "address": address, "text": address, "remedy": "none"})

    one = verdict([found("moved", "note", "a")], "d")
    two = verdict([found("moved", "note", "a"), found("destroy", "sign-off", "b"), found("destroy", "sign-off", "c")], "d")
    three = verdict([found("destroy", "sign-off", "b"), found("stateful-destroy", "block", "c")], "d")
    assert (one.level, two.level, three.level) == ("ROUTINE", "SIGN-OFF", "BLOCK")
    assert two.reasons == ("destroy: s: b (and 1 more)",)
    assert [reason.partition(":")[0] for reason in three.reasons] == ["stateful-destroy", "destroy"]


def test_what_changed_outside_terraform_is_told_and_is_the_subject_of_a_drift_report() -> None:
    drifted = entry("google_storage_bucket.raw", {"name": "raw", "force_destroy": False}, {"name": "raw", "force_destroy": True})
    document = {"format_version": "1.2", "resource_changes": [], "resource_drift": [drifted]}
    report, drift = reviewed(document), reviewed(document, subject=Subject(kind="drift"))
    assert [finding.id for finding in report.findings] == ["changed-outside"]
    assert [change.address for change in report.outside] == ["google_storage_bucket.raw"]
    assert [finding.id for finding in drift.findings] == ["protection-off"]
    assert [change.address for change in drift.changes] == ["google_storage_bucket.raw"]


def test_two_plans_of_one_name_are_refused(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "shop.json"
    other.parent.mkdir()
    other.write_bytes(file.read_bytes())
    with pytest.raises(PlanUnreadable, match="two files are called shop"):
        of_files([file, other], TODAY)


def test_the_command_writes_all_three_and_says_block_by_its_exit_code(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["--plan", str(file), "--out", str(out)]) == 3
    said = capsys.readouterr().out
    assert said.startswith("BLOCK")
    assert {"review.md", "review.json", "review.html"} <= {path.name for path in out.iterdir()}
    report = from_json((out / "review.json").read_bytes())
    assert report.verdict.level == "BLOCK"
    assert report.verdict.digest[:12] in said


def test_the_command_leaves_no_part_of_a_longer_review_behind(file: Path, tmp_path: Path) -> None:
    (tmp_path / "review-99.md").write_text("old")
    main(["--plan", str(file), "--out", str(tmp_path)])
    assert not (tmp_path / "review-99.md").exists()


def test_a_plan_that_cannot_be_read_leaves_the_review_before_it_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "review.json").write_text("before")
    (tmp_path / "plan.json").write_text("{}")
    assert main(["--plan", str(tmp_path / "plan.json"), "--out", str(tmp_path)]) == 2
    assert "Nothing was reviewed" in capsys.readouterr().err
    assert (tmp_path / "review.json").read_text() == "before"


def test_a_base_that_git_does_not_know_is_refused() -> None:
    with pytest.raises(BaseUnreadable, match="Name a commit"):
        synthesised("no-such-branch", "dev")


@pytest.mark.long
def test_a_base_is_what_its_own_files_declare() -> None:
    base = synthesised("HEAD", "dev")
    assert len(base.commit) == 40
    assert {stack.id.partition("-")[0] for stack in base.stacks} == {"dev"}
    assert sum(len(stack.resources) for stack in base.stacks) > 100


@pytest.fixture(scope="module")
def planned(google_cloud: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The review of two stacks of `local` in an empty cloud."""
    folder = tmp_path_factory.mktemp("review")
    command = [sys.executable, "-m", "infra.review", "--env", "local", "--rehearsal", "--stack", "data", "--stack", "monitoring"]
    done = subprocess.run([*command, "--folder", str(folder), "--out", str(folder / "out")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_an_environment_is_planned_and_every_change_names_its_construct_and_its_lines(planned: Path) -> None:
    report = from_json((planned / "out" / "review.json").read_bytes())
    assert [stack.id for stack in report.subject.stacks] == ["local-data", "local-monitoring"]
    assert len(report.changes) > 30
    for change in report.changes:
        assert change.construct_path.startswith(f"{change.stack}/"), change.address
        assert change.source[-1].startswith("infra/stacks/"), change.address
    assert all(finding.source for finding in report.findings if finding.address and finding.construct_path != finding.stack)
    assert report.policy is not None
    assert report.policy.rules
    assert report.policy.resources
    assert report.not_understood.findings == ()
    for stack in report.subject.stacks:
        assert len(stack.plan) == len(stack.configuration) == 64
        assert stack.lineage
        assert stack.serial is not None


@pytest.mark.long
def test_the_saved_plans_are_those_that_were_reviewed(planned: Path) -> None:
    results, saved = runner.shown("local", ["data", "monitoring"], planned, lambda _: None)
    assert [result.error for result in results] == ["", ""]
    report = from_json((planned / "out" / "review.json").read_bytes())
    assert report.verdict.digest == of_all({stack: one.planned.digest for stack, one in saved.items()})
