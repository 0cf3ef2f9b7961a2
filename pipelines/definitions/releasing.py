"""The end of every pipeline that trains: what its gate has let through is converted, deployed, and its features are written."""

from typing import Any

from kfp import dsl

from pipelines.components import features, release, web
from pipelines.definitions.steps import Steps


def release_if_passed(steps: Steps, environment: Any, task: Any, version: Any, verdict: Any, model: Any, rows: Any) -> None:
    """Add the steps; to be called while a pipeline is defined.

    Args:
        steps: where they run.
        environment: name of the environment.
        task: name of the task.
        version: version id that the model was registered as.
        verdict: of the gate.
        model: the exported model.
        rows: rows with their splits, for the features, the examples and the canary.
    """
    with dsl.If(verdict == "passed", name="passed"):
        converted = steps.pure(web.convert(model=model)).outputs["converted"]
        computed = steps.pure(features.features(rows=rows, model=model)).outputs["features"]
        attached = steps.effect(web.attach(environment=environment, task=task, version=version, converted=converted)).output
        deployed = steps.effect(release.deploy(environment=environment, task=task, version=version, rows=rows, converted=attached))
        # Only then: vectors of a model that does not serve would take the place of those that do.
        with dsl.If(deployed.outputs["Output"] == "serving", name="serving"):
            steps.effect(features.write_features(environment=environment, task=task, features=computed, rows=rows))
