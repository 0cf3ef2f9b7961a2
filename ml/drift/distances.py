"""The distances that Vertex AI Model Monitoring reports, as TensorFlow Data Validation defines them (`anomalies/metrics.cc`).

They are no tests: no threshold on them means the same for ten rows and for ten thousand (`bench.drift` shows it). They are reported
beside the tests for whoever compares with Vertex AI's own figures, whose default threshold is 0.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 10
"""Equal bins over each side's own range, as TFDV's standard histogram has by default."""
THRESHOLD = 0.3
"""Vertex AI's default."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bin:
    """`count` values between `low` and `high`; both are the same for a single value."""

    low: float
    high: float
    count: float


def l_infinity(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The largest difference of a category's share; 0 when both are empty."""
    totals = [sum(side.values()) or 1.0 for side in (one, other)]
    shares = [abs(one.get(key, 0) / totals[0] - other.get(key, 0) / totals[1]) for key in {*one, *other}]
    return max(shares, default=0.0)


def jensen_shannon(one: Sequence[Bin], other: Sequence[Bin]) -> float:
    """Jensen-Shannon divergence of two histograms, base 2, not square-rooted.

    Each is spread evenly inside its bins over the edges of both. Single values, infinite bins and values that are no number
    count on their own; the latter two never match those of the other side.

    Raises:
        ValueError: when a side holds nothing.
    """
    if not all(sum(part.count for part in side) > 0 for side in (one, other)):
        raise ValueError("an empty histogram has no distance to another; give at least one value on each side")
    spread = [[part for part in side if np.isfinite([part.low, part.high]).all() and part.high > part.low] for side in (one, other)]
    edges = np.unique([edge for side in spread for part in side for edge in (part.low, part.high)])
    points = sorted({part.low for side in (one, other) for part in side if part.low == part.high and np.isfinite(part.low)})
    masses = []
    for at, side in enumerate((one, other)):
        inside = sum((_spread(part, edges) for part in spread[at]), np.zeros(max(len(edges) - 1, 0)))
        single = [sum(part.count for part in side if part.low == part.high == point) for point in points]
        # NaN and infinity have a place of their own on each side, so that they match nothing.
        apart = [0.0, 0.0]
        apart[at] = sum(part.count for part in side if not np.isfinite([part.low, part.high]).all())
        masses.append(np.concatenate([inside, single, apart]))
    return _divergence(*masses)


def histogram(values: npt.NDArray[np.floating]) -> list[Bin]:
    """TFDV's standard histogram of numbers."""
    counts, edges = np.histogram(values, BINS)
    if edges[0] == edges[-1] or values.min() == values.max():
        return [Bin(float(values.min()), float(values.min()), float(len(values)))]
    return [Bin(float(low), float(high), float(count)) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def ranks(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Jensen-Shannon divergence of two rank histograms of categories."""
    keys = sorted({*one, *other})
    return _divergence(*(np.array([side.get(key, 0.0) for key in keys]) for side in (one, other)))


def of_outputs(reference: Floats, window: Floats) -> dict[str, float]:
    """What Vertex AI would report of a classifier's outputs.

    Args:
        reference: (rows, classes) probabilities of the baseline.
        window: (rows, classes) probabilities of the traffic.
    """
    labels = [dict(zip(*np.unique(side.argmax(1).astype(str), return_counts=True), strict=True)) for side in (reference, window)]
    classes = range(reference.shape[1])
    return {
        "l_infinity": float(l_infinity(*labels)),
        "jensen_shannon": max(jensen_shannon(histogram(reference[:, at]), histogram(window[:, at])) for at in classes),
    }


def _spread(part: Bin, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    overlap = np.minimum(edges[1:], part.high) - np.maximum(edges[:-1], part.low)
    shares: npt.NDArray[np.float64] = part.count * np.maximum(overlap, 0) / (part.high - part.low)
    return shares


def _divergence(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2
    bits = [side[side > 0] * np.log2(side[side > 0] / middle[side > 0]) for side in (p, q)]
    return min(float(sum(part.sum() for part in bits) / 2), 1.0)
