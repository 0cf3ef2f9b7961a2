"""The Terraform runner over the declared stacks, against the local Google Cloud."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from environments import Names, load, organisation
from environments.clients import Clients
from infra.terraform import TerraformFailed, apply, bootstrap, destroy, plan, validate
from infra.terraform.runner import Result, as_json

NAMES = Names(organisation(), load("staging"))


@pytest.fixture(scope="module")
def folder(google_cloud: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working folders, beside a state bucket per environment that the tests use."""
    for environment in ("local", "dev", "staging"):
        bootstrap(environment)
    return tmp_path_factory.mktemp("terraform")


def total(results: list[Result], what: str) -> int:
    assert [result.error for result in results if result.error] == []
    return sum(getattr(result.counts, what) for result in results)


def test_a_second_bootstrap_changes_nothing(folder: Path) -> None:
    assert bootstrap("local") is False
    bucket = Clients.of("local").storage().get_bucket(Clients.of("local").names.state_bucket)
    assert bucket.versioning_enabled
    assert bucket.iam_configuration.uniform_bucket_level_access_enabled
    assert bucket.iam_configuration.public_access_prevention == "enforced"
    assert bucket.labels == Clients.of("local").names.labels


def test_a_second_plan_is_empty_and_a_change_behind_terraforms_back_is_found(folder: Path) -> None:
    stacks = ["monitoring"]
    added = apply("dev", stacks, folder)
    assert total(added, "added") >= 6
    assert all(result.counts.nothing for result in apply("dev", stacks, folder))

    from google.cloud import pubsub_v1

    names = Clients.of("dev").names
    topic = f"projects/{names.project}/topics/{names.topic('alerts')}"
    pubsub_v1.PublisherClient().delete_topic(topic=topic)
    # The topic, and the grant that went with it.
    assert total(plan("dev", stacks, folder), "added") == 2

    assert total(apply("dev", stacks, folder), "added") == 2
    assert total(destroy("dev", stacks, folder), "destroyed") == total(added, "added")
    assert all(result.counts.nothing for result in destroy("dev", stacks, folder))


def test_results_are_json_and_name_the_provider(folder: Path) -> None:
    (result,) = json.loads(as_json(validate("local", ["network"], folder)))
    assert (result["stack"], result["verb"], result["status"]) == ("local-network", "validate", "done")
    assert "provider" in result["provider"]


def test_a_failed_stack_is_reported_in_terraforms_words_and_its_dependents_are_not_started(folder: Path) -> None:
    bucket = Clients.of("local").storage().bucket(Clients.of("local").names.state_bucket)
    lock = bucket.blob("local-foundation/default.tflock")
    lock.upload_from_string(json.dumps({"ID": "1", "Who": "colleague@elsewhere", "Operation": "OperationTypeApply", "Info": ""}))
    try:
        first, *others = apply("local", ["foundation", "network"], folder)
    finally:
        lock.delete()
    assert first.status == "failed"
    assert "colleague@elsewhere" in first.error
    assert "force-unlock" in first.error
    assert [result.status for result in others] == ["not started"]


def test_a_stack_that_is_not_declared_is_refused(folder: Path) -> None:
    with pytest.raises(TerraformFailed, match="there is no stack nothing in local"):
        plan("local", ["nothing"], folder)


def test_a_protected_environment_is_not_destroyed(folder: Path) -> None:
    with pytest.raises(TerraformFailed, match="staging is protected"):
        destroy("staging", [], folder)


def test_a_protected_environment_applies_saved_plans_only_and_no_stale_one(folder: Path) -> None:
    (refused,) = apply("staging", ["network"], folder, rehearsal=True)
    assert "no saved plan" in refused.error
    plan("staging", ["network"], folder)
    reviewed = folder / "staging" / "stacks" / NAMES.stack("network") / "plan.json"
    content = json.loads(reviewed.read_text())
    reviewed.write_text(json.dumps({**content, "configuration": "another"}))
    (stale,) = apply("staging", ["network"], folder, rehearsal=True)
    assert "stale" in stale.error
    reviewed.write_text(json.dumps(content))
    assert total(apply("staging", ["network"], folder, rehearsal=True), "added") >= 3


def test_the_stand_in_does_not_change_a_protected_environment_unless_it_is_a_rehearsal(folder: Path) -> None:
    if "stand-in" not in validate("staging", ["network"], folder)[0].provider:
        pytest.skip("the google provider is here")
    with pytest.raises(TerraformFailed, match="only the provider stand-in is here"):
        apply("staging", ["network"], folder)


@pytest.mark.long
def test_everything_local_is_applied_and_destroyed(folder: Path) -> None:
    assert total(apply("local", [], folder), "added") >= 80
    assert all(result.counts.nothing for result in apply("local", [], folder))
    assert total(destroy("local", [], folder), "destroyed") >= 80
    names = Clients.of("local").names
    left = Clients.of("local").storage().list_buckets(prefix=names.bucket("raw").removesuffix("raw"))
    assert [bucket.name for bucket in left] == [names.state_bucket]


@pytest.mark.long
def test_an_interrupt_lets_terraform_finish_and_save(folder: Path) -> None:
    command = [sys.executable, "-m", "infra.terraform", "apply", "--env", "dev", "--stack", "data", "--folder", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.endswith(" created\n"):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    assert process.wait() == 130
    assert "run the same command again" in rest
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0
    assert "adopted" not in again.stderr
    destroy("dev", ["data"], folder)
