"""What a retraining does otherwise than a training: join, train from the champion's weights, compare, gate."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output


@dsl.component(base_image="pipelines", install_kfp_package=False)
def join(environment: str, task: str, labelled: list[str], known_at: str, rows: Input[Dataset], joined: Output[Dataset]) -> None:
    """Put the rows that were labelled since beside the champion's, whose labels are those that the features had at a moment."""
    import tempfile
    from dataclasses import asdict
    from datetime import datetime
    from pathlib import Path

    from google.cloud.storage import Blob

    from environments.clients import Clients
    from ml.data.joining import join as join_rows
    from ml.features.history import labels

    clients = Clients.of(environment)
    client = clients.storage()
    known = labels(clients.bigquery(), clients.names.feature_table(task), datetime.fromisoformat(known_at))
    with tempfile.TemporaryDirectory() as folder:
        tables = [Path(folder) / f"{at}.parquet" for at in range(len(labelled))]
        for uri, table in zip(labelled, tables, strict=True):
            Blob.from_uri(uri, client=client).download_to_filename(str(table))
        done = join_rows(Path(rows.path) / "rows.parquet", tables, known, Path(joined.path))
    joined.metadata.update(asdict(done))


@dsl.component(base_image="training", install_kfp_package=False)
def train(
    task: str,
    epochs: int,
    prepared: Input[Dataset],
    rows: Input[Dataset],
    champion: Input[Model],
    model: Output[Model],
    metrics: Output[Metrics],
) -> None:
    """Train a challenger, from the champion's weights where both see their inputs the same way, and export it with its baseline.

    Args:
        task: name of the task.
        epochs: how many; 0 leaves it to the task's recipe.
        prepared: arrays to learn from.
        rows: the rows behind them, whose validation rows are what its traffic will be held against.
        champion: model folder.
        model: the challenger.
        metrics: of its last epoch.
    """
    from pathlib import Path

    from ml.drift import baseline
    from ml.tasks import module

    folder = Path(model.path)
    for name, value in module(task).train(Path(prepared.path), folder, epochs=epochs or None, start=Path(champion.path)).items():
        if isinstance(value, int | float):
            metrics.log_metric(name, value)
    module(task).export(folder / "model.keras", Path(prepared.path), folder)
    baseline.build(folder, Path(rows.path) / "rows.parquet", folder / baseline.FOLDER)
    model.metadata.update(framework="keras", task=task)


@dsl.component(base_image="training", install_kfp_package=False)
def compare(
    task: str,
    challenger: Input[Model],
    champion: Input[Model],
    rows: Input[Dataset],
    comparison: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Let challenger and champion answer the same test rows, the frozen ones and the new ones."""
    from pathlib import Path

    from environments import tasks
    from ml.evaluation.comparison import compare as compare_models

    compared = compare_models(
        Path(challenger.path),
        Path(champion.path),
        Path(rows.path) / "rows.parquet",
        Path(comparison.path),
        tasks().named(task).gates.maximum_loss,
    )
    for part, figures in compared.items():
        metrics.log_metric(f"{part}_difference", figures["difference"])
        metrics.log_metric(f"{part}_p", figures["p"])


@dsl.component(base_image="pipelines", install_kfp_package=False)
def gate(
    environment: str,
    task: str,
    declared: bool,
    version: str,
    evaluation: Input[Artifact],
    comparison: Input[Artifact],
    decision: Output[Artifact],
) -> str:
    """Decide whether the challenger may take the champion's place and label it with the verdict: `passed` or `refused`."""
    import json
    from dataclasses import asdict
    from pathlib import Path

    from environments import tasks
    from environments.clients import Clients
    from ml.evaluation.gate import decide, every, non_inferior
    from serving.registry.versions import label

    gates = tasks().named(task).gates
    measured = json.loads((Path(evaluation.path) / "evaluation.json").read_text())
    compared = json.loads((Path(comparison.path) / "comparison.json").read_text())
    decided = every(decide(measured, gates, declared), non_inferior(compared, gates))
    verdict = "passed" if decided.passed else "refused"
    label(Clients.of(environment), task, version, {"gate": verdict})
    Path(decision.path).mkdir(parents=True, exist_ok=True)
    (Path(decision.path) / "gate.json").write_text(json.dumps({**asdict(decided), "version": version}))
    return verdict
