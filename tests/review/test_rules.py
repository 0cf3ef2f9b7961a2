"""What the rules have to weigh; that each finds its risks, the corpus beside this shows."""

import datetime
from typing import Any

import pytest

from infra.policies.waivers import Waiver, Waivers
from infra.review import plan, roles
from infra.review.accepted import load as load_accepted
from infra.review.report import Finding, Report
from infra.review.review import Context, review
from infra.review.rules import addresses, doors, members, retention
from infra.review.rules.world import World
from infra.review.types import known, table
from tests.review.planned import entry

TODAY = datetime.date(2026, 11, 27)
WORLD = World(projects=frozenset({"shop-prod"}), numbers=frozenset({"4085"}), domains=frozenset({"example.com"}), private_zones=frozenset())
NOTHING = Waivers(waivers=[])


def reviewed(*entries: dict[str, Any], stack: str = "shop", accepted: Waivers = NOTHING) -> Report:
    document = {"format_version": "1.2", "resource_changes": list(entries)}
    return review([plan.read(document, stack)], Context(today=TODAY, accepted=accepted))


def ids(report: Report, level: str = "") -> set[str]:
    return {finding.id for finding in report.findings if level in ("", finding.level)}


def member(address: str, role: str, before: bool = False, **values: Any) -> dict[str, Any]:
    found = {"project": "shop-prod", "role": role, "member": "group:shop@example.com", **values}
    return entry(f"google_project_iam_member.{address}", *((found, None) if before else (None, found)))


@pytest.mark.parametrize(
    ("ranges", "everybody"),
    [
        (["0.0.0.0/0"], True),
        (["0.0.0.0/1", "128.0.0.0/1"], True),
        (["0.0.0.0/2", "64.0.0.0/2"], True),
        (["::/0"], True),
        (["10.0.0.0/8", "192.168.0.0/16"], False),
        (["203.0.113.7/32"], False),
        (["no address"], False),
        ([], False),
    ],
)
def test_the_internet_is_the_internet_in_however_many_parts(ranges: list[str], everybody: bool) -> None:
    assert addresses.everybody(ranges) is everybody


@pytest.mark.parametrize(
    ("new", "old", "narrower"),
    [
        ("a == '1' && b == '2'", "a == '1'", True),
        ("a == '1'", "a == '1' && b == '2'", False),
        ("a == '1' && b == '2' || c == '3'", "a == '1' && b == '2'", False),
        ("a == '2'", "a == '1'", False),
        ("(a == '1' || b == '2') && c == '3'", "a == '1' || b == '2'", True),
        ("true", "a == '1'", False),
    ],
)
def test_a_condition_is_narrower_only_when_it_asks_for_all_of_the_old_one(new: str, old: str, narrower: bool) -> None:
    assert doors.narrower(new, old) is narrower


@pytest.mark.parametrize(
    ("role", "strength"),
    [
        ("roles/owner", roles.OWNS),
        ("roles/resourcemanager.projectIamAdmin", roles.OWNS),
        ("roles/storage.admin", roles.ADMINISTERS),
        ("roles/compute.networkAdmin", roles.ADMINISTERS),
        ("roles/storage.objectUser", roles.WRITES),
        ("roles/bigquery.dataEditor", roles.WRITES),
        ("roles/storage.objectViewer", roles.READS),
        ("roles/secretmanager.secretAccessor", roles.READS),
        ("roles/logging.logWriter", roles.USES),
        ("projects/shop-prod/roles/own", roles.UNKNOWN_ROLE),
    ],
)
def test_roles_have_the_strength_that_google_gives_them(role: str, strength: int) -> None:
    assert roles.strength(role) == strength


@pytest.mark.parametrize(
    ("who", "kind", "outside"),
    [
        ("allUsers", "public", False),
        ("user:ada@example.com", "person", False),
        ("user:eve@partner.example", "person", True),
        ("group:shop@example.com", "group", False),
        ("group:cloud-storage-analytics@google.com", "agent", False),
        ("domain:partner.example", "domain", True),
        ("serviceAccount:train@shop-prod.iam.gserviceaccount.com", "service-account", False),
        ("serviceAccount:train@partner.iam.gserviceaccount.com", "service-account", True),
        ("serviceAccount:4085-compute@developer.gserviceaccount.com", "service-account", False),
        ("serviceAccount:77-compute@developer.gserviceaccount.com", "service-account", True),
        ("serviceAccount:service-4085@gcp-sa-aiplatform.iam.gserviceaccount.com", "agent", False),
        ("serviceAccount:service-77@gcp-sa-aiplatform.iam.gserviceaccount.com", "agent", True),
        ("serviceAccount:shop-prod.svc.id.goog[shop/web]", "federated", False),
        ("serviceAccount:partner.svc.id.goog[shop/web]", "federated", True),
    ],
)
def test_a_member_is_told_from_others_by_kind_and_by_whose_it_is(who: str, kind: str, outside: bool) -> None:
    assert (members.kind(who), members.outside(who, WORLD)) == (kind, outside)


@pytest.mark.parametrize(("value", "seconds"), [("600s", 600), ("24h0m0s", 86_400), ("7d", 604_800), (True, 1), (None, 0), ("30", 30)])
def test_times_are_compared_however_they_are_written(value: Any, seconds: float) -> None:
    assert retention.length(value) == seconds


def test_a_grant_that_moves_to_another_address_is_no_change_of_access() -> None:
    found = reviewed(member("old", "roles/viewer", before=True), member("new", "roles/viewer"))
    assert not found.access.findings
    assert not found.access.grants


def test_a_stronger_grant_beside_the_old_one_says_what_there_was() -> None:
    found = reviewed(member("old", "roles/viewer", before=True), member("new", "roles/storage.admin"))
    assert {"role-strengthened", "admin-role"} <= ids(found)


def test_a_role_under_a_condition_that_was_held_without_is_a_step_down() -> None:
    until = [{"title": "x", "expression": "request.time < timestamp('2026-12-01T00:00:00Z')"}]
    found = reviewed(member("old", "roles/viewer", before=True), member("new", "roles/viewer", condition=until))
    assert ids(found, "sign-off") == set()


def test_two_switches_in_two_blocks_are_two_findings() -> None:
    def disks(*auto: bool) -> dict[str, Any]:
        return {"name": "vm", "disk": [{"device_name": str(number), "auto_delete": each} for number, each in enumerate(auto)]}

    found = reviewed(entry("google_compute_instance_template.vm", disks(False, False, True), disks(True, False, True)))
    assert [finding.id for finding in found.destroys.protection] == ["protection-off"]


def test_a_type_that_nobody_knows_is_listed_and_asks_for_a_sign_off() -> None:
    found = reviewed(entry("google_brand_new_thing.x", None, {"name": "x"}))
    assert ids(found, "sign-off") == {"unknown-type"}
    assert found.verdict.level == "SIGN-OFF"


def test_a_plan_that_does_not_say_everything_is_stopped() -> None:
    document = {"format_version": "1.2", "resource_changes": [], "errored": True}
    found = review([plan.read(document, "shop")], Context(today=TODAY))
    assert (found.verdict.level, ids(found, "block")) == ("BLOCK", {"unknown-until-apply"})


ACCEPTED = Waiver(
    rules=["stateful-destroy"],
    where="shop/*",
    reason="the bucket was emptied and is not used",
    owner="data",
    expires=datetime.date(2026, 12, 1),
)


@pytest.mark.parametrize(("expires", "level"), [(datetime.date(2026, 11, 28), "SIGN-OFF"), (TODAY, "BLOCK")])
def test_what_is_accepted_asks_for_a_sign_off_until_its_day(expires: datetime.date, level: str) -> None:
    accepted = Waivers(waivers=[ACCEPTED.model_copy(update={"expires": expires})])
    found = reviewed(entry("google_storage_bucket.raw", {"name": "raw"}, None), accepted=accepted)
    assert found.verdict.level == level
    assert (ACCEPTED.reason in found.destroys.findings[0].text) is (level == "SIGN-OFF")


def test_what_is_accepted_elsewhere_is_not_accepted_here() -> None:
    found = reviewed(entry("google_storage_bucket.raw", {"name": "raw"}, None), stack="other", accepted=Waivers(waivers=[ACCEPTED]))
    assert found.verdict.level == "BLOCK"


def test_what_the_repository_accepts_is_read_and_names_findings() -> None:
    vocabulary = set(Finding.model_json_schema()["properties"]["id"]["enum"])
    assert {rule for waiver in load_accepted().waivers for rule in waiver.rules} <= vocabulary


def test_every_type_that_holds_something_says_what_is_lost_and_how_it_comes_back() -> None:
    types = table()
    for declared in (types.holds, types.disposable, types.identity, types.key):
        assert all(held.lost and held.undo for held in declared.values())
    assert len(types.holds) > 60
    names = [*types.holds, *types.disposable, *types.identity, *types.key]
    assert len(names) == len(set(names))
    assert known("google_no_such_thing") is None


def test_every_type_that_the_stand_in_can_apply_is_understood() -> None:
    from infra.terraform.standin.types import table as applied

    assert [type_ for type_ in applied() if known(type_) is None] == []
