"""Whether every engine that serves a model gives the answer that was measured: softmax outputs of the same raw rows, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = 1e-5
"""Largest difference of a probability; trained models show about 1e-6."""
TIE = 1e-3
"""Where the two best probabilities of the reference are closer than this, either label is a fair answer."""
SAME_LABEL = 0.995
"""Least share of rows with the reference's label."""
LISTED = 20

Probabilities = npt.NDArray[np.float32]


def compare(
    ids: Sequence[str],
    classes: Sequence[str],
    reference: Probabilities,
    others: Mapping[str, Probabilities],
    tolerance: float = TOLERANCE,
) -> dict[str, Any]:
    """Compare each engine with the reference.

    Args:
        ids: row ids.
        classes: class labels, in the order of the probabilities.
        reference: (rows, classes) probabilities of the engine that was measured.
        others: engine → (rows, classes) probabilities of the same rows; a row that the engine refused is not a number.
        tolerance: largest difference of a probability that passes.

    Returns:
        `rows`, `tolerance`, `passed`, and for each of `engines`: `largest_difference` (null where a row is not a number),
        `same_label` (share of rows), `differing` (the first rows with another label: id, both labels, the reference's margin between its
        two best), `passed`. An engine passes when no probability differs by more than the tolerance, at least `SAME_LABEL` of the rows
        have the reference's label, and all have it whose margin is above `TIE`. No rows and no engines prove nothing and do not pass.

    Raises:
        ValueError: when an engine's answers are not for these rows and classes.
    """
    shape = (len(ids), len(classes))
    if reference.shape != shape:
        raise ValueError(f"the reference is {reference.shape}, the rows and classes are {shape}: they do not belong together.")
    engines = {}
    for name, answers in others.items():
        if answers.shape != shape:
            raise ValueError(f"{name} answered {answers.shape} for rows and classes {shape}, so nothing was compared. Look at its output.")
        engines[name] = _engine(ids, classes, reference, answers, tolerance)
    passed = bool(ids) and bool(engines) and all(engine["passed"] for engine in engines.values())
    return {"rows": len(ids), "tolerance": tolerance, "engines": engines, "passed": passed}


def _engine(
    ids: Sequence[str], classes: Sequence[str], reference: Probabilities, answers: Probabilities, tolerance: float
) -> dict[str, Any]:
    if not ids:
        return {"largest_difference": None, "same_label": None, "differing": [], "passed": False}
    ordered = np.sort(reference, axis=1)
    margin = ordered[:, -1] - ordered[:, -2] if len(classes) > 1 else np.ones(len(ids), np.float32)
    # argmax takes "not a number" for the largest, which would be some label.
    refused = np.isnan(answers.sum(axis=1))
    ours, theirs = reference.argmax(1), answers.argmax(1)
    differing = np.flatnonzero((ours != theirs) | refused)
    largest = float(np.abs(reference - answers).max())
    same = 1 - len(differing) / len(ids)
    return {
        "largest_difference": None if np.isnan(largest) else largest,
        "same_label": same,
        "differing": [
            {
                "id": ids[at],
                "reference": classes[ours[at]],
                "label": None if refused[at] else classes[theirs[at]],
                "margin": float(margin[at]),
            }
            for at in differing[:LISTED]
        ],
        "passed": bool(largest <= tolerance and same >= SAME_LABEL and not (margin[differing] > TIE).any()),
    }
