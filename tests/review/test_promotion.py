"""What the other environment runs and since when, and in what the two differ."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from environments import Environment, load
from environments.loading import parity
from environments.parity import Parity
from infra.app import synthesise
from infra.policies.subject import read
from infra.review.promotion import promotion
from infra.review.report import PromotionDelta
from releases.ledger import Entry, Kind

COMMIT, OLDER = "a" * 40, "b" * 40
NOW = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)


def entry(number: int, kind: Kind, hours_ago: float, **said: Any) -> Entry:
    body = {"release": "r" * 64, "release_kind": "code", "code": "r" * 64, "commit": COMMIT, "models": {}, **said}
    return Entry(number=number, kind=kind, at=NOW - datetime.timedelta(hours=hours_ago), by="a@example.com", digest="d", body=body)


def delta(*entries: Entry, here: Environment | None = None, commit: str = COMMIT) -> PromotionDelta:
    return promotion(here or load("prod"), load("staging"), entries, commit, NOW, parity())


def ids(found: PromotionDelta) -> list[tuple[str, str]]:
    return [(finding.id, finding.level) for finding in found.findings]


def test_what_has_run_long_enough_where_it_comes_from_may_go_on() -> None:
    found = delta(entry(1, "promotion", 100))
    assert ids(found) == []
    assert (found.against, found.commit, found.release) == ("staging", COMMIT, "r" * 64)
    assert found.since == NOW - datetime.timedelta(hours=100)
    assert (found.soak_hours, found.ran_hours) == (load("prod").promotion.soak_hours, 100.0)


def test_what_has_not_run_long_enough_asks_for_a_signature_and_says_how_long_is_left() -> None:
    found = delta(entry(1, "promotion", 70.5))
    assert ids(found) == [("soaking", "sign-off")]
    assert "70.5 hours of the 72" in found.findings[0].text
    assert "1.5 hours" in found.findings[0].remedy


def test_a_retrained_model_does_not_start_the_time_of_the_code_anew() -> None:
    model = entry(2, "release", 1, release="m" * 64, release_kind="model", models={"vision": "x"})
    assert ids(delta(entry(1, "promotion", 100), model)) == []


@pytest.mark.parametrize("entries", [(), (entry(1, "promotion", 100, commit=OLDER),)])
def test_what_runs_nowhere_before_asks_for_a_signature(entries: tuple[Entry, ...]) -> None:
    found = delta(*entries)
    assert ids(found) == [("not-promoted", "sign-off")]
    assert ("no release" if not entries else OLDER[:12]) in found.findings[0].text


def test_an_environment_that_releases_do_not_come_from_is_compared_and_asked_nothing() -> None:
    found = delta(entry(1, "promotion", 1), here=load("dev"))
    assert ids(found) == []
    assert found.soak_hours is None
    assert found.ran_hours == 1.0


def test_every_difference_of_the_files_that_is_allowed_says_why() -> None:
    differences = {one.path: one for one in delta(entry(1, "promotion", 100)).differences}
    assert all(one.allowed and one.reason for one in differences.values())
    budget = differences["budget.monthly"]
    staging, prod = load("staging").budget, load("prod").budget
    assert staging
    assert prod
    assert (budget.here, budget.there) == (prod.monthly, staging.monthly)
    assert budget.reason == parity().reason("budget.monthly")
    assert "region" not in differences


def test_a_difference_that_nothing_allows_stops_the_change() -> None:
    elsewhere = load("prod").model_copy(update={"gemini_location": "global"})
    found = delta(entry(1, "promotion", 100), here=elsewhere)
    assert ids(found) == [("difference-not-allowed", "block")]
    assert found.findings[0].attribute == "gemini_location"
    assert [one.path for one in found.differences if not one.allowed] == ["gemini_location"]


def test_no_environment_differs_from_another_without_a_reason() -> None:
    names = ("dev", "local", "prod", "staging")
    found = [promotion(load(here), load(there), (), COMMIT, NOW, parity()) for here in names for there in names if here != there]
    assert [finding.text for one in found for finding in one.findings if finding.id == "difference-not-allowed"] == []


def test_an_allow_list_that_forgets_a_path_is_found() -> None:
    listed = parity().differences
    without = Parity(differences=[one for one in listed if one.path != "budget"])
    found = promotion(load("prod"), load("staging"), (entry(1, "promotion", 100),), COMMIT, NOW, without)
    assert [finding.attribute for finding in found.findings] == ["budget.monthly"]


def test_what_only_one_of_the_two_declares_is_listed_by_its_construct_with_the_differences_of_its_section(tmp_path: Path) -> None:
    synthesise(["dev", "prod"], tmp_path)
    stacks = read(tmp_path, ["dev", "prod"])
    dev, prod = load("dev"), load("prod")
    found = promotion(prod, dev, (), COMMIT, NOW, parity(), stacks)
    only = {(one.construct_path, one.only): one for one in found.constructs}
    assert not any(path.startswith(("prod-", "dev-")) for path, _ in only)
    workbench = [one for (path, side), one in only.items() if one.type == "google_workbench_instance" and side == "there"]
    assert len(workbench) == len(dev.workbench.instances)
    assert all("workbench.instances" in one.reason for one in workbench)
    # A grant of another stack to the identity of the workbench is explained by the workbench.
    assert "workbench.instances" in only["data/raw/reader-workbench", "there"].reason
    assert any(one.type == "google_vertex_ai_feature_online_store" for (_, side), one in only.items() if side == "here")
    turned = promotion(dev, prod, (), COMMIT, NOW, parity(), stacks)
    assert {(one.construct_path, one.only) for one in turned.constructs} == {
        (path, "there" if side == "here" else "here") for path, side in only
    }


def test_two_environments_of_equal_stacks_have_no_construct_alone(tmp_path: Path) -> None:
    synthesise(["dev"], tmp_path)
    dev = load("dev")
    assert promotion(dev, dev, (), COMMIT, NOW, parity(), read(tmp_path, ["dev"])).constructs == ()
