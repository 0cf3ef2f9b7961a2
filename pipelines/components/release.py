"""A measured model in, a serving version out: register, gate, deploy."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output


@dsl.component(base_image="pipelines", install_kfp_package=False)
def register(
    environment: str,
    task: str,
    containers: dict[str, str],
    model: Input[Model],
    evaluation: Input[Artifact],
    registration: Output[Artifact],
) -> str:
    """Register the model as challenger, with its evaluation; returns the version id. `containers` is task to serving container."""
    import json
    from dataclasses import asdict
    from pathlib import Path

    from environments.clients import Clients
    from serving.registry import evaluation as evaluations
    from serving.registry import versions

    clients = Clients.of(environment)
    version = versions.register(clients, task, Path(model.path), containers[task])
    measured = json.loads((Path(evaluation.path) / "evaluation.json").read_text())
    imported = evaluations.import_evaluation(clients, version, measured)
    Path(registration.path).mkdir(parents=True, exist_ok=True)
    (Path(registration.path) / "registration.json").write_text(json.dumps({**asdict(version), "evaluation": imported}))
    registration.metadata.update(resourceName=version.name)
    return version.version


@dsl.component(base_image="pipelines", install_kfp_package=False)
def gate(environment: str, task: str, declared: bool, version: str, evaluation: Input[Artifact], decision: Output[Artifact]) -> str:
    """Decide whether the version may serve and label it with the verdict, which is returned: `passed` or `refused`."""
    import json
    from dataclasses import asdict
    from pathlib import Path

    from environments import tasks
    from environments.clients import Clients
    from ml.evaluation.gate import decide
    from serving.registry.versions import label

    gates = tasks().named(task).gates
    measured = json.loads((Path(evaluation.path) / "evaluation.json").read_text())
    decided = decide(measured, gates, declared)
    verdict = "passed" if decided.passed else "refused"
    label(Clients.of(environment), task, version, {"gate": verdict})
    Path(decision.path).mkdir(parents=True, exist_ok=True)
    (Path(decision.path) / "gate.json").write_text(json.dumps({**asdict(decided), "version": version}))
    return verdict


@dsl.component(base_image="pipelines", install_kfp_package=False)
def deploy(environment: str, task: str, version: str, rollout: Output[Artifact]) -> None:
    """Give the version all of the endpoint's traffic and make it the champion."""
    import json
    from dataclasses import asdict
    from pathlib import Path

    from environments.clients import Clients
    from serving.registry.versions import crown
    from serving.rollout.deployment import deploy as roll_out

    clients = Clients.of(environment)
    deployment = roll_out(clients, task, version)
    crown(clients, task, version)
    Path(rollout.path).mkdir(parents=True, exist_ok=True)
    (Path(rollout.path) / "deployment.json").write_text(json.dumps(asdict(deployment)))
