"""The training pipeline of every task: raw rows to a version that serves, with a gate before the traffic."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from kfp import dsl

from environments.schema import Training
from environments.tasks import Tasks
from pipelines.components import data, model, release

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

    def pure(step: dsl.PipelineTask) -> dsl.PipelineTask:
        """A step whose outputs follow from its inputs and its image: cached."""
        name = step.container_spec.image
        step.set_container_image(images[name])
        if name == "training":
            step.set_cpu_limit(machine.machine_type.rsplit("-", 1)[-1])
        return step

    def effect(step: dsl.PipelineTask) -> dsl.PipelineTask:
        """A step that changes the registry or an endpoint: it looks at what is there instead of trusting a cache."""
        return step.set_container_image(images[step.container_spec.image]).set_caching_options(False)

    @dsl.pipeline(name=NAME, description="Raw rows to a serving version, with a gate before the traffic")
    def pipeline(environment: str, task: str, rows_uri: str, declared: bool) -> None:
        raw = dsl.importer(artifact_uri=rows_uri, artifact_class=dsl.Dataset, reimport=False).set_display_name("raw-rows")
        rows = pure(data.ingest(raw=raw.output)).outputs["rows"]
        labels = pure(data.label(environment=environment, task=task, rows=rows)).outputs["labels"]
        prepared = pure(data.preprocess(task=task, rows=rows, labels=labels)).outputs["prepared"]
        training = pure(model.train(task=task, prepared=prepared))
        if machine.accelerator is not None:
            training.set_accelerator_type(machine.accelerator.type).set_accelerator_limit(machine.accelerator.count)
        trained = training.outputs["model"]
        evaluation = pure(model.evaluate(model=trained, rows=rows)).outputs["evaluation"]
        registered = release.register(environment=environment, task=task, containers=containers, model=trained, evaluation=evaluation)
        version = effect(registered).outputs["Output"]
        decided = release.gate(environment=environment, task=task, declared=declared, version=version, evaluation=evaluation)
        with dsl.If(effect(decided).outputs["Output"] == "passed", name="passed"):
            effect(release.deploy(environment=environment, task=task, version=version))

    return cast(Callable[..., Any], pipeline)
