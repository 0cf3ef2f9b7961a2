"""What is read of a plan: every change and nothing secret, or a refusal that says what is wrong with the file."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from infra.review import plan
from infra.review.plan import Origin, PlanUnreadable
from infra.review.report import HIDDEN, UNKNOWN, Change
from tests.review.planned import entry
from tests.review.risks import Change as Seeded
from tests.review.risks import plan as seeded

BUCKET = "google_storage_bucket.raw"


def document(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": list(entries), **more}


def one(*entries: dict[str, Any], **more: Any) -> Change:
    (found,) = plan.read(document(*entries, **more), "shop").changes
    assert found.change is not None
    return found.change


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04", "Terraform's own plan file"),
        (b"not json", "is no JSON"),
        (b"[]", "holds no plan"),
        (b"[" * 100_000, "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
    ],
)
def test_a_file_that_is_no_plan_is_refused_with_what_mends_it(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(content)
    with pytest.raises(PlanUnreadable, match=said) as refused:
        plan.load(file)
    assert "terraform show -json" in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanUnreadable, match="No such file"):
        plan.load(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"format_version": "1.0", "values": {}}, "a state"),
        ({"format_version": "1.2"}, "no plan"),
        (document(format_version="2.0"), "format 2.0"),
        (document(format_version="1.9"), "format 1.9"),
        (document({"address": BUCKET}), "damaged"),
        (document(entry(BUCKET, {}, {"a": 1}, ["update", "explode"])), "explode"),
        ({**document(), "resource_changes": 7}, "damaged"),
    ],
)
def test_what_is_not_understood_is_refused_and_never_left_out(found: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanUnreadable, match=said):
        plan.read(found, "shop")


@pytest.mark.parametrize(
    ("actions", "action"),
    [
        (["create"], "create"),
        (["update"], "update"),
        (["delete"], "delete"),
        (["delete", "create"], "replace"),
        (["create", "delete"], "replace"),
        (["forget"], "forget"),
        (["read"], "read"),
    ],
)
def test_every_action_of_terraform_has_a_word(actions: list[str], action: str) -> None:
    assert one(entry(BUCKET, {"name": "a"}, {"name": "b"}, actions)).action == action


def test_an_adoption_and_a_new_address_are_changes_although_nothing_else_happens() -> None:
    adopted, moved = entry(BUCKET, {"name": "a"}, {"name": "a"}), entry("google_pubsub_topic.a", {"name": "a"}, {"name": "a"})
    adopted["change"]["importing"] = {"id": "a"}
    moved["previous_address"] = "google_pubsub_topic.before"
    read = plan.read(document(adopted, moved, entry("google_pubsub_topic.b", {"name": "b"}, {"name": "b"})), "shop")
    assert [(it.action, it.change.imported, it.change.moved_from) for it in read.changes if it.change] == [
        ("move", "", "google_pubsub_topic.before"),
        ("import", "a", ""),
    ]
    assert (read.tally.adopt, read.tally.move, read.tally.unchanged, len(read.resources)) == (1, 1, 1, 3)


def test_a_block_that_is_put_in_front_makes_one_difference() -> None:
    rules = [{"action": "Delete", "age": age} for age in (10, 20, 30)]
    change = one(entry(BUCKET, {"rule": rules}, {"rule": [{"action": "Delete", "age": 5}, *rules]}))
    assert [(it.path, it.before, it.after) for it in change.attributes] == [("rule.0.action", None, "Delete"), ("rule.0.age", None, 5)]


def test_nothing_null_and_empty_are_the_same() -> None:
    change = one(entry(BUCKET, {"a": None, "b": [], "c": ""}, {"a": "", "b": None, "c": None, "d": "new"}))
    assert [it.path for it in change.attributes] == ["d"]


def test_the_attribute_that_forces_a_replacement_is_marked() -> None:
    replaced = entry(BUCKET, {"location": "EU", "name": "a"}, {"location": "US", "name": "b"}, ["delete", "create"])
    replaced["change"]["replace_paths"] = [["location"]]
    change = one(replaced)
    assert change.forced_by == ("location",)
    assert {it.path: it.forces_replacement for it in change.attributes} == {"location": True, "name": False}


def test_what_only_the_apply_tells_stands_there_as_unknown() -> None:
    new = entry(BUCKET, None, {"name": "a"})
    new["change"]["after_unknown"] = {"id": True, "rules": [{"key": True}]}
    new["change"]["after"]["rules"] = [{}]
    (found,) = plan.read(document(new), "shop").changes
    assert found.will("id") == UNKNOWN
    assert found.will("rules.key") == UNKNOWN
    assert {it.path for it in found.change.attributes if it.unknown} == {"id", "rules.0.key"} if found.change else False


def test_a_sensitive_value_changes_and_is_not_shown() -> None:
    secret = entry("google_sql_user.app", {"password": "first-secret"}, {"password": "second-secret"})
    secret["change"] |= {"before_sensitive": {"password": True}, "after_sensitive": {"password": True}}
    read = plan.read(document(secret), "shop")
    (found,) = read.changes
    assert found.change is not None
    assert [(it.path, it.before, it.after, it.sensitive) for it in found.change.attributes] == [("password", HIDDEN, HIDDEN, True)]
    assert "secret" not in repr(read)


def test_a_value_that_is_masked_in_one_place_is_hidden_in_every_other() -> None:
    secret = entry("google_sql_user.app", {"password": "wombat7Orchid"}, {"password": "wombat7Orchid"})
    secret["change"] |= {"before_sensitive": {"password": True}, "after_sensitive": {"password": True}}
    other = entry(BUCKET, {"labels": {}}, {"labels": {"owner": "it is wombat7Orchid"}})
    assert "wombat7Orchid" not in repr(plan.read(document(secret, other), "shop"))


def test_a_data_source_that_was_read_is_no_resource() -> None:
    data = {**entry("data.google_project.it", {}, {}), "mode": "data"}
    assert plan.read(document(data), "shop").resources == ()


def test_what_google_counts_up_by_itself_was_changed_by_nobody() -> None:
    grant = "google_storage_bucket_iam_member.a", {"etag": "B", "role": "r"}, {"etag": "C", "role": "r"}
    widened = "google_storage_bucket_iam_member.b", {"etag": "B", "role": "r"}, {"etag": "C", "role": "s"}
    gone = "google_storage_bucket_iam_member.c", {"etag": "B"}, None
    found = plan.read(document(resource_drift=[entry(*grant), entry(*widened), entry(*gone)]), "dev-data").outside
    assert [it.address for it in found] == [widened[0], gone[0]]


def test_how_a_resource_is_used_and_what_others_own_is_no_drift() -> None:
    table = entry("google_bigquery_table.rows", {"num_rows": 0, "labels": None}, {"num_rows": 27203, "labels": None})
    named = entry("google_bigquery_table.named", {"num_rows": 0, "labels": None}, {"num_rows": 1, "labels": {"owner": "me"}})
    before: dict[str, object] = {"traffic_split": None, "deployed_models": []}
    after = {"traffic_split": '{"1": 100}', "deployed_models": [{"id": "1", "display_name": "vision-1"}]}
    endpoint = entry("google_vertex_ai_endpoint.vision", before, after)
    machine = entry("google_workbench_instance.a", {"gce_setup": [{"vm_image": "1"}]}, {"gce_setup": [{"vm_image": "2"}]})
    drift = document(resource_drift=[table, named, endpoint, machine])
    assert [it.address for it in plan.read(drift, "dev").outside] == [
        "google_bigquery_table.named",
        "google_vertex_ai_endpoint.vision",
        "google_workbench_instance.a",
    ]
    left = {endpoint["address"]: ["traffic_split"], machine["address"]: ["gce_setup[0].vm_image"]}
    assert [it.address for it in plan.read(drift, "dev", elsewhere=left).outside] == ["google_bigquery_table.named"]


def test_what_a_plan_leaves_open_is_said() -> None:
    deferred = {"reason": "provider_config_unknown", "resource_change": entry(BUCKET, None, {"name": "a"})}
    read = plan.read(document(deferred_changes=[deferred], action_invocations=[{"address": "action.x.y"}], errored=True), "shop")
    assert not read.complete
    assert len(read.left_out) == 3


def test_the_same_resource_in_another_order_reads_the_same() -> None:
    entries = [entry(f"google_pubsub_topic.t{number}", None, {"name": str(number)}) for number in range(5)]
    assert plan.read(document(*entries), "shop") == plan.read(document(*reversed(entries)), "shop")


def test_a_resource_of_a_module_says_where_the_module_comes_from() -> None:
    inner = entry(BUCKET, None, {"name": "a"}) | {"address": f"module.raw.{BUCKET}", "module_address": "module.raw"}
    calls = {"raw": {"source": "terraform-google-modules/cloud-storage/google", "version_constraint": "6.0.0"}}
    change = one(inner, configuration={"root_module": {"module_calls": calls}})
    assert (change.construct_path, change.source) == ("module.raw", ("terraform-google-modules/cloud-storage/google 6.0.0",))


def test_a_resource_of_ours_says_its_construct_and_its_lines() -> None:
    origin = Origin(construct_path="dev-data/raw/bucket", source=("infra/components/bucket.py:40", "infra/stacks/data.py:30"))
    (found,) = plan.read(document(entry(BUCKET, None, {"name": "a"})), "dev-data", {BUCKET: origin}).changes
    assert (found.construct_path, found.source) == (origin.construct_path, origin.source)
    assert found.change is not None
    assert found.change.source == origin.source


def test_reading_a_plan_does_not_change_it() -> None:
    found = seeded([Seeded(type="google_storage_bucket", after={"force_destroy": True})])
    before = copy.deepcopy(found)
    plan.read(found, "shop")
    assert found == before
    assert json.dumps(found) == json.dumps(before)
