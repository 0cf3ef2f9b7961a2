"""The features stack: a group for each producer, and an online store only where it is paid for."""

from pathlib import Path
from typing import Literal

import pytest

from environments import Names, load, organisation, tasks
from infra.policies.subject import Resource, SynthesisedStack
from tests.infra.test_stacks import declared

GROUP, FEATURE = "google_vertex_ai_feature_group", "google_vertex_ai_feature_group_feature"
STORE, VIEW = "google_vertex_ai_feature_online_store", "google_vertex_ai_feature_online_store_featureview"


def of(stack: SynthesisedStack, type_: str) -> list[Resource]:
    return [resource for resource in stack.resources if resource.type == type_]


def registered(stack: SynthesisedStack) -> dict[str, set[str]]:
    """Group → its features; a feature refers to its group by address."""
    groups = {f"${{{group.address}.name}}": group.body["name"] for group in of(stack, GROUP)}
    found: dict[str, set[str]] = {name: set() for name in groups.values()}
    for feature in of(stack, FEATURE):
        found[groups[feature.body["feature_group"]]].add(feature.body["name"])
    return found


@pytest.mark.parametrize("environment", ["dev", "local", "prod", "staging"])
def test_every_task_registers_embeddings_and_what_gemini_says(stacks: dict[str, SynthesisedStack], environment: str) -> None:
    stack = stacks[f"{environment}-features"]
    features = registered(stack)
    assert set(features) == {
        group(task.name) for task in tasks().tasks for group in (stack.names.feature_group, stack.names.annotation_group)
    }
    for task in tasks().tasks:
        own, said = features[stack.names.feature_group(task.name)], features[stack.names.annotation_group(task.name)]
        assert {"embedding", "embedding_model", "label"} <= own
        assert ("sentiment" in own) == (task.kind == "text_classification")
        assert said == {"annotation_model", "entities" if task.kind == "text_classification" else "caption"}


def test_a_feature_says_what_it_means(stacks: dict[str, SynthesisedStack]) -> None:
    assert all(len(feature.body["description"]) > 10 for feature in of(stacks["prod-features"], FEATURE))


def test_a_group_reads_the_table_of_its_name(stacks: dict[str, SynthesisedStack]) -> None:
    tables = {r.body["table_id"] for r in stacks["prod-data"].resources if r.type == "google_bigquery_table"}
    for group in of(stacks["prod-features"], GROUP):
        source = group.body["big_query"]["big_query_source"]["input_uri"]
        assert source.rpartition(".")[2] == group.body["name"]
        assert group.body["name"] in tables


@pytest.mark.parametrize("kind", ["bigtable", "optimized"])
def test_the_environment_chooses_the_store_and_every_view_serves_both_groups(
    kind: Literal["bigtable", "optimized"], tmp_path: Path
) -> None:
    dev = load("dev")
    chosen = dev.model_copy(update={"features": dev.features.model_copy(update={"online_store": kind})})
    stack = next(one for one in declared(Names(organisation(), chosen), tmp_path) if one.id == "dev-features")
    [store] = of(stack, STORE)
    assert {one for one in ("bigtable", "optimized") if one in store.body} == {kind}
    views = of(stack, VIEW)
    assert {view.body["name"] for view in views} == {stack.names.feature_view(task.name) for task in tasks().tasks}
    assert all(len(view.body["feature_registry_source"]["feature_groups"]) == 2 for view in views)


def test_without_a_store_nothing_is_paid_by_the_hour(stacks: dict[str, SynthesisedStack]) -> None:
    assert load("dev").features.online_store is None
    assert not of(stacks["dev-features"], STORE) + of(stacks["dev-features"], VIEW)
    assert of(stacks["dev-features"], GROUP)


def test_nothing_is_of_the_older_feature_store(stacks: dict[str, SynthesisedStack]) -> None:
    assert not [r.address for stack in stacks.values() for r in stack.resources if r.type.startswith("google_vertex_ai_featurestore")]
