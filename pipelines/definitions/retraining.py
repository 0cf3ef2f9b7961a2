"""The retraining pipeline of every task: the champion's rows and those labelled since to a challenger that may take its place."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from kfp import dsl

from environments.schema import Training
from environments.tasks import Tasks
from pipelines.components import data, model, release, retraining
from pipelines.definitions.releasing import release_if_passed
from pipelines.definitions.steps import Steps

NAME = "retraining"


def define(tasks: Tasks, images: Mapping[str, str], machine: Training) -> Callable[..., Any]:
    """The pipeline for one environment; the arguments are those of the training pipeline."""
    containers = {task.name: images[task.image] for task in tasks.tasks}
    steps = Steps(images, machine)
    pure, effect = steps.pure, steps.effect

    @dsl.pipeline(name=NAME, description="The champion's rows and those labelled since to a challenger, compared, gated and rolled out")
    def pipeline(
        environment: str, task: str, rows_uri: str, declared: bool, labelled: list[str], known_at: str, champion_uri: str, epochs: int = 0
    ) -> None:
        raw = dsl.importer(artifact_uri=rows_uri, artifact_class=dsl.Dataset, reimport=False).set_display_name("raw-rows")
        served = dsl.importer(artifact_uri=champion_uri, artifact_class=dsl.Model, reimport=False).set_display_name("champion")
        champion = served.output
        rows = pure(data.ingest(raw=raw.output)).outputs["rows"]
        labels = pure(data.label(environment=environment, task=task, rows=rows)).outputs["labels"]
        # Pure, for all that it reads a table: to this only later moments are added.
        put_beside = retraining.join(environment=environment, task=task, labelled=labelled, known_at=known_at, rows=rows)
        joined = pure(put_beside).outputs["joined"]
        prepared = pure(data.preprocess(task=task, rows=joined, labels=labels)).outputs["prepared"]
        learned = retraining.train(task=task, epochs=epochs, prepared=prepared, rows=joined, champion=champion)
        trained = steps.learning(learned).outputs["model"]
        # On the frozen rows alone, as the champion was: the registry's evaluations of a task can be compared.
        evaluation = pure(model.evaluate(model=trained, rows=rows)).outputs["evaluation"]
        compared = pure(retraining.compare(task=task, challenger=trained, champion=champion, rows=joined))
        comparison = compared.outputs["comparison"]
        registered = release.register(
            environment=environment,
            task=task,
            containers=containers,
            rows_uri=rows_uri,
            declared=declared,
            labelled=labelled,
            model=trained,
            evaluation=evaluation,
        )
        version = effect(registered).outputs["Output"]
        decided = retraining.gate(
            environment=environment, task=task, declared=declared, version=version, evaluation=evaluation, comparison=comparison
        )
        release_if_passed(steps, environment, task, version, effect(decided).outputs["Output"], trained, joined)

    return cast(Callable[..., Any], pipeline)
