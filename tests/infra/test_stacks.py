import json
from pathlib import Path

from environments import Environment, Names, load, organisation, tasks
from infra.app import CONTEXT
from infra.policies.rules import name_formats, names_are_unique
from infra.policies.subject import SynthesisedStack
from infra.stacks import NEEDS, ORDER, STACKS

NAMED_IN_ANOTHER = {
    "google_cloudbuildv2_repository": "of its connection",
    "google_dns_record_set": "of its zone",
    "google_iam_workload_identity_pool": "by its id, which is looked at by itself; its display name is for people",
    "google_iam_workload_identity_pool_provider": "of its pool",
    "google_kms_crypto_key": "of its ring",
    "google_org_policy_policy": "of the project: the second team uses the policies of the first",
    "google_storage_bucket_object": "of its bucket",
    "google_vertex_ai_feature_group_feature": "a column of its group's table",
}
"""Types whose names need not differ between two teams, since they are told apart by something else."""


def declared(names: Names, out: Path) -> list[SynthesisedStack]:
    """Every stack under the given names."""
    from cdktf import App

    app = App(outdir=str(out), context=CONTEXT)
    for stack, declare in STACKS.items():
        declare(app, names.stack(stack), names=names, tasks=tasks())
    app.synth()
    return [
        SynthesisedStack(id=path.parent.name, names=names, document=json.loads(path.read_text()))
        for path in sorted(out.glob(f"stacks/{names.environment.name}-*/cdk.tf.json"))
    ]


def named(prefix: str, team: str, environment: Environment) -> Names:
    return Names(organisation().model_copy(update={"prefix": prefix, "team": team}), environment)


def test_the_longest_names_that_an_organisation_may_choose_are_accepted_by_google(tmp_path: Path) -> None:
    environment = load("local").model_copy(update={"name": "preprod"})
    stacks = declared(named("abcdef", "abcdefgh", environment), tmp_path)
    assert len(stacks) == len(ORDER)
    assert [str(finding) for stack in stacks for rule in (name_formats, names_are_unique) for finding in rule(stack)] == []


def test_two_teams_in_one_project_share_nothing_but_the_project(tmp_path: Path) -> None:
    first, second = (
        {
            (resource.type, key, resource.body[key])
            for stack in declared(named("acme", team, load("local")), tmp_path / team)
            for resource in stack.resources
            for key in ("name", "account_id", "dataset_id", "repository_id", "display_name", "secret_id", "bucket_id")
            # A reference is known only when Terraform runs.
            if resource.type not in NAMED_IN_ANOTHER and not resource.body.get(key, "${").startswith("${")
        }
        for team in ("gemini", "vision")
    )
    assert len(first) > 25
    assert first & second == set()


def test_a_stack_comes_after_all_that_it_needs() -> None:
    assert NEEDS.keys() <= set(ORDER)
    assert all(ORDER.index(needed) < ORDER.index(stack) for stack, every in NEEDS.items() for needed in every)


def test_every_task_has_its_endpoint_its_features_and_its_table(stacks: dict[str, SynthesisedStack]) -> None:
    names = Names(organisation(), load("dev"))
    for task in tasks().tasks:
        assert names.endpoint_id(task.name) in {r.body.get("name") for r in stacks["dev-serving"].resources}
        assert names.feature_group(task.name) in {r.body.get("name") for r in stacks["dev-features"].resources}
        assert names.feature_group(task.name) in {r.body.get("table_id") for r in stacks["dev-data"].resources}


def test_people_hold_no_role_on_data(stacks: dict[str, SynthesisedStack]) -> None:
    people = [r for stack in stacks.values() for r in stack.resources if str(r.body.get("member", "")).startswith("user:")]
    assert people
    assert {(r.type, r.body["role"]) for r in people} == {
        ("google_service_account_iam_member", "roles/iam.serviceAccountUser"),
        # Who approves signs with a key of their own, and writes that into the ledger, which holds no data.
        ("google_kms_crypto_key_iam_member", "roles/cloudkms.signerVerifier"),
        ("google_storage_bucket_iam_member", "roles/storage.objectCreator"),
        ("google_storage_bucket_iam_member", "roles/storage.objectViewer"),
    }
    assert {r.id.partition("_")[0] for r in people if r.type == "google_storage_bucket_iam_member"} == {"releases"}


def test_every_grant_goes_to_an_identity_that_the_environment_declares(stacks: dict[str, SynthesisedStack]) -> None:
    accounts = {
        f"serviceAccount:{resource.body['account_id']}@{stack.names.project}.iam.gserviceaccount.com"
        for stack in stacks.values()
        for resource in stack.resources
        if resource.type == "google_service_account"
    } | {f"serviceAccount:{stack.names.service_agent(agent)}" for stack in stacks.values() for agent in Names.AGENTS}
    granted = {str(resource.body.get("member", "")) for stack in stacks.values() for resource in stack.resources}
    found = {member for member in granted if member.startswith("serviceAccount:")}
    assert found
    assert found <= accounts
