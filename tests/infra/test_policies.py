import copy
import datetime
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.policies import enumerations, formats, scanner, waivers
from infra.policies.__main__ import main
from infra.policies.policy import Policy
from infra.policies.review import review
from infra.policies.rules import RULES, encryption, lifecycle, owned_once
from infra.policies.subject import NothingToCheck, SynthesisedStack, read
from infra.terraform.standin.types import table
from tests.infra.policy_cases import cases, stack

ROOT = Path(__file__).parents[2]
TODAY = datetime.date(2026, 11, 25)


def edited(stack: SynthesisedStack, type_: str, **attributes: Any) -> dict[str, Any]:
    """The stack's document with attributes of the first resource of a type replaced."""
    document = copy.deepcopy(stack.document)
    first = sorted(document["resource"][type_])[0]
    document["resource"][type_][first].update(attributes)
    return document


def test_the_stacks_pass_every_rule_and_checkov(synthesised: Path) -> None:
    outcome = review(synthesised, [], TODAY)
    assert outcome.passed, "\n".join(map(str, outcome.judged.open))
    assert outcome.resources > 200
    assert outcome.scanned > outcome.resources


CASES = cases()


def found(policy: Policy, id_: str, case: dict[str, Any]) -> list[str]:
    return [str(finding) for finding in policy(stack(id_, case))]


@pytest.mark.parametrize("policy", RULES, ids=lambda policy: policy.id)
def test_a_policy_passes_what_it_should_and_refuses_what_it_must(policy: Policy) -> None:
    own = CASES[policy.id]
    assert [said for case in own.passes for said in found(policy, own.stack, case)] == []
    assert [case for case in own.fails if not found(policy, own.stack, case)] == []


def test_every_policy_has_a_case_that_it_passes_and_one_that_it_refuses() -> None:
    assert CASES.keys() == {policy.id for policy in RULES}
    assert [policy for policy, own in CASES.items() if not own.passes or not own.fails] == []


def test_every_policy_says_what_holds_why_what_mends_it_and_where_that_is_written() -> None:
    assert len({policy.id for policy in RULES}) == len(RULES)
    for policy in RULES:
        assert policy.title.endswith("."), policy.id
        assert len(policy.reason) > 15, policy.id
        assert len(policy.remedy) > 5, policy.id
        assert re.search(r"https://|docs/", policy.reference), policy.id


@pytest.mark.parametrize(("type_", "path"), encryption.KEYS.items())
def test_every_type_that_takes_a_key_is_refused_without_one(type_: str, path: str) -> None:
    body: dict[str, Any] = {}
    block = body
    *blocks, attribute = path.split(".")
    for name in blocks:
        block = block.setdefault(name, {})
    assert found(encryption.customer_key, "prod-data", {type_: body})
    block[attribute] = "projects/p/locations/r/keyRings/k/cryptoKeys/data"
    assert not found(encryption.customer_key, "prod-data", {type_: body})


@pytest.mark.parametrize("type_", lifecycle.GUARDS)
def test_every_guarded_type_is_refused_without_its_guard_where_data_is_protected(type_: str) -> None:
    bare = {"deletion_protection": False} if type_ == "google_cloud_run_v2_service" else {}
    assert found(lifecycle.deletion_protection, "prod-data", {type_: bare})
    assert not found(lifecycle.deletion_protection, "local-data", {type_: bare})


def test_what_two_stacks_declare_is_found(stacks: dict[str, SynthesisedStack]) -> None:
    document = copy.deepcopy(stacks["dev-features"].document)
    document["resource"]["google_storage_bucket"] = {"copied": {"name": stacks["dev-data"].names.bucket("raw")}}
    twice = SynthesisedStack(id="dev-features", names=stacks["dev-features"].names, document=document)
    own = SynthesisedStack(id="dev-data", names=stacks["dev-data"].names, document={"resource": {"google_storage_bucket": {"raw": {}}}})
    own.document["resource"]["google_storage_bucket"]["raw"] = {"name": own.names.bucket("raw")}
    assert [finding.rule for finding in owned_once([own, twice])] == ["owned-once"]
    assert list(owned_once([own])) == []


def test_a_finding_names_the_construct_and_the_lines_that_declared_it(stacks: dict[str, SynthesisedStack]) -> None:
    data = stacks["dev-data"]
    document = edited(data, "google_storage_bucket", public_access_prevention="inherited")
    changed = SynthesisedStack(id=data.id, names=data.names, document=document, origins=data.origins)
    [finding] = [finding for rule in RULES for finding in rule(changed)]
    assert finding.construct.startswith("dev-data/")
    component, within, declaration, *_ = finding.source
    file, _, line = component.partition(":")
    assert file == "infra/components/bucket.py"
    assert "StorageBucket(" in (ROOT / file).read_text().splitlines()[int(line) - 1]
    assert within.startswith("infra/components/bucket.py:")
    assert declaration.startswith("infra/stacks/data.py:")
    assert f"construct {finding.construct}, declared at {component} from {within} from {declaration}" in str(finding)


def test_synthesis_fails_on_a_broken_policy_and_names_the_line(tmp_path: Path) -> None:
    # The mistake is made where people make it, in the code of a component.
    program = (
        "import sys\n"
        "from infra import synthesis; synthesis.prepare()\n"
        "from infra.components import topic\n"
        "from cdktf_cdktf_provider_google.pubsub_topic import PubsubTopicMessageStoragePolicy as Policy\n"
        "topic.PubsubTopicMessageStoragePolicy = lambda **_: Policy(allowed_persistence_regions=['us-central1'])\n"
        "from infra import app; sys.exit(app.main(['--env', 'dev', '--out', sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "[message-region]" in done.stderr
    assert re.search(
        r"construct dev-monitoring/\S+, declared at infra/components/topic\.py:\d+ from infra/stacks/monitoring\.py", done.stderr
    )


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
    # What every environment has switched off is known by the table of what can be applied.
    assert formats.FORMATS.keys() <= {resource.type for stack in stacks.values() for resource in stack.resources} | table().keys()


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
