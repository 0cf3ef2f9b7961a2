"""The monitor's pipeline: a window of a task's traffic against its champion's baseline, and an alert where it has shifted."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from kfp import dsl

from environments.schema import Training
from environments.tasks import Tasks
from pipelines.components import monitoring
from pipelines.definitions.steps import Steps

NAME = "monitoring"


def define(tasks: Tasks, images: Mapping[str, str], machine: Training) -> Callable[..., Any]:
    """The pipeline for one environment; the arguments are those of the training pipeline."""
    steps = Steps(images, machine)

    @dsl.pipeline(name=NAME, description="A window of traffic against the champion's baseline, and an alert where it has shifted")
    def pipeline(environment: str, task: str, start: str, end: str) -> None:
        read = steps.effect(monitoring.traffic(environment=environment, task=task, start=start, end=end))
        window, champion = read.outputs["window"], read.outputs["champion"]
        judged = steps.pure(monitoring.monitor(task=task, start=start, end=end, window=window, champion=champion))
        steps.effect(monitoring.alert(environment=environment, task=task, drift=judged.outputs["drift"]))

    return cast(Callable[..., Any], pipeline)
