"""Rows in, arrays out: ingest, label, preprocess."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output


@dsl.component(base_image="pipelines", install_kfp_package=False)
def ingest(raw: Input[Dataset], rows: Output[Dataset]) -> None:
    """Check the raw rows and freeze which of them train, validate and test."""
    import json
    from pathlib import Path

    from ml.data.splits import split

    split(Path(raw.path), Path(rows.path))
    splits = json.loads((Path(rows.path) / "splits.json").read_text())
    rows.metadata.update(digest=splits["digest"], **splits["counts"])


@dsl.component(base_image="pipelines", install_kfp_package=False)
def label(environment: str, task: str, rows: Input[Dataset], labels: Output[Dataset], metrics: Output[Metrics]) -> None:
    """Let Gemini label a slice of the training rows from a few examples."""
    from pathlib import Path

    from environments import tasks
    from environments.clients import Clients
    from ml.gemini.labelling import label as label_rows

    settings = tasks().named(task)
    client = Clients.of(environment).gemini()
    labelling = label_rows(Path(rows.path) / "rows.parquet", Path(labels.path), settings, settings.labelling.model, client)
    for name in ("rows", "accepted", "coverage", "agreement"):
        # Where Gemini abstained from every row there is no agreement to log.
        if labelling[name] is not None:
            metrics.log_metric(name, labelling[name])
    labels.metadata.update(model=labelling["model"], model_version=labelling["model_version"])


@dsl.component(base_image="training", install_kfp_package=False)
def preprocess(task: str, rows: Input[Dataset], labels: Input[Dataset], prepared: Output[Dataset]) -> None:
    """Turn rows and labels into the arrays that the model learns from."""
    from pathlib import Path

    from ml.tasks import module

    module(task).preprocess(Path(rows.path) / "rows.parquet", Path(labels.path) / "labels.parquet", Path(prepared.path))
