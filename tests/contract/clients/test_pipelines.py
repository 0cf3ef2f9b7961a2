"""Vertex AI Pipelines, by KFP's compiler and Vertex AI's SDK. What the engine computes is compared in `test_kfp_local`."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.clients.place import Place

calls = pytest.mark.calls
JOBS = "aiplatform.projects.locations.pipelineJobs"


@pytest.fixture(scope="module")
def specification(place: Place, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compiled pipeline of two steps, the second of which fails where it is told to."""
    from kfp import compiler, dsl
    from kfp.dsl import Input, Metrics, Model, Output

    component = dsl.component(base_image=place.image, install_kfp_package=False)

    @component
    def train(rows: int, model: Output[Model], metrics: Output[Metrics]) -> float:
        with open(model.path, "w") as file:
            file.write("weights")
        model.metadata["rows"] = rows
        metrics.log_metric("accuracy", rows / 4)
        return rows / 4

    @component
    def check(accuracy: float, least: float, model: Input[Model]) -> str:
        with open(model.path) as file:
            weights = file.read()
        if accuracy < least:
            raise ValueError(f"{accuracy} is less than {least}")
        return weights

    @dsl.pipeline(name=place.name("training"))
    def training(rows: int = 3, least: float = 0.5) -> str:
        trained = train(rows=rows)
        return check(accuracy=trained.outputs["Output"], least=least, model=trained.outputs["model"]).output

    path = tmp_path_factory.mktemp("pipelines") / "training.yaml"
    compiler.Compiler().compile(training, str(path))
    return str(path)


def submitted(vertex: Any, place: Place, specification: str, name: str, **options: Any) -> Any:
    job = vertex.PipelineJob(
        display_name=place.name(name), template_path=specification, job_id=place.name(name), pipeline_root=place.uri("pipelines"),
        labels=dict(place.labels), **options,
    )  # fmt: skip
    job.submit()
    return job


@calls(f"{JOBS}.create", f"{JOBS}.get", f"{JOBS}.list", f"{JOBS}.delete")
@pytest.mark.timeout(3600)
def test_a_run_tells_each_step_with_its_artifacts(vertex: Any, place: Place, specification: str) -> None:
    """A run's tasks have executions and artifacts of ML Metadata; a second run takes them from the cache.

    https://cloud.google.com/vertex-ai/docs/pipelines/run-pipeline, https://cloud.google.com/vertex-ai/docs/pipelines/configure-caching
    """
    from google.cloud import storage

    first = submitted(vertex, place, specification, "first", parameter_values={"rows": 3})
    first.wait()
    second = submitted(vertex, place, specification, "second", parameter_values={"rows": 3}, enable_caching=True)
    second.wait()
    try:
        assert first.state.name == "PIPELINE_STATE_SUCCEEDED"
        tasks = {task.task_name: task for task in first.task_details}
        assert {name: task.state.name for name, task in tasks.items() if name in {"train", "check"}} == {
            "train": "SUCCEEDED", "check": "SUCCEEDED",
        }  # fmt: skip
        assert tasks["train"].execution.metadata["output:Output"] == 0.75
        assert tasks["check"].execution.metadata["output:Output"] == "weights"
        [model] = tasks["train"].outputs["model"].artifacts
        assert (model.schema_title, model.metadata["rows"], model.uri.startswith(place.uri("pipelines"))) == ("system.Model", 3, True)
        assert storage.Blob.from_uri(model.uri, storage.Client()).download_as_text() == "weights"
        [metrics] = tasks["train"].outputs["metrics"].artifacts
        assert metrics.metadata["accuracy"] == 0.75
        cached = {task.task_name: task.state.name for task in second.task_details}
        assert (cached["train"], cached["check"]) == ("SKIPPED", "SKIPPED")
        found = vertex.PipelineJob.list(filter=f'display_name="{place.name("first")}"')
        assert [one.resource_name for one in found] == [first.resource_name]
        runs = vertex.get_pipeline_df(pipeline=place.name("training"))
        assert set(runs["pipeline_name"]) == {place.name("training")}
        assert set(runs["param.input:rows"]) == {3}
    finally:
        second.delete()
        first.delete()


@calls(f"{JOBS}.create", f"{JOBS}.get")
@pytest.mark.timeout(3600)
def test_a_run_whose_step_fails_has_failed(vertex: Any, place: Place, specification: str) -> None:
    """https://cloud.google.com/vertex-ai/docs/reference/rest/v1/PipelineState"""
    job = submitted(vertex, place, specification, "fails", parameter_values={"least": 0.9}, enable_caching=False)
    with pytest.raises(RuntimeError):
        job.wait()
    try:
        states = {task.task_name: task.state.name for task in job.task_details}
        assert (job.state.name, states["train"], states["check"]) == ("PIPELINE_STATE_FAILED", "SUCCEEDED", "FAILED")
    finally:
        job.delete()


@calls(f"{JOBS}.create", f"{JOBS}.cancel")
@pytest.mark.timeout(3600)
def test_a_run_is_cancelled(vertex: Any, place: Place, tmp_path: Path) -> None:
    """https://cloud.google.com/vertex-ai/docs/pipelines/cancel-delete-pipeline"""
    from kfp import compiler, dsl

    @dsl.container_component
    def wait():  # type: ignore[no-untyped-def]
        return dsl.ContainerSpec(image=place.image, command=["sleep", "3600"])

    @dsl.pipeline(name=place.name("waiting"))
    def waiting() -> None:
        wait()

    compiler.Compiler().compile(waiting, str(tmp_path / "waiting.yaml"))
    job = submitted(vertex, place, str(tmp_path / "waiting.yaml"), "stops")
    job.cancel()
    job.wait()
    try:
        assert job.state.name == "PIPELINE_STATE_CANCELLED"
    finally:
        job.delete()
