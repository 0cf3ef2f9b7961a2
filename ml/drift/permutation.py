"""Two-sample tests whose p-values are exact: how often would rows that are exchanged at random look at least as different?

Under the null hypothesis the rows of both samples are exchangeable, so a statistic's rank among those of random exchanges is
uniform, whatever the statistic, the sizes of the samples and the dependence between columns (Phipson and Smyth 2010). All
exchanges are computed at once: `exchanges` is a matrix, and each statistic maps it to a vector.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDS = 5
RIDGE = 0.1
"""Penalty of the classifier, as a share of a row's mean squared length."""
ROUNDING = 1e-6

Floats = npt.NDArray[np.float32]
Exchanges = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Compared:
    """One statistic, and how surprising it is."""

    statistic: float
    p: float


def exchanges(reference: int, window: int, count: int, chance: np.random.Generator) -> Exchanges:
    """(1 + count, reference + window) which rows are taken for the window's: first the truth, then random exchanges."""
    taken = np.zeros((1 + count, reference + window), np.bool_)
    taken[0, reference:] = True
    taken[1:, :window] = True
    return np.concatenate([taken[:1], chance.permuted(taken[1:], axis=1)])


def classifier(pooled: Floats, taken: Exchanges, chance: np.random.Generator) -> tuple[Compared, Floats]:
    """Classifier two-sample test: can a classifier tell the window's rows (Lopez-Paz and Oquab 2017)?

    A ridge classifier on the features and their squares, each row scored by the folds that it is not in. The scores are linear in
    the labels, so one matrix serves every exchange. The statistic is how much higher the window's rows score on average: a rank
    statistic, such as the area under the ROC curve, hardly moves when a tenth of the rows look like nothing before. Squares are
    there since noise changes the spread of a feature before its mean.

    Args:
        pooled: (rows, features) the reference's rows, then the window's.
        taken: as `exchanges` makes them.
        chance: decides the folds.

    Returns:
        The test, and (rows,) the scores of the truth: the higher, the more a row looks like the window's.
    """
    smoother = _cross_fitted(_with_squares(pooled), chance)
    scores = (taken - taken.mean(1, keepdims=True, dtype=np.float32)) @ smoother.T
    window = taken[0].sum()
    of_window = np.where(taken, scores, 0).sum(1)
    higher: Floats = of_window / window - (scores.sum(1) - of_window) / (len(pooled) - window)
    return _compared(higher), scores[0]


def largest_distance(columns: Floats, taken: Exchanges) -> Compared:
    """Kolmogorov and Smirnov's distance of the column that differs most; one test, however many columns there are.

    Args:
        columns: (rows, columns) the reference's rows, then the window's.
        taken: as `exchanges` makes them.
    """
    window = int(taken[0].sum())
    reference = taken.shape[1] - window
    largest = np.zeros(len(taken), np.int64)
    for column in columns.T:
        order = np.argsort(column, kind="stable")
        # Between equal values the distribution functions have not stepped yet.
        last = np.flatnonzero(np.append(np.diff(column[order]) > 0, True))
        of_window = np.cumsum(taken[:, order], axis=1, dtype=np.int64)[:, last]
        # In whole numbers, so that equal distances are equal.
        largest = np.maximum(largest, np.abs(of_window * (reference + window) - (last + 1) * window).max(1))
    return _compared(largest / (reference * window))


def shares(counts: Floats, taken: Exchanges) -> Compared:
    """Jensen-Shannon divergence (base 2) between the two samples' shares of each entry, whole rows exchanged.

    Args:
        counts: (rows, entries) how often an entry, such as a word, occurs in a row.
        taken: as `exchanges` makes them.
    """
    window: Floats = taken.astype(np.float32) @ counts
    p, q = _normalised(counts.sum(0) - window), _normalised(window)
    middle = (p + q) / 2
    return _compared(_entropy(middle) - (_entropy(p) + _entropy(q)) / 2)


def holm(p_values: list[float]) -> list[float]:
    """p-values of a family, adjusted so that the chance of any false alarm stays what it is for one (Holm 1979)."""
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[at] * (len(p_values) - rank)))
        adjusted[at] = highest
    return adjusted


def _compared(statistics: npt.NDArray[np.floating[Any]]) -> Compared:
    # Equal up to rounding counts against us; the truth itself is one of the exchanges.
    as_large = statistics >= statistics[0] - ROUNDING
    return Compared(float(statistics[0]), float(as_large.mean()))


def _with_squares(features: Floats) -> Floats:
    """Centred and scaled, a column that hardly varies less so, with its square beside it."""
    spread = features.std(0)
    scaled = (features - features.mean(0)) / (spread + 0.05 * spread.mean() + 1e-9)
    return np.hstack([scaled, (scaled**2 - 1) / np.sqrt(2)]).astype(np.float32)


def _cross_fitted(features: Floats, chance: np.random.Generator) -> Floats:
    """(rows, rows) from labels to scores: ridge regression, each fold scored by the model of the others."""
    rows, width = features.shape
    # Folds do not look at the labels, otherwise the exchanges would not be exchangeable.
    fold = chance.permutation(rows) % FOLDS
    penalty = RIDGE * float((features**2).sum()) / rows * np.eye(width, dtype=np.float32)
    smoother = np.zeros((rows, rows), np.float32)
    for held_out in range(FOLDS):
        fitted, scored = features[fold != held_out], features[fold == held_out]
        weights = np.linalg.solve(fitted.T @ fitted + penalty, fitted.T)
        smoother[np.ix_(fold == held_out, fold != held_out)] = scored @ weights
    return smoother


def _normalised(counts: Floats) -> Floats:
    normalised: Floats = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return normalised


def _entropy(p: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    bits: npt.NDArray[np.floating[Any]] = -(p * np.log2(np.where(p > 0, p, 1))).sum(1)
    return bits
