"""Vertex AI TensorBoard, by Vertex AI's SDK and its uploader of event files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
BOARDS = "aiplatform.projects.locations.tensorboards"


@calls(f"{BOARDS}.create", f"{BOARDS}.patch", f"{BOARDS}.list", f"{BOARDS}.delete", f"{BOARDS}.experiments.create")
def test_boards_hold_experiments_and_runs(vertex: Any, place: Place) -> None:
    """https://cloud.google.com/vertex-ai/docs/experiments/tensorboard-setup"""
    board = vertex.Tensorboard.create(display_name=place.name("boards"), labels=dict(place.labels))
    try:
        board.update(display_name=place.name("boards-2"))
        assert vertex.Tensorboard(board.resource_name).display_name == place.name("boards-2")
        experiment = vertex.TensorboardExperiment.create("experiment", tensorboard_name=board.resource_name, display_name="an experiment")
        run = vertex.TensorboardRun.create("run", tensorboard_experiment_name=experiment.resource_name)
        assert [one.resource_name for one in vertex.TensorboardExperiment.list(tensorboard_name=board.resource_name)] == [
            experiment.resource_name
        ]
        assert [one.resource_name for one in vertex.TensorboardRun.list(tensorboard_experiment_name=experiment.resource_name)] == [
            run.resource_name
        ]
        assert board.name in [one.name for one in vertex.Tensorboard.list(filter=f'display_name="{place.name("boards-2")}"')]
    finally:
        board.delete()


@calls(f"{BOARDS}.experiments.create", f"{BOARDS}.experiments.batchCreate", f"{BOARDS}.experiments.write")
def test_event_files_are_uploaded_in_one_go(vertex: Any, place: Place, tmp_path: Path) -> None:
    """https://cloud.google.com/vertex-ai/docs/experiments/tensorboard-upload-existing-logs"""
    from tensorboard.compat.proto import event_pb2, summary_pb2  # type: ignore[import-untyped]
    from tensorboard.summary.writer.event_file_writer import EventFileWriter  # type: ignore[import-untyped]

    writer = EventFileWriter(str(tmp_path / "run1"))
    for step in range(3):
        value = summary_pb2.Summary.Value(tag="loss", simple_value=1 / (step + 1))
        writer.add_event(event_pb2.Event(step=step, wall_time=1_700_000_000 + step, summary=summary_pb2.Summary(value=[value])))
    writer.close()
    board = vertex.Tensorboard.create(display_name=place.name("uploaded"), labels=dict(place.labels))
    try:
        vertex.upload_tb_log(tensorboard_id=board.name, tensorboard_experiment_name="uploaded", logdir=str(tmp_path))
        [run] = vertex.TensorboardRun.list(tensorboard_experiment_name=f"{board.resource_name}/experiments/uploaded")
        [series] = vertex.TensorboardTimeSeries.list(tensorboard_run_name=run.resource_name)
        assert (run.display_name, series.display_name) == ("run1", "loss")
        points = run.read_time_series_data()["loss"].values
        assert [(point.step, round(point.scalar.value, 4)) for point in points] == [(0, 1.0), (1, 0.5), (2, 0.3333)]
    finally:
        board.delete()
