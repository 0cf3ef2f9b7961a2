"""Every task goes from files to a measured, exported model, on data of any shape."""

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from environments import tasks
from ml.data.ingest import ingest
from ml.data.rows import DataError, read, write
from ml.data.splits import split
from ml.evaluation.baseline import compare
from ml.evaluation.classification import evaluate
from ml.export import formats
from ml.export.formats import ExportError
from ml.export.preprocessing import ImagePreprocessor, Preprocessor
from ml.tasks import module, names
from ml.training.examples import Examples, training_rows
from ml.vision import network
from tests.ml import drawn


def _prepared(source: Path, task: str, out: Path) -> Path:
    steps = module(task)
    ingest(str(source), steps.KIND, out / "data", out)
    split(out / "data/rows.parquet", out / "rows")
    steps.preprocess(out / "rows/rows.parquet", None, out / "prepared")
    return out


def _trained(source: Path, task: str, out: Path, **settings: Any) -> dict[str, Any]:
    _prepared(source, task, out)
    module(task).train(out / "prepared", out / "model", report=lambda _: None, **settings)
    module(task).export(out / "model/model.keras", out / "prepared", out / "model")
    return evaluate(out / "model", out / "rows/rows.parquet", out)


@pytest.fixture(scope="module")
def trained_on_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a text model that was trained, exported and measured."""
    out = tmp_path_factory.mktemp("nlp")
    _trained(drawn.table(out / "texts.csv", 60), "nlp", out)
    return out


def test_tasks_yaml_and_the_modules_name_the_same_tasks() -> None:
    declared = {task.name: task.kind for task in tasks().tasks}
    assert {name: module(name).KIND for name in names()} == declared


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="nlp, vision"):
        module("speech")


def test_pictures_become_a_model_that_is_better_than_chance(tmp_path: Path) -> None:
    measured = _trained(drawn.folder(tmp_path / "pictures", 40), "vision", tmp_path / "out", epochs=12)
    assert measured["accuracy"] > measured["majority_accuracy"] + 0.2
    assert sum(map(sum, measured["confusion"])) == measured["rows"] > 0
    assert all("thumbnail" in sample for sample in measured["samples"])
    assert (tmp_path / "out/model/saved_model/saved_model.pb").is_file()
    assert json.loads((tmp_path / "out/model/export.json").read_text())["largest_difference"] <= formats.TOLERANCE


def test_texts_become_a_model_that_keeps_up_with_the_baseline(trained_on_texts: Path) -> None:
    measured = json.loads((trained_on_texts / "evaluation.json").read_text())
    assert measured["accuracy"] > 0.9
    assert all("text" in sample for sample in measured["samples"])
    comparison = compare(trained_on_texts / "model", trained_on_texts / "rows/rows.parquet")
    assert comparison.accuracy == measured["accuracy"]
    assert comparison.interval[1] >= 0


def test_training_twice_gives_the_same_model(tmp_path: Path) -> None:
    _prepared(drawn.table(tmp_path / "texts.csv", 20), "nlp", tmp_path / "out")
    train = module("nlp").train
    one, two = (train(tmp_path / "out/prepared", tmp_path / name, epochs=2, report=lambda _: None) for name in ("one", "two"))
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)


def test_a_challenger_goes_on_from_weights_only_where_inputs_and_classes_mean_the_same(trained_on_texts: Path, tmp_path: Path) -> None:
    champion, prepared = trained_on_texts / "model", trained_on_texts / "prepared"
    train = module("nlp").train
    cold = train(prepared, tmp_path / "cold", epochs=1, report=lambda _: None)
    warm = train(prepared, tmp_path / "warm", epochs=1, start=champion, report=lambda _: None)
    assert (cold["warm_start"], warm["warm_start"]) == (False, True)
    assert warm["loss"] < cold["loss"] / 2
    _prepared(drawn.table(tmp_path / "texts.csv", 20), "nlp", tmp_path / "other")
    assert train(tmp_path / "other/prepared", tmp_path / "strange", epochs=1, start=champion, report=lambda _: None)["warm_start"] is False


def test_a_model_for_few_pictures_is_no_start_for_one_for_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = _prepared(drawn.folder(tmp_path / "pictures", 20), "vision", tmp_path / "out") / "prepared"
    train = partial(module("vision").train, prepared, epochs=1, report=lambda _: None)
    few = train(tmp_path / "few")
    shutil.copy(prepared / "preprocessing.json", tmp_path / "few")
    assert train(tmp_path / "again", start=tmp_path / "few")["warm_start"] is True
    monkeypatch.setattr(network, "MANY", 8)
    many = train(tmp_path / "many", start=tmp_path / "few")
    assert (many["warm_start"], many["parameters"] == few["parameters"]) == (False, False)


def test_words_that_a_limited_training_never_saw_are_still_predicted(trained_on_texts: Path, tmp_path: Path) -> None:
    module("nlp").train(trained_on_texts / "prepared", tmp_path, limit=8, epochs=1, report=lambda _: None)
    module("nlp").export(tmp_path / "model.keras", trained_on_texts / "prepared", tmp_path)
    assert evaluate(tmp_path, trained_on_texts / "rows/rows.parquet", tmp_path)["rows"] > 0


def test_too_few_examples_are_refused(tmp_path: Path) -> None:
    _prepared(drawn.table(tmp_path / "texts.csv", 20), "nlp", tmp_path / "out")
    with pytest.raises(DataError, match="Add rows, raise the limit"):
        module("nlp").train(tmp_path / "out/prepared", tmp_path / "model", limit=4)
    assert not (tmp_path / "model").exists()


def test_size_and_colour_follow_from_the_pictures(tmp_path: Path) -> None:
    for side, colour, expected in ((28, False, (28, 1)), (40, True, (64, 3)), (300, True, (96, 3))):
        root = tmp_path / f"{side}"
        for shape in ("circle", "square"):
            (root / shape).mkdir(parents=True)
            for seed in range(8):
                (root / shape / f"{seed}.jpg").write_bytes(drawn.picture(shape, seed, side, colour, "JPEG"))
        _prepared(root, "vision", tmp_path / f"out-{side}")
        chosen = Preprocessor.load(tmp_path / f"out-{side}/prepared/preprocessing.json")
        assert isinstance(chosen, ImagePreprocessor)
        assert (chosen.size, chosen.channels) == expected


def test_a_limit_takes_the_classes_evenly() -> None:
    examples = Examples(np.arange(100), np.array([0] * 90 + [1] * 10, np.int32))
    assert np.bincount(examples.first(12).y).tolist() == [6, 6]
    assert len(examples.first(1000)) == 100


def test_accepted_labels_replace_the_truth_and_abstentions_leave_training(tmp_path: Path) -> None:
    _prepared(drawn.table(tmp_path / "texts.csv", 20), "nlp", tmp_path / "out")
    rows = tmp_path / "out/rows/rows.parquet"
    training = read(rows, split="train").sort_by("id")
    ids, truth = training["id"].to_pylist(), training["label"].to_pylist()
    other = "good" if truth[0] == "bad" else "bad"
    answers = {"id": ids[:2], "label": [other, truth[1]], "confidence": [0.9, 0.1], "accepted": [True, False]}
    write(pa.table(answers), tmp_path / "labels.parquet")
    kept = training_rows(rows, tmp_path / "labels.parquet")
    assert kept["id"].to_pylist() == [ids[0], *ids[2:]]
    assert kept["label"].to_pylist() == [other, *truth[2:]]


def test_an_export_that_answers_differently_is_refused(trained_on_texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="what is served would not be"):
        module("nlp").export(trained_on_texts / "model/model.keras", trained_on_texts / "prepared", tmp_path / "exported")
    assert not (tmp_path / "exported/model.tflite").exists()


def test_a_test_row_of_an_unknown_class_is_refused(trained_on_texts: Path, tmp_path: Path) -> None:
    table = read(trained_on_texts / "rows/rows.parquet")
    strange = table.set_column(table.schema.get_field_index("label"), "label", pa.array(["strange"] * len(table)))
    write(strange, tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="strange"):
        evaluate(trained_on_texts / "model", tmp_path / "rows.parquet", tmp_path / "evaluated")


def test_no_test_rows_are_measured_as_nothing(trained_on_texts: Path, tmp_path: Path) -> None:
    write(read(trained_on_texts / "rows/rows.parquet", split="train"), tmp_path / "rows.parquet")
    measured = evaluate(trained_on_texts / "model", tmp_path / "rows.parquet", tmp_path / "evaluated")
    assert (measured["rows"], measured["accuracy"], measured["interval"]) == (0, 0.0, [0.0, 1.0])


def _inner_loop(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ml.train", "--task", "nlp", "--out", str(out), "--cache", str(out), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_the_inner_loop_runs_from_the_command_line(tmp_path: Path) -> None:
    done = _inner_loop(tmp_path / "out", "--data", str(drawn.table(tmp_path / "texts.csv", 40)), "--limit", "50")
    assert done.returncode == 0, done.stderr
    assert "epoch 1/" in done.stdout
    assert "gate passed" in done.stdout


def test_the_inner_loop_explains_its_errors(tmp_path: Path) -> None:
    done = _inner_loop(tmp_path / "out", "--data", str(tmp_path / "missing.csv"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert _inner_loop(tmp_path / "out", "--limit", "0").returncode == 2
