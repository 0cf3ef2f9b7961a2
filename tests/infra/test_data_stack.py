"""The data stack: what holds data is private, encrypted with our key, logged, and kept as long as the environment says."""

import json
from pathlib import Path
from typing import Any

import pytest

from environments import Environment, Names, load, organisation, tasks
from environments.schema import NoKeys
from infra.components import warehouse
from infra.policies.subject import Resource, SynthesisedStack
from ml.features import examples
from ml.features.table import ENTITY, TIMESTAMP
from pipelines.monitoring import record
from tests.infra import variants
from tests.infra.test_stacks import declared
from tests.infra.variants import changed

ENVIRONMENTS = ("dev", "local", "prod", "staging")


def of(stack: SynthesisedStack, type_: str) -> list[Resource]:
    return [resource for resource in stack.resources if resource.type == type_]


def named(resource: Resource) -> str:
    return str(resource.body.get("name") or resource.body.get("table_id"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_bucket_is_encrypted_with_our_key_and_every_access_to_it_is_logged(
    stacks: dict[str, SynthesisedStack], environment: str
) -> None:
    stack = stacks[f"{environment}-data"]
    buckets = {named(bucket): bucket.body for bucket in of(stack, "google_storage_bucket")}
    logs = stack.names.bucket("logs")
    assert set(buckets) == {stack.names.bucket(purpose) for purpose in stack.names.BUCKETS if purpose != "workbench"}
    assert {body["encryption"]["default_kms_key_name"] for body in buckets.values()} == {stack.names.key("data")}
    assert {name for name, body in buckets.items() if "logging" not in body} == {logs}
    assert {(body["logging"]["log_bucket"], body["logging"]["log_object_prefix"]) for name, body in buckets.items() if name != logs} == {
        (logs, name) for name in buckets if name != logs
    }


def test_nobody_but_cloud_storage_writes_access_logs_and_nobody_reads_them(stacks: dict[str, SynthesisedStack]) -> None:
    grants = [grant.body for grant in of(stacks["prod-data"], "google_storage_bucket_iam_member") if "logs_bucket" in grant.body["bucket"]]
    assert [(grant["member"], grant["role"]) for grant in grants] == [
        ("group:cloud-storage-analytics@google.com", "roles/storage.objectCreator")
    ]


def test_access_logs_and_artifacts_end_and_raw_rows_stay(stacks: dict[str, SynthesisedStack]) -> None:
    names = stacks["prod-data"].names

    def ages(purpose: Any, action: str) -> list[int]:
        [bucket] = [one for one in of(stacks["prod-data"], "google_storage_bucket") if named(one) == names.bucket(purpose)]
        rules = [rule["condition"] for rule in bucket.body["lifecycle_rule"] if rule["action"]["type"] == action]
        return [condition["age"] for condition in rules if "age" in condition]

    assert ages("logs", "Delete") == [names.environment.data.access_log_days]
    assert ages("pipelines", "Delete") == [180]
    assert ages("raw", "Delete") == []
    assert ages("raw", "SetStorageClass") == [90]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_table_is_partitioned_clustered_and_encrypted(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-data"]
    tables = of(stack, "google_bigquery_table")
    assert {named(table) for table in tables} >= set(Names.TABLES)
    for table in tables:
        columns = {column["name"]: column for column in json.loads(table.body["schema"])}
        partition = columns[table.body["time_partitioning"]["field"]]
        assert (partition["type"], partition["mode"]) == ("TIMESTAMP", "REQUIRED")
        assert set(table.body["clustering"]) <= columns.keys()
        assert table.body["encryption_configuration"]["kms_key_name"] == stack.names.key("data")
        assert all(column["description"] for column in columns.values())


def test_what_people_were_answered_ends_by_itself_and_nothing_else_does(stacks: dict[str, SynthesisedStack]) -> None:
    ends = {
        named(table): table.body["time_partitioning"].get("expiration_ms") for table in of(stacks["prod-data"], "google_bigquery_table")
    }
    days = load("prod").data.prediction_days
    assert {name: end for name, end in ends.items() if end} == {"predictions": days * 86_400_000}


def test_code_writes_the_columns_that_are_declared() -> None:
    columns = {table: {column.name for column in shared.columns} for table, shared in warehouse.TABLES.items()}
    assert (warehouse.ENTITY, warehouse.TIMESTAMP) == (ENTITY, TIMESTAMP)
    assert {examples.STAMP, record.STAMP} == {warehouse.WRITTEN}
    assert {*examples.KEY, "label", "split", examples.STAMP} == columns["examples"]
    assert {*record.KEY, "label", "confidence", "window_end", record.STAMP} == columns["predictions"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_images_keep_their_tags_are_scanned_and_encrypted(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-data"]
    [repository] = of(stack, "google_artifact_registry_repository")
    assert repository.body["docker_config"] == {"immutable_tags": True}
    assert repository.body["vulnerability_scanning_config"] == {"enablement_config": "INHERITED"}
    assert repository.body["kms_key_name"] == stack.names.key("data")


def test_every_task_has_an_empty_managed_dataset_of_its_kind(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["prod-data"]
    found = {
        dataset.body["display_name"]: dataset.body["metadata_schema_uri"].rpartition("/")[2]
        for dataset in of(stack, "google_vertex_ai_dataset")
    }
    kinds = {"image_classification": "image_1.0.0.yaml", "text_classification": "text_1.0.0.yaml"}
    assert found == {stack.names.managed_dataset(task.name): kinds[task.kind] for task in tasks().tasks}


def test_without_a_key_of_ours_google_encrypts(tmp_path: Path) -> None:
    keyless = load("dev").model_copy(update={"keys": NoKeys(mode="none")})
    stacks = {stack.id: stack for stack in declared(Names(organisation(), keyless), tmp_path)}
    text = json.dumps(stacks["dev-data"].document["resource"])
    assert "kms_key" not in text
    assert "encryption" not in text


def test_who_takes_releases_on_reads_images_rows_and_models_and_nothing_else(tmp_path: Path) -> None:
    member = f"serviceAccount:{Names(organisation(), load('staging')).service_account('apply')}"
    promotion = {"source": None, "soak_hours": 0, "target": "staging"}
    without = declared_as(changed("dev"), tmp_path / "without")
    added = declared_as(changed("dev", promotion=promotion), tmp_path / "with") - without
    names = Names(organisation(), load("dev"))
    assert added == {
        *(
            ("google_storage_bucket_iam_member", f"roles/storage.{role}", member, names.bucket(purpose))
            for role in ("objectViewer", "legacyBucketReader")
            for purpose in ("raw", "models")
        ),
        ("google_artifact_registry_repository_iam_member", "roles/artifactregistry.reader", member, ""),
    }


def declared_as(environment: Environment, out: Path) -> set[tuple[str, str, str, str]]:
    """The grants of the data stack: type, role, member, and the bucket."""
    stack = variants.declared("data", environment, out)
    buckets = {f"${{{r.address}.name}}": named(r) for r in of(stack, "google_storage_bucket")}
    return {
        (r.type, r.body["role"], r.body["member"], buckets.get(r.body.get("bucket", ""), "")) for r in stack.resources if "member" in r.body
    }
