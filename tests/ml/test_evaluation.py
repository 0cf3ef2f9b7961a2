"""Figures with their uncertainty, and a gate that can fail."""

from typing import Any

import numpy as np
import pytest

from environments.tasks import Gates
from ml.evaluation.classification import _per_class
from ml.evaluation.gate import decide
from ml.evaluation.intervals import paired, wilson

GATES = Gates(minimum_accuracy=0.8, minimum_rows=100, maximum_loss=0.05)


def _measured(**changes: Any) -> dict[str, Any]:
    return {"rows": 500, "accuracy": 0.85, "majority": "a", "majority_accuracy": 0.5, "above_majority": [0.3, 0.4], **changes}


def test_a_good_model_passes() -> None:
    assert decide(_measured(), GATES, declared=True).passed


@pytest.mark.parametrize(
    ("changes", "declared", "reason"),
    [
        ({"accuracy": 0.79}, True, "below 0.8"),
        ({"accuracy": float("nan")}, True, "below 0.8"),
        ({"rows": 99}, True, "fewer than 100"),
        ({"rows": 0}, False, "nothing was measured"),
        ({"rows": 0}, True, "nothing was measured"),
        ({"above_majority": [-0.01, 0.2]}, False, "not better than always answering 'a'"),
    ],
)
def test_a_bad_model_is_refused_with_the_reason(changes: dict[str, Any], declared: bool, reason: str) -> None:
    gate = decide(_measured(**changes), GATES, declared)
    assert not gate.passed
    assert reason in "; ".join(gate.reasons)


def test_other_data_is_held_to_its_own_majority_class() -> None:
    assert decide(_measured(accuracy=0.6, rows=30), GATES, declared=False).passed


def test_wilsons_interval_has_its_published_values() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_paired_interval_covers_zero_for_equal_models_and_is_wide_on_few_rows() -> None:
    right = np.array([True, False] * 50)
    lowest, highest = paired(right, right)
    assert lowest < 0 < highest
    assert paired(np.ones(100, bool), right)[0] > 0.3
    assert paired(np.ones(3, bool), np.array([True, False, False]))[0] < 0


def test_precision_and_recall_are_undefined_where_nothing_was_counted() -> None:
    measured, macro = _per_class(["a", "b", "c"], np.array([[3, 1, 0], [1, 5, 0], [0, 0, 0]]))
    assert measured["a"] == {"rows": 4, "precision": 0.75, "recall": 0.75, "f1": 0.75}
    assert measured["c"] == {"rows": 0, "precision": None, "recall": None, "f1": 0.0}
    assert macro == pytest.approx((0.75 + 10 / 12 + 0) / 3)
