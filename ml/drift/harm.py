"""What a shift costs, before any label arrives: the accuracy that the model's own confidence lets one expect.

Average thresholded confidence (Garg et al. 2022): the share of answers above the confidence above which, on the validation rows, as
many answers lay as were right. It holds while confidence means what it meant. Of rows that resemble none of the baseline's, which
a model may well answer wrongly and surely, confidence says nothing: in the interval they are all wrong at one end, all right at
the other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 400
LEVEL = 0.95
FAMILIAR = 0.99

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Harm:
    """Accuracy then, and now as far as it can be told."""

    reference_accuracy: float
    """On the validation rows, whose labels are known."""
    estimated_accuracy: float
    """On the window."""
    change: float
    interval: tuple[float, float]
    """Of the change: from the worst for the unfamiliar rows to the best, each with its 95 % bootstrap bound."""
    unfamiliar: float
    """Share of the window's rows that look like none of the baseline's; one in a hundred does by chance."""


def estimate(reference: Floats, right: Flags, window: Floats, strange: Flags, chance: np.random.Generator) -> Harm:
    """The change in accuracy that the confidences tell.

    Args:
        reference: (rows, classes) probabilities of the validation rows.
        right: (rows,) whether the most probable class was the truth.
        window: (rows, classes) probabilities of the traffic.
        strange: (rows,) which of these are unfamiliar.
        chance: decides the resamples.
    """
    then, now = _confidence(reference), _confidence(window)
    accuracy = float(right.mean())
    estimated = float(_sure(then[None], right[None], now[None]).mean())
    rows, others = (chance.integers(0, len(of), (RESAMPLES, len(of))) for of in (then, now))
    familiar = (_sure(then[rows], right[rows], now[others]) & ~strange[others]).mean(1)
    before = right[rows].mean(1)
    low = float(np.quantile(familiar - before, (1 - LEVEL) / 2))
    high = float(np.quantile(familiar + strange[others].mean(1) - before, (1 + LEVEL) / 2))
    return Harm(accuracy, estimated, estimated - accuracy, (low, high), float(strange.mean()))


def unfamiliar(scores: Floats, window: Flags) -> Flags:
    """Which of the window's rows score above nearly all of the baseline's.

    Args:
        scores: (rows,) of a classifier that tells the window's rows from the baseline's, each by the folds that it is not in.
        window: (rows,) which are the window's.
    """
    strange: Flags = scores[window] > np.quantile(scores[~window], FAMILIAR)
    return strange


def _confidence(probabilities: Floats) -> Floats:
    """(rows,) negative entropy: how sure an answer is, whatever the number of classes."""
    certain: Floats = (probabilities * np.log(np.maximum(probabilities, 1e-9))).sum(1)
    return certain


def _sure(then: Floats, right: Flags, now: Floats) -> Flags:
    """(resamples, rows) which confidences lie above each resample's threshold."""
    wrong = (~right).sum(1)
    ordered = np.sort(then, axis=1)
    threshold = np.where(wrong > 0, np.take_along_axis(ordered, np.maximum(wrong - 1, 0)[:, None], 1)[:, 0], -np.inf)
    above: Flags = now > threshold[:, None]
    return above
