"""A window of time in, an alert or none out: traffic, monitor, alert."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output


@dsl.component(base_image="pipelines", install_kfp_package=False)
def traffic(environment: str, task: str, start: str, end: str, window: Output[Dataset], champion: Output[Model]) -> None:
    """Read what the champion was asked and answered, keep its answers, and fetch what they are held against."""
    from pathlib import Path

    from environments.clients import Clients
    from ml.drift.window import write
    from pipelines.monitoring import record, traffic

    clients = Clients.of(environment)
    served = traffic.champion(clients, task)
    traffic.fetch(clients, served.uri, Path(champion.path))
    rows = traffic.read(clients, task, served, start, end)
    write(rows, Path(window.path) / "window.jsonl")
    record.answers(clients, task, served, start, end, rows)
    window.metadata.update(rows=len(rows), start=start, end=end)
    champion.metadata.update(version=served.version, uri=served.uri)


@dsl.component(base_image="training", install_kfp_package=False)
def monitor(
    task: str, start: str, end: str, window: Input[Dataset], champion: Input[Model], drift: Output[Artifact], metrics: Output[Metrics]
) -> str:
    """Hold the window against the champion's baseline; returns `shifted`, `silent` or `not enough data`."""
    from pathlib import Path

    from ml.data.rows import write_json
    from ml.drift.detection import detect, document
    from ml.drift.window import read

    detection = detect(Path(champion.path), read(Path(window.path) / "window.jsonl"))
    write_json(
        {**document(detection, task, start, end), "version": champion.metadata["version"]},
        Path(drift.path) / "drift.json",
    )
    for test in detection.tests:
        metrics.log_metric(f"{test.name}_p", test.p)
    metrics.log_metric("rows", detection.rows)
    return detection.status


@dsl.component(base_image="pipelines", install_kfp_package=False)
def alert(environment: str, task: str, drift: Input[Artifact], alerted: Output[Artifact]) -> None:
    """Keep the verdict, write the point of the alert policy's metric, and where the window has shifted, publish the event."""
    import json
    from dataclasses import asdict
    from pathlib import Path

    from environments.clients import Clients
    from pipelines.monitoring import record
    from pipelines.monitoring.alert import tell

    clients, found = Clients.of(environment), json.loads((Path(drift.path) / "drift.json").read_text())
    record.verdict(clients, task, found)
    told = tell(clients, task, found)
    Path(alerted.path).mkdir(parents=True, exist_ok=True)
    (Path(alerted.path) / "alert.json").write_text(json.dumps(asdict(told)))
