"""Arrays in, a measured model out: train, evaluate."""

from kfp import dsl
from kfp.dsl import Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output


@dsl.component(base_image="training", install_kfp_package=False)
def train(task: str, prepared: Input[Dataset], rows: Input[Dataset], model: Output[Model], metrics: Output[Metrics]) -> None:
    """Train the task's model, export it in every format that is served, and keep what its traffic will be held against."""
    from pathlib import Path

    from ml.drift import baseline
    from ml.tasks import module

    folder = Path(model.path)
    for name, value in module(task).train(Path(prepared.path), folder).items():
        if isinstance(value, int | float):
            metrics.log_metric(name, value)
    module(task).export(folder / "model.keras", Path(prepared.path), folder)
    baseline.build(folder, Path(rows.path) / "rows.parquet", folder / baseline.FOLDER)
    model.metadata.update(framework="keras", task=task)


@dsl.component(base_image="training", install_kfp_package=False)
def evaluate(
    model: Input[Model],
    rows: Input[Dataset],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
) -> None:
    """Measure the exported model on the frozen test rows, a text model beside the baseline that is hard to beat."""
    from dataclasses import asdict
    from pathlib import Path

    from ml.data.rows import write_json
    from ml.evaluation.baseline import compare
    from ml.evaluation.classification import evaluate as measure

    table = Path(rows.path) / "rows.parquet"
    measured = measure(Path(model.path), table, Path(evaluation.path))
    if measured["kind"] == "text_classification":
        measured["baseline"] = asdict(compare(Path(model.path), table))
        write_json(measured, Path(evaluation.path) / "evaluation.json")
    for name in ("accuracy", "macro_f1", "majority_accuracy", "rows"):
        metrics.log_metric(name, measured[name])
    confusion.log_confusion_matrix(measured["classes"], measured["confusion"])
