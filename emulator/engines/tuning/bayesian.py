"""The next point to try by Bayesian optimisation: a Gaussian process over the points that were measured, and expected improvement.

Thirty lines of numpy, since scikit-learn's would stay in the server with 100 MB. Rasmussen and Williams, Gaussian Processes for
Machine Learning, algorithm 2.1 and section 5.4.1; Jones, Schonlau and Welch 1998 for the improvement. Google says of its own no more than
that it is Bayesian: https://cloud.google.com/vertex-ai/docs/training/hyperparameter-tuning-overview#search_algorithms
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from emulator.engines.tuning.space import Parameter, Point, Value, coordinates, walk

if TYPE_CHECKING:
    from numpy import floating
    from numpy.typing import NDArray

    Array = NDArray[floating[Any]]

EXPLORED = 3
"""Points that are drawn at random before the first is computed."""
ANYWHERE, NEARBY = 512, 128
"""Candidates all over the space, and around the best point so far."""
MOST = 300
"""Of so many measured points the process is made: the best half, and the latest."""
STEP = 0.1
"""Standard deviation of a number's step on its scale, for the candidates nearby."""


def suggest(parameters: Sequence[Parameter], measured: list[tuple[Point, float]], pending: list[Point], random: Random) -> Point:
    """The point whose measure is expected to improve most on the best so far.

    Args:
        parameters: The space.
        measured: Points and their measures; more is better.
        pending: Points that are being measured: each is taken to become what is expected of it.
        random: Draws the candidates.
    """
    if len(measured) < EXPLORED:
        return walk(parameters, lambda parameter: parameter.draw(random))
    import numpy as np

    if len(measured) > MOST:
        order = sorted(range(len(measured)), key=lambda row: measured[row][1], reverse=True)
        measured = [measured[row] for row in sorted({*order[: MOST // 2], *range(len(measured) - MOST // 2, len(measured))})]
    points = [point for point, _ in measured]
    candidates = [walk(parameters, lambda parameter: parameter.draw(random)) for _ in range(ANYWHERE)]
    best = max(measured, key=lambda one: one[1])[0]
    candidates += [walk(parameters, lambda parameter: _near(parameter, best, random)) for _ in range(NEARBY)]
    # A measure is not repeated while there is anything else to try.
    tried = [*points, *pending]
    candidates = [point for point in candidates if point not in tried] or candidates
    with np.errstate(all="ignore"):
        values = np.array([measure for _, measure in measured])
        values = (values - values.mean()) / (values.std() or 1.0)
    if not np.isfinite(values).all():
        # Measures as large as numbers get have no mean.
        return candidates[0]
    known, wanted = _matrix(parameters, points), _matrix(parameters, candidates)
    if pending:
        # Without these, the trials that run beside each other would be one.
        awaited = _matrix(parameters, pending)
        expected, _ = _predicted(known, values, awaited)
        known, values = np.vstack([known, awaited]), np.concatenate([values, expected])
    mean, deviation = _predicted(known, values, wanted)
    gain = mean - values.max()
    ratio = gain / deviation
    likely = np.array([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in ratio])
    improvement = gain * likely + deviation * np.exp(-0.5 * ratio**2) / math.sqrt(2 * math.pi)
    return candidates[int(improvement.argmax())]


def _near(parameter: Parameter, best: Point, random: Random) -> Value:
    """A value near the best point's: half of the numbers take a small step; one in five of all is drawn anew."""
    value = best.get(parameter.id)
    if value is None or random.random() < 0.2:
        return parameter.draw(random)
    if parameter.kind == "categorical" or random.random() < 0.5:
        return value
    position = min(max(parameter.position(value) + random.gauss(0, STEP), 0.0), 1.0)
    number = parameter.at(position)
    if parameter.kind == "discrete":
        return min(parameter.values, key=lambda one: abs(float(one) - number))
    return number if parameter.kind == "double" else round(number)


def _matrix(parameters: Sequence[Parameter], points: list[Point]) -> Array:
    """Points as rows, (points, coordinates)."""
    import numpy as np

    return np.array([coordinates(parameters, point) for point in points])


def _predicted(known: Array, values: Array, wanted: Array) -> tuple[Array, Array]:
    """Mean and standard deviation at the points `wanted`, for the length and noise that make the known values most likely."""
    import numpy as np

    most = -math.inf
    for length in np.geomspace(0.05, 3.0, 10) * math.sqrt(known.shape[1]):
        for noise in (1e-4, 1e-2, 1e-1):
            triangle = np.linalg.cholesky(_kernel(known, known, length) + noise * np.eye(len(known)))
            weights = np.linalg.solve(triangle.T, np.linalg.solve(triangle, values))
            likelihood = -0.5 * values @ weights - np.log(np.diag(triangle)).sum()
            if likelihood > most:
                most, chosen = likelihood, (length, triangle, weights)
    length, triangle, weights = chosen
    across = _kernel(wanted, known, length)
    explained = np.linalg.solve(triangle, across.T)
    return across @ weights, np.sqrt(np.maximum(1.0 - (explained**2).sum(axis=0), 1e-9))


def _kernel(left: Array, right: Array, length: float) -> Array:
    """Matérn's covariance with smoothness 5/2, (left, right)."""
    import numpy as np

    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2 * left @ right.T
    distance = np.sqrt(5 * np.maximum(squares, 0.0)) / length
    kernel: Array = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return kernel
