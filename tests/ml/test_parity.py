"""Engines that give the measured answer pass; one that does not is found, whatever it does."""

import numpy as np
import pytest

from ml.evaluation.parity import LISTED, TIE, TOLERANCE, Probabilities, compare

CLASSES = ["a", "b", "c"]
ROWS = 1000
IDS = [str(at) for at in range(ROWS)]


@pytest.fixture
def reference() -> Probabilities:
    logits = np.random.default_rng(1).normal(size=(ROWS, 3)) * 3
    return np.asarray(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), np.float32)


def with_row(reference: Probabilities, at: int, row: list[float]) -> Probabilities:
    changed = reference.copy()
    changed[at] = row
    return changed


def test_rounding_passes_and_is_stated(reference: Probabilities) -> None:
    found = compare(IDS, CLASSES, reference, {"litert": reference + np.float32(2e-6), "wasm": reference.copy()})
    assert found["passed"]
    assert found["engines"]["litert"]["largest_difference"] == pytest.approx(2e-6, rel=0.1)
    assert found["engines"]["wasm"] == {"largest_difference": 0.0, "same_label": 1.0, "differing": [], "passed": True}


@pytest.mark.parametrize("tolerance", [TOLERANCE, 1e-3])
def test_a_probability_beyond_the_tolerance_does_not_pass(reference: Probabilities, tolerance: float) -> None:
    changed = reference.copy()
    changed[7] += np.array([2, -2, 0], np.float32) * np.float32(tolerance)
    found = compare(IDS, CLASSES, reference, {"wasm": changed}, tolerance)
    assert not found["passed"]


def test_another_label_where_the_two_best_are_far_apart_is_listed_and_does_not_pass(reference: Probabilities) -> None:
    clear = with_row(reference, 3, [0.9, 0.05, 0.05])
    found = compare(IDS, CLASSES, clear, {"wasm": with_row(clear, 3, [0.05, 0.9, 0.05])}, tolerance=1)
    engine = found["engines"]["wasm"]
    assert not engine["passed"]
    assert engine["differing"] == [{"id": "3", "reference": "a", "label": "b", "margin": pytest.approx(0.85)}]


def test_another_label_of_a_tie_passes(reference: Probabilities) -> None:
    tied = with_row(reference, 3, [0.4 + TIE / 4, 0.4, 0.2])
    found = compare(IDS, CLASSES, tied, {"wasm": with_row(tied, 3, [0.4, 0.4 + TIE / 4, 0.2])}, tolerance=TIE)
    assert found["passed"]
    assert found["engines"]["wasm"]["same_label"] == 1 - 1 / ROWS


def test_permuted_classes_do_not_pass_and_the_list_stays_short(reference: Probabilities) -> None:
    engine = compare(IDS, CLASSES, reference, {"wasm": reference[:, [1, 2, 0]]})["engines"]["wasm"]
    assert not engine["passed"]
    assert len(engine["differing"]) == LISTED


def test_a_refused_row_is_listed_and_does_not_pass(reference: Probabilities) -> None:
    engine = compare(IDS, CLASSES, reference, {"wasm": with_row(reference, 0, [np.nan] * 3)})["engines"]["wasm"]
    assert (engine["passed"], engine["largest_difference"], engine["differing"][0]["label"]) == (False, None, None)


def test_nothing_compared_proves_nothing(reference: Probabilities) -> None:
    assert not compare(IDS, CLASSES, reference, {})["passed"]
    empty = reference[:0]
    assert not compare([], CLASSES, empty, {"wasm": empty})["passed"]


def test_answers_for_other_rows_are_refused(reference: Probabilities) -> None:
    with pytest.raises(ValueError, match="so nothing was compared"):
        compare(IDS, CLASSES, reference, {"wasm": reference[1:]})
    with pytest.raises(ValueError, match="do not belong together"):
        compare(IDS[1:], CLASSES, reference, {})
