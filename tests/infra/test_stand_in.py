"""The provider stand-in's own logic: schema, values, plans. What it does to Google is tested by the runner's tests."""

import json
from pathlib import Path
from typing import Any

import pytest
from tf.gen import tfplugin_pb2 as pb

from environments import load
from infra.terraform import bootstrap
from infra.terraform.rest import Google
from infra.terraform.standin import planning, resources, schema
from infra.terraform.standin.planning import Provider
from infra.terraform.standin.schema import Block, map_values
from infra.terraform.standin.server import Servicer, pack, unpack
from infra.terraform.standin.steps import Target, create, delete, read, update
from infra.terraform.standin.types import Resource, table
from infra.terraform.standin.values import UNKNOWN, to_body, to_state

BUCKET, ENDPOINT, FIREWALL = "google_storage_bucket", "google_vertex_ai_endpoint", "google_compute_firewall"
WORKBENCH = "google_workbench_instance"
PLANNED_ONLY = "google_redis_instance"
PROVIDER = Provider(project="p", region="europe-west4", default_labels={"team": "gemini"}, attribution=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schemas")


@pytest.fixture(scope="module")
def schemas(cache: Path) -> dict[str, Block]:
    return schema.load([BUCKET, ENDPOINT, FIREWALL, WORKBENCH, PLANNED_ONLY], cache)


def resource(name: str) -> Resource:
    found = table()[name]
    assert isinstance(found, Resource)
    return found


def complete(block: Block, **values: Any) -> dict[str, Any]:
    return map_values(block, values, lambda attribute, value: value)


def test_the_bindings_say_who_sets_an_attribute(schemas: dict[str, Block]) -> None:
    attributes = schemas[ENDPOINT].attributes
    assert attributes["display_name"].required
    assert attributes["traffic_split"].optional
    assert attributes["traffic_split"].computed
    assert not attributes["create_time"].optional
    assert schemas[FIREWALL].blocks["allow"].nesting == "set"
    assert schemas[BUCKET].blocks["versioning"].one
    assert schemas[BUCKET].blocks["lifecycle_rule"].block.blocks["action"].required


def test_what_was_read_from_the_bindings_is_kept(schemas: dict[str, Block], cache: Path) -> None:
    (kept,) = cache.iterdir()
    before = kept.stat().st_mtime_ns
    assert schema.load([BUCKET], cache)[BUCKET] == schemas[BUCKET]
    assert kept.stat().st_mtime_ns == before


def test_a_type_that_the_bindings_do_not_know_has_no_schema(cache: Path) -> None:
    assert schema.load(["google_no_such_thing"], cache).keys() == {schema.PROVIDER}


def test_what_google_answers_to_what_was_sent_is_no_difference(schemas: dict[str, Block]) -> None:
    type_, block = resource(BUCKET), schemas[BUCKET]
    values = complete(
        block,
        name="b",
        location="europe-west4",
        versioning=[{"enabled": True}],
        uniform_bucket_level_access=True,
        lifecycle_rule=[{"action": [{"type": "Delete"}], "condition": [{"num_newer_versions": 3}]}],
        effective_labels={"team": "gemini"},
        terraform_labels={"team": "gemini"},
    )
    body = to_body(type_, block, values)
    assert body["lifecycle"] == {"rule": [{"action": {"type": "Delete"}, "condition": {"numNewerVersions": 3}}]}
    assert body["iamConfiguration"] == {"uniformBucketLevelAccess": {"enabled": True}}
    answered = {**body, "location": "EUROPE-WEST4", "storageClass": "STANDARD", "softDeletePolicy": {"retentionDurationSeconds": "604800"}}
    read = to_state(type_, block, answered, values, everything=False)
    assert {name: read[name] for name in ("location", "versioning", "lifecycle_rule", "storage_class", "soft_delete_policy")} == {
        "location": "europe-west4",
        "versioning": values["versioning"],
        "lifecycle_rule": values["lifecycle_rule"],
        "storage_class": None,
        "soft_delete_policy": [],
    }


def test_a_field_that_was_changed_or_taken_away_is_a_difference(schemas: dict[str, Block]) -> None:
    type_, block = resource(BUCKET), schemas[BUCKET]
    values = complete(block, name="b", location="EU", versioning=[{"enabled": True}], labels={"a": "1"}, terraform_labels={"a": "1"})
    read = to_state(type_, block, {"name": "b", "location": "EU", "labels": {"a": "2", "theirs": "x"}}, values, everything=False)
    assert read["versioning"] == []
    assert read["labels"] == {"a": "2"}
    assert read["effective_labels"] == {"a": "2", "theirs": "x"}


def test_what_is_taken_away_goes_also_where_the_whole_is_put(google_cloud: dict[str, Any]) -> None:
    bootstrap("dev")
    target = Target(Google(), resource("google_logging_metric"), {"project": load("dev").project.id, "name": "taken"})
    metric = {"name": "taken", "filter": 'textPayload = "x"'}
    create(target, {**metric, "description": "d", "disabled": True})
    update(target, {**metric, "disabled": True}, ["description"])
    found = read(target) or {}
    delete(target)
    assert (found.get("description"), found["disabled"], found["filter"]) == (None, True, metric["filter"])


def test_the_blocks_of_a_set_are_compared_whatever_their_order(schemas: dict[str, Block]) -> None:
    type_, block = resource(FIREWALL), schemas[FIREWALL]
    values = complete(block, name="f", network="n", allow=[{"protocol": "tcp", "ports": ["22"]}, {"protocol": "icmp"}])
    answered = {
        "allowed": [{"IPProtocol": "icmp"}, {"IPProtocol": "tcp", "ports": ["22"]}],
        "network": "https://x/projects/p/global/networks/n",
    }
    read = to_state(type_, block, answered, values, everything=False)
    assert sorted(read["allow"], key=str) == sorted(values["allow"], key=str)
    assert read["network"] == "n"
    answered["allowed"] = [{"IPProtocol": "tcp", "ports": ["23"]}, {"IPProtocol": "icmp"}]
    assert to_state(type_, block, answered, values, everything=False)["allow"] != values["allow"]


def test_a_block_that_google_takes_as_a_list_of_one_is_sent_and_read_as_such(schemas: dict[str, Block]) -> None:
    type_, block = resource(WORKBENCH), schemas[WORKBENCH]
    setup = {"boot_disk": [{"disk_size_gb": "150"}], "data_disks": [{"disk_size_gb": "100", "kms_key": "k"}]}
    values = complete(block, name="w", location="europe-west4-a", gce_setup=[setup])
    body = to_body(type_, block, values)["gceSetup"]
    assert body == {"bootDisk": {"diskSizeGb": "150"}, "dataDisks": [{"diskSizeGb": "100", "kmsKey": "k"}]}
    assert to_state(type_, block, {"gceSetup": body}, values, everything=False)["gce_setup"] == values["gce_setup"]
    body["dataDisks"][0]["diskSizeGb"] = "200"
    changed = to_state(type_, block, {"gceSetup": body}, values, everything=False)
    assert changed["gce_setup"][0]["data_disks"][0]["disk_size_gb"] == "200"


def test_json_text_stays_while_google_holds_all_that_it_says(schemas: dict[str, Block]) -> None:
    type_, block = resource(ENDPOINT), schemas[ENDPOINT]
    values = complete(block, name="1", traffic_split='{"7": 100}')
    assert to_state(type_, block, {"trafficSplit": {"7": 100}}, values, everything=False)["traffic_split"] == '{"7": 100}'
    assert json.loads(to_state(type_, block, {"trafficSplit": {"8": 100}}, values, everything=False)["traffic_split"]) == {"8": 100}


def test_a_creation_is_planned_with_defaults_labels_and_unknown_values(schemas: dict[str, Block]) -> None:
    block = schemas[ENDPOINT]
    planned = planning.plan(block, None, complete(block, name="1", location="europe-west4", labels={"task": "nlp"}), PROVIDER)
    assert planned["project"] == "p"
    assert planned["create_time"] is UNKNOWN
    assert planned["effective_labels"] == {"team": "gemini", "task": "nlp"}


def test_labels_of_others_survive_a_change_of_ours(schemas: dict[str, Block]) -> None:
    block = schemas[ENDPOINT]
    prior = complete(block, labels={"task": "nlp"}, terraform_labels={"task": "nlp", "team": "gemini"})
    prior["effective_labels"] = {"task": "nlp", "team": "gemini", "theirs": "x"}
    planned = planning.plan(block, prior, {**prior, "labels": {"task": "vision"}}, PROVIDER)
    assert planned["effective_labels"] == {"task": "vision", "team": "gemini", "theirs": "x"}


def test_an_immutable_attribute_replaces_and_another_does_not(schemas: dict[str, Block]) -> None:
    type_, block = resource(ENDPOINT), schemas[ENDPOINT]
    prior = complete(block, name="1", display_name="a")
    assert planning.replacing(type_, prior, {**prior, "display_name": "b"}) == []
    assert planning.replacing(type_, prior, {**prior, "name": "2"}) == [["name"]]


def test_an_import_id_is_taken_apart(schemas: dict[str, Block]) -> None:
    found = resources.imported(resource(ENDPOINT), schemas[ENDPOINT], "projects/p/locations/l/endpoints/12")
    assert found is not None
    assert (found["project"], found["location"], found["name"]) == ("p", "l", "12")
    assert resources.imported(resource(ENDPOINT), schemas[ENDPOINT], "projects/p/endpoints/12") is None


def test_a_type_outside_the_table_is_planned_with_a_warning_and_never_applied(schemas: dict[str, Block]) -> None:
    servicer = Servicer(schemas, dict(table()))
    values = complete(schemas[PLANNED_ONLY], name="cache", memory_size_gb=1)
    planned = servicer.PlanResourceChange(
        pb.PlanResourceChange.Request(type_name=PLANNED_ONLY, prior_state=pack(None), proposed_new_state=pack(values)), None
    )
    assert [d.summary for d in planned.diagnostics] == ["provider stand-in: google_redis_instance is planned only"]
    assert planned.diagnostics[0].severity == pb.Diagnostic.WARNING
    applied = servicer.ApplyResourceChange(
        pb.ApplyResourceChange.Request(type_name=PLANNED_ONLY, prior_state=pack(None), planned_state=planned.planned_state), None
    )
    assert applied.diagnostics[0].severity == pb.Diagnostic.ERROR
    assert unpack(applied.new_state) is None


def test_one_stand_in_serves_one_provider_configuration(schemas: dict[str, Block]) -> None:
    servicer = Servicer(schemas, dict(table()))
    configure = [
        servicer.ConfigureProvider(pb.ConfigureProvider.Request(config=pack({"project": name, "region": "r"})), None).diagnostics
        for name in ("p", "p", "q")
    ]
    assert list(map(len, configure)) == [0, 0, 1]
