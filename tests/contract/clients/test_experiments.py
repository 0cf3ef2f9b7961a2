"""Vertex AI Experiments, ML Metadata and lineage, by Vertex AI's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
STORE = "aiplatform.projects.locations.metadataStores"
BOARDS = "aiplatform.projects.locations.tensorboards"


@pytest.fixture(scope="module")
def experiment(vertex: Any, place: Place) -> Iterator[str]:
    """An experiment with a TensorBoard behind it."""
    name = place.name("experiment")
    board = vertex.Tensorboard.create(display_name=place.name("board"), labels=dict(place.labels))
    # Without its project, `init` would choose REST for every later call of this process.
    vertex.init(project=place.project, location=place.region, experiment=name, experiment_tensorboard=board.resource_name)
    yield name
    vertex.Experiment(name).delete(delete_backing_tensorboard_runs=True)
    board.delete()


@calls(f"{STORE}.contexts.create", f"{STORE}.contexts.addContextChildren", f"{STORE}.contexts.patch", f"{STORE}.contexts.list")
def test_parameters_and_metrics_of_runs_are_one_table(vertex: Any, experiment: str) -> None:
    """A run that is resumed keeps what it has; the table has a row a run and a column a parameter and metric.

    https://cloud.google.com/vertex-ai/docs/experiments/log-data, https://cloud.google.com/vertex-ai/docs/experiments/compare-analyze-runs
    """
    for name, rate, accuracy in (("run-a", 0.1, 0.75), ("run-b", 0.5, 0.5)):
        vertex.start_run(name)
        vertex.log_params({"rate": rate, "optimizer": "adam"})
        vertex.log_metrics({"accuracy": accuracy})
        vertex.end_run()
    with vertex.start_run("run-a", resume=True):
        vertex.log_metrics({"loss": 0.25})
    table = vertex.get_experiment_df(experiment).set_index("run_name").sort_index()
    assert list(table["param.rate"]) == [0.1, 0.5]
    assert list(table["metric.accuracy"]) == [0.75, 0.5]
    assert (table.loc["run-a", "metric.loss"], table.loc["run-a", "param.optimizer"]) == (0.25, "adam")
    assert set(table["state"]) == {"COMPLETE"}
    assert {run.name for run in vertex.ExperimentRun.list(experiment=experiment)} >= {"run-a", "run-b"}
    vertex.ExperimentRun("run-b", experiment=experiment).delete()
    assert list(vertex.get_experiment_df(experiment)["run_name"]) == ["run-a"]


@calls(f"{STORE}.artifacts.create", f"{STORE}.contexts.addContextArtifactsAndExecutions")
def test_classification_metrics_are_kept_with_their_run(vertex: Any, experiment: str) -> None:
    """https://cloud.google.com/vertex-ai/docs/experiments/log-data#classification-metrics"""
    with vertex.start_run("run-c") as run:
        vertex.log_classification_metrics(
            labels=["cat", "dog"], matrix=[[9, 1], [2, 8]], fpr=[0, 0.5, 1], tpr=[0, 0.75, 1], threshold=[1, 0.5, 0], display_name="test"
        )
        [found] = run.get_classification_metrics()
    assert (found["display_name"], found["labels"], found["matrix"]) == ("test", ["cat", "dog"], [[9, 1], [2, 8]])
    assert (found["fpr"], found["tpr"]) == ([0, 0.5, 1], [0, 0.75, 1])


@calls(f"{BOARDS}.experiments.runs.create", f"{BOARDS}.experiments.runs.write", f"{BOARDS}.batchRead")
def test_time_series_of_a_run_are_read_back_step_by_step(vertex: Any, experiment: str) -> None:
    """https://cloud.google.com/vertex-ai/docs/experiments/log-data#time-series-metrics"""
    with vertex.start_run("run-d", tensorboard=None) as run:
        for step in range(1, 4):
            vertex.log_time_series_metrics({"loss": 1 / step, "accuracy": step / 4}, step=step)
        frame = run.get_time_series_data_frame().sort_values("step")
    assert list(frame["step"]) == [1, 2, 3]
    assert [round(value, 6) for value in frame["loss"]] == [1.0, 0.5, 0.333333]
    assert list(frame["accuracy"]) == [0.25, 0.5, 0.75]


@calls(
    f"{STORE}.artifacts.create", f"{STORE}.executions.create", f"{STORE}.executions.addExecutionEvents", f"{STORE}.executions.patch",
    f"{STORE}.executions.queryExecutionInputsAndOutputs", f"{STORE}.artifacts.queryArtifactLineageSubgraph", f"{STORE}.artifacts.list",
)  # fmt: skip
def test_lineage_leads_from_rows_to_model(vertex: Any, place: Place, experiment: str) -> None:
    """https://cloud.google.com/vertex-ai/docs/ml-metadata/querying"""
    from google.cloud import aiplatform_v1

    rows = vertex.Artifact.create(
        schema_title="system.Dataset", uri=place.uri("rows"), display_name=place.name("rows"), metadata={"rows": 3}
    )
    model = vertex.Artifact.create(schema_title="system.Model", display_name=place.name("model"))
    try:
        with vertex.start_execution(schema_title="system.ContainerExecution", display_name=place.name("train")) as execution:
            execution.assign_input_artifacts([rows])
            execution.assign_output_artifacts([model])
        assert execution.state.name == "COMPLETE"
        assert [one.display_name for one in execution.get_input_artifacts()] == [place.name("rows")]
        assert [one.display_name for one in execution.get_output_artifacts()] == [place.name("model")]
        [found] = vertex.Artifact.list(filter=f'display_name="{place.name("rows")}" AND schema_title="system.Dataset"')
        assert (found.uri, found.metadata["rows"]) == (place.uri("rows"), 3)
        client = aiplatform_v1.MetadataServiceClient(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})
        graph = client.query_artifact_lineage_subgraph(artifact=model.resource_name)
        assert {event.type_.name for event in graph.events} == {"INPUT", "OUTPUT"}
        assert {artifact.display_name for artifact in graph.artifacts} == {place.name("rows"), place.name("model")}
    finally:
        execution.delete()
        model.delete()
        rows.delete()


@calls(f"{STORE}.contexts.queryContextLineageSubgraph", f"{STORE}.contexts.removeContextChildren", f"{STORE}.contexts.delete")
def test_contexts_have_children_and_a_graph(place: Place, experiment: str) -> None:
    """https://cloud.google.com/vertex-ai/docs/ml-metadata/data-model"""
    from google.cloud import aiplatform_v1

    client = aiplatform_v1.MetadataServiceClient(client_options={"api_endpoint": f"{place.region}-aiplatform.googleapis.com"})
    store = f"{place.location}/metadataStores/default"

    def made(purpose: str) -> Any:
        context = aiplatform_v1.Context(display_name=place.name(purpose), schema_title="system.Experiment", schema_version="0.0.1")
        return client.create_context(parent=store, context=context, context_id=place.name(purpose))

    parent, child = made("parent"), made("child")
    try:
        client.add_context_children(context=parent.name, child_contexts=[child.name])
        found = [
            one.name.rpartition("/")[2] for one in client.list_contexts({"parent": store, "filter": f'parent_contexts:"{parent.name}"'})
        ]
        assert found == [place.name("child")]
        client.remove_context_children({"context": parent.name, "child_contexts": [child.name]})
        assert list(client.get_context(name=child.name).parent_contexts) == []
        artifact = client.create_artifact(
            parent=store, artifact={"display_name": place.name("in-graph"), "schema_title": "system.Dataset", "schema_version": "0.0.1"}
        )
        client.add_context_artifacts_and_executions(context=parent.name, artifacts=[artifact.name])
        graph = client.query_context_lineage_subgraph(context=parent.name)
        assert [one.display_name for one in graph.artifacts] == [place.name("in-graph")]
        client.delete_artifact(name=artifact.name).result(timeout=300)
    finally:
        for context in (child, parent):
            client.delete_context({"name": context.name, "force": True}).result(timeout=300)
