"""Each name that code uses is declared by a stack: nothing is looked up, so nothing may be missing."""

import inspect

import pytest

from environments import Names, load, organisation, tasks
from infra.app import synthesise
from infra.policies.subject import SynthesisedStack, read

NOT_DECLARED = {
    "name": "the pattern itself",
    "identifier": "the pattern itself",
    "labels": "on everything, see the required labels of the policies",
    "location": "a parent, not a resource",
    "stack": "the id of a state",
    "state_bucket": "made before any stack by the bootstrap",
    "uri": "an address inside a declared bucket",
    "built_images": "an object inside a declared bucket",
    "image_repository": "the address of the declared repository",
    "image": "an image inside the declared repository",
    "release": "an object inside a declared bucket",
    "feature_table": "the table of a declared feature group in the declared dataset",
    "annotation_table": "the table of a declared feature group in the declared dataset",
    "similar_view": "made by serving.features, since the provider has no field for its index",
    "staging": "an address inside a declared bucket",
    "requests_table": "made by Vertex AI with the first request; the endpoint's log is declared to go there",
    "experiment": "made by the first run",
    "resource_pool": "declared where serving.resource_pool is on, which an environment with keys forbids",
    "resource_pool_name": "the full name of that pool",
    "model_id": "registered by the pipeline",
    "model": "registered by the pipeline",
    "project_number": "Google's own, by which it names its agents",
    "service_agent": "made by Google; the bootstrap asks for it",
    "key": "the full name of a declared key in the declared ring, or of one that is used",
    "workload_identity_pool": "the full name of the declared pool, or of one that is used",
    "approver_key": "the full name of a declared key in the declared ring",
    "network_resource": "the full name of the declared network, or of one that is used",
    "subnetwork_resource": "the full name of the declared subnetwork, or of one that is used",
}
"""Members of `Names` that name no resource of a stack, each with the reason."""


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> list[SynthesisedStack]:
    out = tmp_path_factory.mktemp("names")
    synthesise(["local"], out)
    return read(out, ["local"])


def values(stacks: list[SynthesisedStack], *attributes: str) -> set[str]:
    """What the stacks declare under some attributes."""
    return {str(resource.body[key]) for stack in stacks for resource in stack.resources for key in attributes if key in resource.body}


def wanted(names: Names) -> dict[str, list[str]]:
    """Member of `Names` → every name that code can ask it for."""
    each_task = [task.name for task in tasks().tasks]
    return {
        "service_account_id": [names.service_account_id(duty) for duty in names.DUTIES],
        "service_account": [names.service_account(duty).partition("@")[0] for duty in names.DUTIES],
        "key_ring": [names.key_ring],
        "approval_ring": [names.approval_ring],
        "approver_key_id": [names.approver_key_id(person) for person in names.environment.approvers],
        "secret": [names.secret(purpose) for purpose in names.SECRETS],
        "workload_identity_pool_id": [names.workload_identity_pool_id],
        "audit_logs": [names.audit_logs],
        "budget": [names.budget],
        "google_apis_endpoint": [names.google_apis_endpoint],
        "network": [names.network],
        "subnetwork": [names.subnetwork],
        "bucket": [names.bucket(purpose) for purpose in names.BUCKETS],
        "dataset": [names.dataset],
        "repository": [names.repository],
        "table": [names.table(table).rpartition(".")[2] for table in names.TABLES],
        "managed_dataset": [names.managed_dataset(task) for task in each_task],
        "workbench_instance": [names.workbench_instance(key) for key in names.environment.workbench.instances],
        "network_attachment": [names.network_attachment],
        "dataflow_subnetwork": [names.dataflow_subnetwork],
        "annotation_group": [names.annotation_group(task) for task in each_task],
        "feature_group": [names.feature_group(task) for task in each_task],
        "online_store": [names.online_store],
        "feature_view": [names.feature_view(task) for task in each_task],
        "tensorboard": [names.tensorboard],
        "endpoint_id": [names.endpoint_id(task) for task in each_task],
        "endpoint": [names.endpoint(task).rpartition("/")[2] for task in each_task],
        "topic": [names.topic(purpose) for purpose in names.TOPICS],
        "subscription": [names.subscription(purpose) for purpose in names.SUBSCRIPTIONS],
        "web_server": [names.web_server],
        "accuracy_metric": [names.accuracy_metric],
        "retirement_metric": [names.retirement_metric],
        "schedule": [names.schedule(task) for task in each_task],
        "release_bucket": [names.release_bucket],
        "plan_bucket": [names.plan_bucket],
        "connection": [names.connection],
        "alert_policy": [names.alert_policy],
        "drift_metric": [names.drift_metric],
        "drift_alert_policy": [names.drift_alert_policy(task) for task in each_task],
    }


def test_each_name_that_code_uses_is_declared_by_a_stack(declared: list[SynthesisedStack]) -> None:
    # `local` has every switch on, so that every name is declared there.
    names = Names(organisation(), load("local"))
    found = values(
        declared, "name", "account_id", "dataset_id", "table_id", "repository_id", "display_name", "type", "secret_id",
        "workload_identity_pool_id",
    )  # fmt: skip
    missing = {member: sorted(set(every) - found) for member, every in wanted(names).items() if set(every) - found}
    assert not missing, f"code could ask for names that no stack declares: {missing}"


def test_every_member_of_names_is_either_declared_or_excused() -> None:
    members = {
        name
        for name, member in inspect.getmembers(Names)
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }
    covered = set(wanted(Names(organisation(), load("local")))) | NOT_DECLARED.keys() | {"project"}
    assert members - covered == set(), "a new name needs a stack that declares it, or a reason here"
    assert covered - members == set(), "this test speaks of names that no longer exist"


def test_the_project_is_the_provider_and_every_grant(declared: list[SynthesisedStack]) -> None:
    names = Names(organisation(), load("local"))
    assert {stack.provider["project"] for stack in declared} == {names.project}


def test_a_table_of_features_has_the_name_of_its_group(declared: list[SynthesisedStack]) -> None:
    tables = {r.body["table_id"] for s in declared for r in s.resources if r.type == "google_bigquery_table"}
    groups = {r.body["name"] for s in declared for r in s.resources if r.type == "google_vertex_ai_feature_group"}
    assert groups
    assert tables == groups | set(Names.TABLES)
