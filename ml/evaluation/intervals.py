"""How far a share measured on a sample may be from the truth: 95 % intervals."""

import math

import numpy as np
import numpy.typing as npt

Z = 1.959964
"""The 97.5 % quantile of the standard normal distribution."""


def wilson(successes: int, rows: int) -> tuple[float, float]:
    """Interval of a share (Wilson 1927). Without any row nothing is known: (0, 1)."""
    if rows == 0:
        return 0.0, 1.0
    share = successes / rows
    centre = share + Z**2 / (2 * rows)
    spread = Z * math.sqrt(share * (1 - share) / rows + Z**2 / (4 * rows**2))
    scale = 1 + Z**2 / rows
    # At the ends the formula is exact, but its rounding is not.
    return max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)


def paired(ours: npt.NDArray[np.bool_], theirs: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Interval of the difference in accuracy of two models on the same rows.

    Half a row is added to each cell of the two-by-two table (Agresti and Min 2005), which keeps it honest on few rows.

    Args:
        ours: (rows,) whether the first model was right.
        theirs: (rows,) whether the second was.
    """
    only_ours = int((ours & ~theirs).sum()) + 0.5
    only_theirs = int((~ours & theirs).sum()) + 0.5
    rows = len(ours) + 2
    difference = (only_ours - only_theirs) / rows
    spread = Z * math.sqrt((only_ours + only_theirs - (only_ours - only_theirs) ** 2 / rows) / rows**2)
    return max(difference - spread, -1.0), min(difference + spread, 1.0)
