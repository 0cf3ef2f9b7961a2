import copy
import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from infra.policies import enumerations, formats, scanner, waivers
from infra.policies.__main__ import main
from infra.policies.review import review
from infra.policies.rules import RULES
from infra.policies.subject import NothingToCheck, SynthesisedStack, read

TODAY = datetime.date(2026, 11, 25)


def broken(stack: SynthesisedStack, document: dict[str, Any]) -> set[str]:
    """Ids of our rules that a document breaks."""
    changed = SynthesisedStack(id=stack.id, names=stack.names, document=document)
    return {finding.rule for rule in RULES for finding in rule(changed)}


def edited(stack: SynthesisedStack, type_: str, **attributes: Any) -> dict[str, Any]:
    """The stack's document with attributes of the first resource of a type replaced."""
    document = copy.deepcopy(stack.document)
    first = sorted(document["resource"][type_])[0]
    document["resource"][type_][first].update(attributes)
    return document


def added(stack: SynthesisedStack, type_: str, **attributes: Any) -> dict[str, Any]:
    """The stack's document with one more resource."""
    document = copy.deepcopy(stack.document)
    document["resource"].setdefault(type_, {})["added"] = attributes
    return document


def test_the_stacks_pass_every_rule_and_checkov(synthesised: Path) -> None:
    outcome = review(synthesised, [], TODAY)
    assert outcome.passed, "\n".join(map(str, outcome.judged.open))
    assert outcome.resources > 200
    assert outcome.scanned > outcome.resources


@pytest.mark.parametrize(
    ("rule", "stack", "type_", "attributes"),
    [
        ("public-member", "prod-data", "google_storage_bucket_iam_member", {"member": "allUsers"}),
        ("public-member", "prod-data", "google_bigquery_dataset_iam_member", {"member": "allAuthenticatedUsers"}),
        ("basic-role", "prod-foundation", "google_project_iam_member", {"role": "roles/editor"}),
        ("basic-role", "dev-foundation", "google_project_iam_member", {"role": "roles/owner"}),
        ("identity-administration", "prod-foundation", "google_project_iam_member", {"role": "roles/iam.serviceAccountUser"}),
        ("deletion-protection", "prod-data", "google_storage_bucket", {"lifecycle": {}}),
        ("deletion-protection", "prod-data", "google_storage_bucket", {"force_destroy": True}),
        ("deletion-protection", "prod-data", "google_bigquery_table", {"deletion_protection": False}),
        ("deletion-protection", "prod-data", "google_bigquery_dataset", {"delete_contents_on_destroy": True}),
        ("deletion-protection", "prod-foundation", "google_project", {"deletion_policy": "DELETE"}),
        ("deletion-protection", "prod-features", "google_vertex_ai_feature_online_store", {"force_destroy": True}),
        ("uniform-access", "dev-data", "google_storage_bucket", {"uniform_bucket_level_access": False}),
        ("public-access", "dev-data", "google_storage_bucket", {"public_access_prevention": "inherited"}),
        ("name-format", "dev-data", "google_storage_bucket", {"name": "Not A Bucket"}),
        ("name-format", "dev-serving", "google_vertex_ai_endpoint", {"name": "vision"}),
        ("name-format", "dev-features", "google_vertex_ai_feature_group", {"name": "with-dash"}),
        ("name-format", "dev-foundation", "google_project_iam_member", {"member": "somebody"}),
        ("enumerated-value", "dev-data", "google_artifact_registry_repository", {"mode": "BANANA_REPOSITORY"}),
        ("enumerated-value", "dev-monitoring", "google_monitoring_alert_policy", {"combiner": "XOR"}),
        ("required-labels", "dev-monitoring", "google_monitoring_alert_policy", {"user_labels": {}}),
    ],
)
def test_a_rule_rejects_its_case(
    stacks: dict[str, SynthesisedStack], rule: str, stack: str, type_: str, attributes: dict[str, Any]
) -> None:
    assert rule not in broken(stacks[stack], stacks[stack].document)
    assert rule in broken(stacks[stack], edited(stacks[stack], type_, **attributes))


@pytest.mark.parametrize(
    ("rule", "type_", "attributes"),
    [
        ("no-key", "google_service_account_key", {"service_account_id": "x"}),
        ("retired-type", "google_vertex_ai_featurestore", {"name": "old"}),
        ("unique-name", "google_bigquery_dataset", {"dataset_id": "acme_gemini_dev_ml"}),
    ],
)
def test_a_rule_rejects_an_added_resource(stacks: dict[str, SynthesisedStack], rule: str, type_: str, attributes: dict[str, Any]) -> None:
    document = added(stacks["dev-data"], type_, **attributes)
    if rule == "unique-name":
        document["resource"][type_]["dataset"] = attributes
    assert rule in broken(stacks["dev-data"], document)


def test_a_stack_without_the_organisations_labels_is_refused(stacks: dict[str, SynthesisedStack]) -> None:
    document = copy.deepcopy(stacks["dev-data"].document)
    del document["provider"]["google"][0]["default_labels"]["cost-centre"]
    assert "required-labels" in broken(stacks["dev-data"], document)


def test_a_data_source_is_refused(stacks: dict[str, SynthesisedStack]) -> None:
    document = {**stacks["dev-data"].document, "data": {"google_project": {"it": {}}}}
    assert "no-lookup" in broken(stacks["dev-data"], document)


def test_an_address_in_the_provider_is_refused(stacks: dict[str, SynthesisedStack]) -> None:
    document = copy.deepcopy(stacks["local-data"].document)
    document["provider"]["google"][0]["storage_custom_endpoint"] = "http://localhost:1/"
    assert "no-address" in broken(stacks["local-data"], document)


def test_a_wrong_value_deep_in_a_block_is_found(stacks: dict[str, SynthesisedStack]) -> None:
    document = copy.deepcopy(stacks["dev-workbench"].document)
    [instance] = document["resource"]["google_workbench_instance"].values()
    instance["gce_setup"]["accelerator_configs"][0]["type"] = "NVIDIA_T9999"
    assert "enumerated-value" in broken(stacks["dev-workbench"], document)


def test_documented_values_are_found_in_the_bindings(stacks: dict[str, SynthesisedStack]) -> None:
    checked = {
        (resource.type, path)
        for stack in stacks.values()
        for resource in stack.resources
        for path, _, _ in enumerations.values(resource.type, resource.body)
    }
    assert len(checked) >= 15


def test_every_format_is_of_a_declared_type_and_every_named_type_has_one(stacks: dict[str, SynthesisedStack]) -> None:
    named = {
        resource.type
        for stack in stacks.values()
        for resource in stack.resources
        if {"name", "account_id", "dataset_id", "table_id", "repository_id"} & resource.body.keys()
        and not resource.type.endswith("_iam_member")
    }
    assert named <= formats.FORMATS.keys()
    assert formats.FORMATS.keys() <= {resource.type for stack in stacks.values() for resource in stack.resources}


def test_checkov_rejects_a_bucket_without_versioning(stacks: dict[str, SynthesisedStack]) -> None:
    document = edited(stacks["dev-data"], "google_storage_bucket", versioning={"enabled": False})
    found = scanner.scan([SynthesisedStack(id="dev-data", names=stacks["dev-data"].names, document=document)])
    assert "CKV_GCP_78" in {finding.rule for finding in found.findings}


def test_a_scan_of_nothing_is_a_failure(stacks: dict[str, SynthesisedStack]) -> None:
    empty = SynthesisedStack(id="dev-data", names=stacks["dev-data"].names, document={"resource": {}})
    with pytest.raises(NothingToCheck, match="ran 0 checks"):
        scanner.scan([empty])


def test_a_stack_that_checkov_cannot_read_is_a_failure(stacks: dict[str, SynthesisedStack]) -> None:
    unreadable = {**stacks["dev-data"].document, "data": {"x": "not a block"}}
    with pytest.raises(NothingToCheck, match="could not read"):
        scanner.scan([SynthesisedStack(id="dev-data", names=stacks["dev-data"].names, document=unreadable)])


def test_an_environment_without_stacks_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(NothingToCheck, match=r"python -m infra\.app"):
        read(tmp_path, ["dev"])


def test_a_waiver_ends_on_its_day(stacks: dict[str, SynthesisedStack]) -> None:
    document = edited(stacks["dev-data"], "google_storage_bucket", public_access_prevention="inherited")
    changed = SynthesisedStack(id="dev-data", names=stacks["dev-data"].names, document=document)
    found = [finding for rule in RULES for finding in rule(changed)]
    waiver = waivers.Waiver(
        rules=["public-access"], where="dev-data/*", reason="a demonstration that ends on its day", owner="ml-platform", expires=TODAY
    )
    accepted = waivers.Waivers(waivers=[waiver])
    assert not waivers.judge(found, accepted, TODAY - datetime.timedelta(days=1)).open
    assert [finding.rule for finding in waivers.judge(found, accepted, TODAY).open] == ["public-access"]


def test_a_waiver_that_nothing_needs_is_reported() -> None:
    waiver = waivers.Waiver(
        rules=["public-access"], where="*/*", reason="nothing breaks this rule any more", owner="ml-platform", expires=TODAY
    )
    assert waivers.judge([], waivers.Waivers(waivers=[waiver]), TODAY).unused == (("public-access", waiver),)


@pytest.mark.parametrize("missing", ["reason", "owner", "expires"])
def test_a_waiver_without_reason_owner_or_end_is_refused(missing: str) -> None:
    complete = {"rules": ["no-key"], "where": "*/*", "reason": "twenty characters at least", "owner": "ml-platform", "expires": TODAY}
    waivers.Waiver.model_validate(complete)
    with pytest.raises(ValueError, match=missing):
        waivers.Waiver.model_validate({key: value for key, value in complete.items() if key != missing})


def test_the_command_synthesises_what_it_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--env", "dev"]) == 0
    assert "0 open" in capsys.readouterr().out


def test_the_command_fails_on_what_breaks_a_rule(
    stacks: dict[str, SynthesisedStack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "stacks" / "dev-data"
    folder.mkdir(parents=True)
    document = edited(stacks["dev-data"], "google_storage_bucket", public_access_prevention="inherited")
    (folder / "cdk.tf.json").write_text(json.dumps(document))
    assert main(["--env", "dev", "--out", str(tmp_path)]) == 1
    assert "[public-access]" in capsys.readouterr().out
    assert main(["--env", "prod", "--out", str(tmp_path)]) == 2
