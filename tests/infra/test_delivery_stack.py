"""The delivery stack: who plans can change nothing, who applies is released by a person where that matters, and what was kept stays."""

import re
from pathlib import Path
from typing import Any

import pytest

from environments import ConfigurationError, loading
from infra.policies.subject import Resource, SynthesisedStack
from infra.stacks.delivery import BUILDS
from tests.environments.test_configuration import Edit, edited

ROOT = Path(__file__).parents[2]
DELIVERED = ("local", "prod", "staging")
EVERYWHERE = ("dev", *DELIVERED)

__all__ = ["edited"]


def triggers(stack: SynthesisedStack) -> dict[str, Any]:
    """Word → trigger."""
    prefix = stack.names.name("")
    return {str(one.at("name")).removeprefix(prefix): one for one in stack.by_type["google_cloudbuild_trigger"]}


def test_dev_is_deployed_by_people_and_has_buckets_for_releases_and_plans_all_the_same(stacks: dict[str, SynthesisedStack]) -> None:
    assert stacks["dev-delivery"].by_type.keys() == {"google_storage_bucket", "google_storage_bucket_iam_member"}


@pytest.mark.parametrize("environment", DELIVERED)
def test_every_trigger_names_a_build_file_that_exists(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    found = triggers(stacks[f"{environment}-delivery"])
    assert found.keys() == BUILDS.keys()
    for trigger in found.values():
        assert (ROOT / trigger.at("filename")).is_file()


@pytest.mark.parametrize("word", BUILDS)
def test_a_build_uses_only_what_its_trigger_or_cloud_build_gives_it(stacks: dict[str, SynthesisedStack], word: Any) -> None:
    trigger = triggers(stacks["local-delivery"])[word]
    text = (ROOT / trigger.at("filename")).read_text()
    given = set(trigger.at("substitutions"))
    assert given == {"_ENV", "_RELEASES"}
    assert set(re.findall(r"\$\{?(_[A-Z]+)\b", text)) <= given


@pytest.mark.parametrize("environment", DELIVERED)
def test_only_what_is_merged_is_applied_and_only_the_apply_identity_applies(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-delivery"]
    found = triggers(stack)
    runs_as = {word: str(trigger.at("service_account")).rpartition("/")[2] for word, trigger in found.items()}
    plan, apply = stack.names.service_account("plan"), stack.names.service_account("apply")
    assert runs_as == {"review": plan, "plan": plan, "apply": apply}
    assert found["apply"].at("repository_event_config.push.branch") == f"^{stack.environment.delivery.branch}$"
    assert found["apply"].at("repository_event_config.pull_request") is None
    assert found["review"].at("repository_event_config.pull_request.comment_control") == "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"


def test_a_person_releases_each_apply_of_a_protected_environment(stacks: dict[str, SynthesisedStack]) -> None:
    released = {
        (environment, word)
        for environment in DELIVERED
        for word, trigger in triggers(stacks[f"{environment}-delivery"]).items()
        if trigger.at("approval_config.approval_required")
    }
    assert released == {("prod", "apply"), ("staging", "apply")}


def test_a_protected_environment_without_approval_is_refused(edited: Edit) -> None:
    with pytest.raises(ConfigurationError, match="changed by whoever merges"):
        loading.load("prod", edited("prod.yaml", "approval: true", "approval: false"))


def bucket(stack: SynthesisedStack, name: str) -> tuple[Resource, set[tuple[str, str]]]:
    """One bucket of a stack, and who holds which role on it."""
    [found] = [one for one in stack.by_type["google_storage_bucket"] if one.at("name") == name]
    reference = f"${{google_storage_bucket.{found.id}.name}}"
    grants = [one for one in stack.by_type["google_storage_bucket_iam_member"] if one.at("bucket") == reference]
    return found, {(str(one.at("member")), str(one.at("role"))) for one in grants}


@pytest.mark.parametrize("environment", EVERYWHERE)
def test_who_plans_approves_or_applies_adds_to_the_release_bucket_and_nobody_replaces_or_deletes(
    stacks: dict[str, SynthesisedStack], environment: str
) -> None:
    stack = stacks[f"{environment}-delivery"]
    names = stack.names
    releases, granted = bucket(stack, names.release_bucket)
    days = stack.environment.delivery.retention_days if stack.environment.protected else None
    assert releases.at("retention_policy.retention_period") == (days * 86_400 if days else None)
    assert releases.at("encryption.default_kms_key_name") == names.key("releases")
    plan, builder, apply = (f"serviceAccount:{names.service_account(duty)}" for duty in ("plan", "builder", "apply"))
    people = [f"user:{person}" for person in stack.environment.approvers]
    adds, reads = "roles/storage.objectCreator", "roles/storage.objectViewer"
    assert granted >= {(who, adds) for who in (plan, builder, apply, *people)} | {(who, reads) for who in (plan, apply, *people)}
    assert {role for _, role in granted} == {adds, reads}


@pytest.mark.parametrize("environment", EVERYWHERE)
def test_a_saved_plan_is_read_by_who_applies_alone_and_nothing_is_left_of_it(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-delivery"]
    names = stack.names
    plans, granted = bucket(stack, names.plan_bucket)
    assert granted == {
        (f"serviceAccount:{names.service_account('plan')}", "roles/storage.objectCreator"),
        (f"serviceAccount:{names.service_account('apply')}", "roles/storage.objectUser"),
    }
    assert plans.at("encryption.default_kms_key_name") == names.key("releases")
    assert plans.at("versioning") is None
    assert plans.at("soft_delete_policy.retention_duration_seconds") == 0
    ends = [one for one in plans.blocks("lifecycle_rule") if Resource(type="", id="", body=one).at("action.type") == "Delete"]
    assert [Resource(type="", id="", body=one).at("condition.age") for one in ends] == [1]


def test_the_token_of_the_repository_is_named_and_never_held(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["prod-delivery"]
    [connection] = stack.by_type["google_cloudbuildv2_connection"]
    version = connection.at("github_config.authorizer_credential.oauth_token_secret_version")
    assert version == f"projects/{stack.names.project}/secrets/{stack.names.secret('github')}/versions/latest"
    assert not [one for one in stacks.values() if "google_secret_manager_secret_version" in one.by_type]
