"""The training pipeline of every task: raw rows to a version that serves, with a gate before the traffic."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from kfp import dsl

from environments.schema import Training
from environments.tasks import Tasks
from pipelines.components import data, model, release
from pipelines.definitions.releasing import release_if_passed
from pipelines.definitions.steps import Steps

NAME = "training"


def define(tasks: Tasks, images: Mapping[str, str], machine: Training) -> Callable[..., Any]:
    """The pipeline for one environment.

    Args:
        tasks: the tasks that it can train.
        images: image name → address in the environment's repository, for the steps and for the serving containers. It holds the
            digest of what is in the image, so that the cache key does.
        machine: what the steps that compute run on.
    """
    containers = {task.name: images[task.image] for task in tasks.tasks}
    steps = Steps(images, machine)
    pure, effect = steps.pure, steps.effect

    @dsl.pipeline(name=NAME, description="Raw rows to a serving version, with a gate before the traffic")
    def pipeline(environment: str, task: str, rows_uri: str, declared: bool) -> None:
        raw = dsl.importer(artifact_uri=rows_uri, artifact_class=dsl.Dataset, reimport=False).set_display_name("raw-rows")
        rows = pure(data.ingest(raw=raw.output)).outputs["rows"]
        labels = pure(data.label(environment=environment, task=task, rows=rows)).outputs["labels"]
        prepared = pure(data.preprocess(task=task, rows=rows, labels=labels)).outputs["prepared"]
        trained = steps.learning(model.train(task=task, prepared=prepared, rows=rows)).outputs["model"]
        evaluation = pure(model.evaluate(model=trained, rows=rows)).outputs["evaluation"]
        registered = release.register(
            environment=environment,
            task=task,
            containers=containers,
            rows_uri=rows_uri,
            declared=declared,
            labelled=[],
            model=trained,
            evaluation=evaluation,
        )
        version = effect(registered).outputs["Output"]
        decided = release.gate(environment=environment, task=task, declared=declared, version=version, evaluation=evaluation)
        release_if_passed(steps, environment, task, version, effect(decided).outputs["Output"], trained, rows)

    return cast(Callable[..., Any], pipeline)
