"""Drift: unchanged traffic stays silent at every sample size, changed traffic is found, and too little says so."""

import base64
import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ml.data.rows import DataError, digest, read, schema, write
from ml.drift import baseline, distances, harm, injection, permutation, words
from ml.drift import window as windows
from ml.drift.detection import LEVEL, MINIMUM_ROWS, Detection, detect, document
from ml.drift.distances import Bin, jensen_shannon, l_infinity
from ml.drift.injection import Row
from ml.drift.window import Answered
from ml.evaluation.classification import predictions
from ml.export.preprocessing import Preprocessor
from ml.tasks import module
from tests.ml import drawn

INFINITE, NONE = math.inf, math.nan
Draw = Callable[[np.random.Generator, int], np.ndarray]


# Distances: the figures are those of TensorFlow Data Validation's own tests (anomalies/metrics_test.cc).


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"hello": 0.1, "world": 0.9}, {"hello": 0.3, "world": 0.7}, 0.2),
        ({"b": 0.9, "c": 0.1}, {"a": 0.3, "b": 0.7}, 0.3),
        ({"a": 0.3, "b": 0.7}, {"b": 0.9, "c": 0.1}, 0.3),
        ({}, {}, 0.0),
    ],
)
def test_l_infinity_is_that_of_vertex_ai(one: dict[str, float], other: dict[str, float], expected: float) -> None:
    assert l_infinity(one, other) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([Bin(1, 2, 2), Bin(2, 3, 2)], [Bin(2, 4, 2), Bin(4, 6, 2)], 0.65563906222),
        ([Bin(1, 2, 1)], [Bin(3, 4, 1)], 1.0),
        ([Bin(1, 1, 1)], [Bin(0, 1, 1), Bin(1, 2, 3)], 1.0),
        ([Bin(1, 1, 1)], [Bin(2, 2, 1)], 1.0),
        ([Bin(NONE, NONE, 1)], [Bin(NONE, NONE, 1)], 1.0),
        ([Bin(NONE, NONE, 1), Bin(1, 2, 3)], [Bin(1, 2, 4)], 0.13792538096),
        ([Bin(0, 0, 1), Bin(1, 1, 1)], [Bin(0, 0, 1), Bin(2, 2, 1)], 0.5),
        ([Bin(0, 0, 1), Bin(1, 2, 1)], [Bin(1, 1, 1), Bin(2, 2, 1)], 1.0),
        ([Bin(-INFINITE, INFINITE, 2)], [Bin(-INFINITE, INFINITE, 2)], 1.0),
    ],
)
def test_jensen_shannon_is_that_of_vertex_ai(one: list[Bin], other: list[Bin], expected: float) -> None:
    assert jensen_shannon(one, other) == pytest.approx(expected, abs=1e-5)


def test_jensen_shannon_of_ranks_is_that_of_vertex_ai() -> None:
    assert distances.ranks({"b": 2, "a": 2, "c": 1}, {"a": 2, "Z": 1, "Y": 1, "X": 1}) == pytest.approx(0.6, abs=1e-5)


def test_an_empty_histogram_has_no_distance() -> None:
    with pytest.raises(ValueError, match="empty"):
        jensen_shannon([], [Bin(0, 1, 1)])


@pytest.mark.parametrize(("count", "shift", "expected"), [(500, 0.0, 0.0174), (500, 0.5, 0.0689), (2000, 1.0, 0.1667), (2000, 2.0, 0.4795)])
def test_jensen_shannon_of_numbers_is_that_of_tfdv(count: int, shift: float, expected: float) -> None:
    chance = np.random.default_rng(7)
    one, other = chance.normal(size=5000), chance.normal(shift, 1, count)
    assert jensen_shannon(distances.histogram(one), distances.histogram(other)) == pytest.approx(expected, abs=0.02)


# Tests


def gaussian(chance: np.random.Generator, rows: int) -> np.ndarray:
    return chance.normal(size=(rows, 6)).astype(np.float32)


def heavy(chance: np.random.Generator, rows: int) -> np.ndarray:
    return chance.lognormal(0, 1.5, (rows, 6)).astype(np.float32)


def rounded(chance: np.random.Generator, rows: int) -> np.ndarray:
    return chance.integers(0, 3, (rows, 6)).astype(np.float32)


@pytest.mark.parametrize("draw", [gaussian, heavy, rounded])
@pytest.mark.parametrize("test", ["classifier", "largest distance", "shares"])
def test_a_test_keeps_its_level_whatever_the_distribution(draw: Draw, test: str) -> None:
    repetitions, level = 100, 0.1
    alarms = 0
    for seed in range(repetitions):
        chance = np.random.default_rng(seed)
        alarms += _p(test, draw(chance, 60), draw(chance, 30), chance) <= level
    assert alarms <= repetitions * level + 3 * math.sqrt(repetitions * level * (1 - level))


@pytest.mark.parametrize("test", ["classifier", "largest distance", "shares"])
def test_a_test_finds_what_has_changed(test: str) -> None:
    chance = np.random.default_rng(1)
    reference, window = chance.poisson(2, (200, 6)), chance.poisson([2, 2, 2, 2, 2, 5], (100, 6))
    assert _p(test, reference.astype(np.float32), window.astype(np.float32), chance) == pytest.approx(1 / 200)


def test_the_classifier_finds_a_spread_that_has_grown_and_a_tenth_that_is_new() -> None:
    chance = np.random.default_rng(1)
    reference, wider, mixed = gaussian(chance, 400), gaussian(chance, 200) * np.float32(1.5), gaussian(chance, 200)
    mixed[:20] += 4
    assert _p("classifier", reference, wider, chance) == pytest.approx(1 / 200)
    assert _p("classifier", reference, mixed, chance) == pytest.approx(1 / 200)


def test_equal_values_are_no_difference() -> None:
    taken = permutation.exchanges(50, 50, 99, np.random.default_rng(1))
    assert permutation.largest_distance(np.ones((100, 2), np.float32), taken) == permutation.Compared(0.0, 1.0)


def test_a_family_is_corrected_as_holm_does() -> None:
    assert permutation.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert permutation.holm([0.9, 0.5]) == [1.0, 1.0]


def _p(test: str, reference: np.ndarray, window: np.ndarray, chance: np.random.Generator) -> float:
    taken = permutation.exchanges(len(reference), len(window), 199, chance)
    pooled = np.concatenate([reference, window])
    if test == "classifier":
        return permutation.classifier(pooled, taken, chance)[0].p
    return (permutation.largest_distance if test == "largest distance" else permutation.shares)(pooled, taken).p


# Harm


def answers(chance: np.random.Generator, rows: int, clear: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of two classes, and whether they are right, which the surer ones are."""
    sure = chance.beta(clear, 1, rows).clip(0.5, 1).astype(np.float32)
    return np.stack([sure, 1 - sure], axis=1), sure > 0.7


def test_a_loss_of_confidence_is_a_loss_of_accuracy_and_the_interval_holds_it() -> None:
    chance = np.random.default_rng(1)
    (reference, right), (window, truth) = answers(chance, 2000, 8), answers(chance, 1000, 3)
    found = harm.estimate(reference, right, window, np.zeros(len(window), np.bool_), chance)
    assert found.estimated_accuracy == pytest.approx(truth.mean(), abs=0.03)
    assert found.interval[0] <= truth.mean() - right.mean() <= found.interval[1] < -0.1


def test_rows_that_resemble_nothing_widen_the_interval_to_both_sides() -> None:
    scores, window = np.concatenate([np.zeros(500), np.zeros(250), np.ones(250)]).astype(np.float32), np.arange(1000) >= 500
    strange = harm.unfamiliar(scores, window)
    assert strange.tolist() == [False] * 250 + [True] * 250
    chance = np.random.default_rng(1)
    (reference, right), (probabilities, _) = answers(chance, 500, 3), answers(chance, 500, 3)
    low, high = harm.estimate(reference, right, probabilities, strange, chance).interval
    assert low < -0.25
    assert high > 0.1


# Detection


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = [(drawn.picture(shape, seed), shape) for seed in range(90) for shape in drawn.SHAPES]
    return monitored("vision", content, tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return monitored("nlp", [(sentence(seed), "good" if seed % 2 else "bad") for seed in range(270)], tmp_path_factory.mktemp("texts"))


def sentence(seed: int, things: tuple[str, ...] = ("film", "story", "song", "scene", "ending", "cast")) -> str:
    chance = random.Random(seed)
    feelings = ["lovely", "great", "warm"] if seed % 2 else ["dull", "awful", "cold"]
    said = " and ".join(f"the {chance.choice(things)} is {chance.choice(feelings)}" for _ in range(chance.randint(1, 3)))
    return f"{said} {'again ' * chance.randint(0, 3)}{seed}"


def monitored(task: str, content: Sequence[tuple[bytes | str, str]], out: Path) -> Path:
    """A model that was hardly trained on the first rows; the others are its validation rows."""
    steps = module(task)
    columns = {"id": [digest(row) for row, _ in content], "content": [row for row, _ in content], "label": [label for _, label in content]}
    split = ["train" if at < 90 else "validation" for at in range(len(content))]
    write(pa.table(columns, schema=schema(steps.KIND)).append_column("split", pa.array(split)), out / "rows.parquet")
    steps.preprocess(out / "rows.parquet", None, out / "prepared")
    steps.train(out / "prepared", out / "model", epochs=1, report=lambda _: None)
    steps.export(out / "model/model.keras", out / "prepared", out / "model")
    baseline.build(out / "model", out / "rows.parquet", out / "model" / baseline.FOLDER)
    return out


def answered(model: Path, rows: list[Row]) -> list[Answered]:
    classes = Preprocessor.load(model / "preprocessing.json").classes
    scores = [dict(zip(classes, one.tolist(), strict=True)) for one in predictions(model, [row.content for row in rows])]
    instances = [row.content if isinstance(row.content, str) else {"b64": base64.b64encode(row.content).decode()} for row in rows]
    return [Answered(instance, one) for instance, one in zip(instances, scores, strict=True)]


def fresh_pictures(count: int = 120) -> list[Row]:
    return [Row(drawn.picture(drawn.SHAPES[seed % 3], seed), drawn.SHAPES[seed % 3]) for seed in range(1000, 1000 + count)]


def fresh_texts(count: int = 120) -> list[Row]:
    return [Row(sentence(seed), "good" if seed % 2 else "bad") for seed in range(1000, 1000 + count)]


def told(detection: Detection) -> dict[str, float]:
    return {test.name: test.adjusted for test in detection.tests}


def test_unchanged_pictures_are_silent_and_inverted_ones_are_found_with_their_drivers(pictures: Path) -> None:
    model, rows = pictures / "model", fresh_pictures()
    silent = detect(model, answered(model, rows))
    assert silent.status == "silent", silent.reason
    changed = injection.pictures(rows, "inversion", 0.3, seed=1)
    found = detect(model, answered(model, changed))
    assert (found.status, found.p) == ("shifted", min(told(found).values()))
    assert told(found)["embedding"] <= LEVEL
    inverted = {digest(row.content) for row in changed if row.changed}
    assert {driver["id"] for driver in found.drivers} <= inverted
    assert all(base64.b64decode(driver["thumbnail"]) for driver in found.drivers)
    assert found.harm is not None
    assert found.harm.unfamiliar > 0.2
    assert sum(found.separation["window"]) == len(rows)


def test_unchanged_texts_are_silent_and_other_words_are_named(texts: Path) -> None:
    model, rows = texts / "model", fresh_texts()
    silent = detect(model, answered(model, rows))
    assert silent.status == "silent", silent.reason
    other = [Row(sentence(seed, ("battery", "charger", "song")), "good") for seed in range(3000, 3100)]
    found = detect(model, answered(model, injection.another_domain(rows, other, 0.5, seed=1)))
    assert found.status == "shifted"
    assert told(found)["properties"] <= LEVEL
    assert {"battery", "charger"} <= set(list(found.unknown_words)[:2])
    assert "song" in [word.word for word in found.words]


def test_typing_errors_are_found(texts: Path) -> None:
    model = texts / "model"
    assert detect(model, answered(model, injection.typing_errors(fresh_texts(), 0.8, seed=1))).status == "shifted"


def test_the_same_window_gives_the_same_verdict_and_the_same_event(pictures: Path) -> None:
    window = answered(pictures / "model", injection.pictures(fresh_pictures(60), "noise", 0.5, seed=1))
    first, again = detect(pictures / "model", window), detect(pictures / "model", window[::-1])
    assert first == again
    event = document(first, "vision", "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")
    assert event["event_id"] == document(again, "vision", event["start"], event["end"])["event_id"]
    assert event["event_id"] != document(first, "vision", event["start"], "2026-01-03T00:00:00+00:00")["event_id"]
    assert json.loads(json.dumps(event, allow_nan=False))["status"] == first.status


@pytest.mark.parametrize("count", [0, 1, MINIMUM_ROWS - 1])
def test_too_few_rows_are_not_judged_however_odd_they_are(pictures: Path, count: int) -> None:
    window = answered(pictures / "model", injection.pictures(fresh_pictures(count), "inversion", 1.0, seed=1)) if count else []
    found = detect(pictures / "model", window)
    assert (found.status, found.p, found.tests) == ("not enough data", None, ())
    assert str(MINIMUM_ROWS) in found.reason


def test_a_request_that_is_repeated_says_nothing_new(pictures: Path) -> None:
    window = answered(pictures / "model", fresh_pictures(20))
    assert (detect(pictures / "model", window * 10).status, detect(pictures / "model", window * 10).rows) == ("not enough data", 20)


def test_what_cannot_be_read_is_counted_and_left_out(pictures: Path) -> None:
    window = answered(pictures / "model", fresh_pictures(60))
    broken = [Answered(instance, window[0].scores) for instance in ({"b64": "!"}, {"b64": "AAAA"}, {"text": "no picture"}, None, 3)]
    found = detect(pictures / "model", [*broken, *window])
    assert (found.rows, found.unreadable) == (60, len(broken))


def test_a_baseline_of_another_model_is_refused(pictures: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for path in ("embedding.tflite", "preprocessing.json"):
        (model / path).write_bytes((pictures / "model" / path).read_bytes())
    with pytest.raises(DataError, match="without a baseline"):
        detect(model, [])
    baseline.build(pictures / "model", pictures / "rows.parquet", model / baseline.FOLDER)
    assert detect(model, []).status == "not enough data"
    (model / "preprocessing.json").write_text((model / "preprocessing.json").read_text() + " ")
    with pytest.raises(DataError, match="not made from the model"):
        detect(model, [])


def test_answers_of_another_model_are_refused(pictures: Path) -> None:
    window = [Answered(one.instance, {"cat": 1.0}) for one in answered(pictures / "model", fresh_pictures(60))]
    with pytest.raises(DataError, match="classes"):
        detect(pictures / "model", window)


def test_a_baseline_is_the_same_for_the_same_model_and_holds_no_text(texts: Path, tmp_path: Path) -> None:
    one, other = (baseline.build(texts / "model", texts / "rows.parquet", tmp_path / name) for name in ("one", "other"))
    assert one == other
    assert one["rows"] == 180
    content = b"".join(path.read_bytes() for path in sorted((tmp_path / "one").iterdir()))
    assert not any(text.encode() in content for text in read(texts / "rows.parquet", split="validation")["content"].to_pylist())


def test_a_window_is_kept_as_it_is(tmp_path: Path) -> None:
    window = [Answered({"text": "naïve\n“quotes”"}, {"good": 0.25, "bad": 0.75}), Answered("plain", {"good": 1.0, "bad": 0.0})]
    windows.write(window, tmp_path / "window.jsonl")
    assert windows.read(tmp_path / "window.jsonl") == window


# Injection


@pytest.mark.parametrize("corruption", injection.PICTURES)
@pytest.mark.parametrize("colour", [False, True])
def test_a_corruption_changes_the_share_that_is_asked_for_and_nothing_else(corruption: str, colour: bool) -> None:
    rows = [Row(drawn.picture("circle", seed, colour=colour), "circle") for seed in range(20)]
    changed = injection.pictures(rows, corruption, 0.25, seed=3)
    assert changed == injection.pictures(rows, corruption, 0.25, seed=3)
    assert [row.changed for row in changed].count(True) == 5
    assert all(
        (after is before) or (after.changed and after.content != before.content) for before, after in zip(rows, changed, strict=True)
    )
    assert [row.label for row in changed] == [row.label for row in rows]


def test_another_domain_brings_its_labels_and_repeats_no_row() -> None:
    rows, other = [Row(f"ours {at}", "ours") for at in range(20)], [Row(f"theirs {at}", "theirs") for at in range(10)]
    changed = injection.another_domain(rows, other, 0.5, seed=3)
    assert {row.content for row in changed if row.changed} == {row.content for row in other}
    assert {row.label for row in changed if row.changed} == {"theirs"}
    with pytest.raises(DataError, match="Lower the share"):
        injection.another_domain(rows, other, 0.6, seed=3)


def test_an_unknown_corruption_and_a_text_as_picture_are_refused() -> None:
    with pytest.raises(DataError, match="fog"):
        injection.pictures([], "fog", 1, seed=1)
    with pytest.raises(DataError, match="text"):
        injection.pictures([Row("a text", "good")], "noise", 1, seed=1)


def test_counts_keep_words_that_occur_twice_and_no_padding() -> None:
    counted, kept = words.counts(np.array([[2, 3, 2, 0], [5, 1, 1, 0]], np.int32))
    assert kept.tolist() == [1, 2]
    assert counted.tolist() == [[0, 2], [2, 0]]
