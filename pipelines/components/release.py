"""A measured model in, a serving version out: register, gate, deploy."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output


@dsl.component(base_image="pipelines", install_kfp_package=False)
def register(
    environment: str,
    task: str,
    containers: dict[str, str],
    rows_uri: str,
    declared: bool,
    labelled: list[str],
    model: Input[Model],
    evaluation: Input[Artifact],
    registration: Output[Artifact],
) -> str:
    """Register the model as challenger, with its evaluation and what it has learned from; returns the version id.

    Args:
        environment: name of the environment.
        task: name of the task.
        containers: task to serving container.
        rows_uri: `gs://` address of the raw rows.
        declared: whether they are the task's declared data set.
        labelled: `gs://` addresses of rows that were labelled later.
        model: the exported model.
        evaluation: its measurements.
        registration: what was registered.
    """
    import json
    from dataclasses import asdict
    from pathlib import Path

    from environments.clients import Clients
    from serving.registry import evaluation as evaluations
    from serving.registry import origin, versions

    clients = Clients.of(environment)
    version = versions.register(clients, task, Path(model.path), containers[task])
    origin.write(clients, version.uri, origin.Origin(rows_uri, declared, labelled))
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
def deploy(environment: str, task: str, version: str, rows: Input[Dataset], rollout: Output[Artifact], converted: str = "") -> str:
    """Release the version: by canary where a champion serves, at once where none does; returns `serving` or `rolled back`.

    Args:
        environment: name of the environment.
        task: name of the task.
        version: version id.
        rows: rows with frozen test rows, for the canary.
        rollout: what was done.
        converted: address of the converted model that is attached to the version; with one, the web page moves along.
    """
    import json
    from dataclasses import asdict
    from functools import partial
    from pathlib import Path

    from environments.clients import Clients
    from serving.rollout import web
    from serving.rollout.probing import probes
    from serving.rollout.promotion import release

    clients = Clients.of(environment)
    show = partial(web.show, clients, task) if converted else None
    done = release(clients, task, version, probes(Path(rows.path) / "rows.parquet"), show)
    Path(rollout.path).mkdir(parents=True, exist_ok=True)
    (Path(rollout.path) / "deployment.json").write_text(json.dumps(asdict(done)))
    return done.outcome
