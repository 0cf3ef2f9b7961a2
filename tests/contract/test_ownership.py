"""Nothing is owned twice: what Terraform declares no code creates; and what is declared somebody uses."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from environments import Names
from infra.app import synthesise
from infra.policies.subject import SynthesisedStack, read

ROOT = Path(__file__).parents[2]
ROOMS = ("ml", "pipelines", "serving", "playbook")

CREATING = {
    "create_alert_policy": "google_monitoring_alert_policy",
    "create_bucket": "google_storage_bucket",
    "create_bigtable_store": "google_vertex_ai_feature_online_store",
    "create_crypto_key": "google_kms_crypto_key",
    "create_dataset": "google_bigquery_dataset",
    "create_endpoint": "google_vertex_ai_endpoint",
    "create_feature": "google_vertex_ai_feature_group_feature",
    "create_feature_group": "google_vertex_ai_feature_group",
    "create_feature_online_store": "google_vertex_ai_feature_online_store",
    "create_feature_view": "google_vertex_ai_feature_online_store_featureview",
    "create_job": "google_cloud_scheduler_job",
    "create_key_ring": "google_kms_key_ring",
    "create_metric_descriptor": "google_monitoring_metric_descriptor",
    "create_notification_channel": "google_monitoring_notification_channel",
    "create_optimized_store": "google_vertex_ai_feature_online_store",
    "create_repository": "google_artifact_registry_repository",
    "create_secret": "google_secret_manager_secret",
    "create_service": "google_cloud_run_v2_service",
    "create_service_account": "google_service_account",
    "create_subscription": "google_pubsub_subscription",
    "create_table": "google_bigquery_table",
    "create_tensorboard": "google_vertex_ai_tensorboard",
    "create_topic": "google_pubsub_topic",
    "set_iam_policy": "google_project_iam_member",
    "Endpoint.create": "google_vertex_ai_endpoint",
    "PrivateEndpoint.create": "google_vertex_ai_endpoint",
    "FeatureGroup.create": "google_vertex_ai_feature_group",
    "ImageDataset.create": "google_vertex_ai_dataset",
    "Tensorboard.create": "google_vertex_ai_tensorboard",
    "TextDataset.create": "google_vertex_ai_dataset",
}
"""A call of Google's client libraries → the type under which Terraform owns what it makes."""

MAY_CREATE = {
    ("ml/features/table.py", "create_table"): "the rows on their way in: a table under a name of its own that expires by itself",
    ("serving/features.py", "create_feature_view"): "a view with an index, which the provider has no field for, under a name of its own",
}
"""Calls that make what no stack declares, each with the reason."""

FOR_THE_PLATFORM = {
    "alert_policy": "people look at it",
    "annotation_group": "what Gemini said of examples; people and queries read it",
    "annotation_table": "what Gemini said of examples; people and queries read it",
    "approval_ring": "people sign approvals with its keys",
    "approver_key_id": "its full name, approver_key, is what code uses",
    "audit_logs": "auditors read it",
    "budget": "people read its mails",
    "connection": "Cloud Build uses it",
    "dataflow_subnetwork": "Dataflow's workers are started in it",
    "drift_alert_policy": "people look at it",
    "endpoint_id": "its full name, endpoint, is what code uses",
    "google_apis_endpoint": "the network answers with it",
    "identifier": "the pattern itself",
    "key": "Google's service agents encrypt with it",
    "key_ring": "Google's service agents encrypt with its keys",
    "managed_dataset": "people label in it",
    "network": "machines stand in it",
    "network_attachment": "jobs reach the network through it",
    "network_resource": "machines stand in it",
    "plan_bucket": "plans wait in it for who applies them",
    "project_number": "Google's own service agents are named by it",
    "resource_pool": "its full name, resource_pool_name, is what code uses",
    "schedule": "Cloud Scheduler starts it",
    "secret": "a person puts the value in, Cloud Build reads it",
    "service_account_id": "its e-mail, service_account, is what code uses",
    "service_agent": "Google works under it",
    "staging": "Vertex AI stages in it",
    "state_bucket": "Terraform's own",
    "subnetwork": "machines stand in it",
    "subnetwork_resource": "machines stand in it",
    "tensorboard": "Vertex AI writes training runs to it",
    "workbench_instance": "people work on it",
    "workload_identity_pool": "GitHub's tokens are checked by it",
    "workload_identity_pool_id": "GitHub's tokens are checked by it",
}
"""Members of `Names` that no line of ml, pipelines, serving or playbook reads, each with who uses what they name."""


def calls(source: str) -> Iterator[str]:
    """Each call in the source by its last name, and by its last two."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr
            owner = node.func.value
            if isinstance(owner, ast.Attribute | ast.Name):
                yield f"{owner.attr if isinstance(owner, ast.Attribute) else owner.id}.{node.func.attr}"


def sources() -> dict[str, str]:
    """Path → text of every Python file of the rooms that run on Google Cloud."""
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}


def owned_twice(files: Mapping[str, str], declared: set[str]) -> set[tuple[str, str]]:
    """File and call, for each call that makes what Terraform declares."""
    return {(file, call) for file, text in files.items() for call in calls(text) if CREATING.get(call) in declared}


def unused(files: Mapping[str, str], members: set[str]) -> set[str]:
    """Members of `Names` that no file reads."""
    text = "\n".join(files.values())
    return {member for member in members if not re.search(rf"\bnames\.{member}\b", text)}


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> list[SynthesisedStack]:
    out = tmp_path_factory.mktemp("owners")
    synthesise(["local"], out)
    return read(out, ["local"])


def test_nothing_is_made_by_code_that_terraform_declares(declared: list[SynthesisedStack]) -> None:
    types = {type_ for stack in declared for type_ in stack.by_type}
    assert types & set(CREATING.values()), "the check would have run on nothing"
    assert owned_twice(sources(), types) == MAY_CREATE.keys()


@pytest.mark.parametrize(
    "source", ["client.create_bucket('b')", "aiplatform.Endpoint.create(display_name='e')", "publisher.create_topic(name='t')"]
)
def test_code_that_makes_a_declared_resource_is_found(source: str, declared: list[SynthesisedStack]) -> None:
    types = {type_ for stack in declared for type_ in stack.by_type}
    assert owned_twice({"ml/new.py": source}, types)


def test_what_is_declared_somebody_uses() -> None:
    members = {
        name
        for name, member in inspect.getmembers(Names)
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }
    assert unused(sources(), members) == FOR_THE_PLATFORM.keys(), "a name that nobody uses needs a user, or the reason here"


def test_a_name_that_nobody_uses_is_found() -> None:
    assert unused({"ml/new.py": "names.bucket('raw')"}, {"bucket", "topic"}) == {"topic"}
