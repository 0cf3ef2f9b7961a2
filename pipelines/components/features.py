"""Feature rows: computed with the trained model, and written to Feature Store once the model may serve."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output


@dsl.component(base_image="training", install_kfp_package=False)
def features(rows: Input[Dataset], model: Input[Model], features: Output[Dataset]) -> None:
    """Compute the features of every row."""
    from pathlib import Path

    from ml.features.build import build

    built = build(Path(rows.path) / "rows.parquet", Path(model.path), Path(features.path))
    features.metadata.update(rows=built["rows"], embedding_model=built["embedding_model"])


@dsl.component(base_image="pipelines", install_kfp_package=False)
def write_features(environment: str, task: str, features: Input[Dataset], rows: Input[Dataset], written: Output[Artifact]) -> None:
    """Append what is new to the tables of features and of examples, and bring the online views up to date where there are some."""
    import json
    from dataclasses import asdict
    from pathlib import Path

    from environments.clients import Clients
    from ml.features.examples import keep
    from ml.features.table import append
    from serving.features import sync

    clients = Clients.of(environment)
    table = clients.names.feature_table(task)
    appended = append(clients.bigquery(), table, f"{features.uri}/features.parquet")
    examples = keep(clients.bigquery(), clients.names.table("examples"), task, Path(rows.path) / "rows.parquet")
    online = sync(clients, task, since=appended.changed) if clients.names.environment.features.online_store else None
    Path(written.path).mkdir(parents=True, exist_ok=True)
    document = {**asdict(appended), "table": table, "examples": examples.rows, "online": online}
    (Path(written.path) / "written.json").write_text(json.dumps(document, default=str))
