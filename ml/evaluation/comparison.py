"""A challenger beside the champion on the same test rows: the frozen ones, and those that have come since."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ml.data.rows import read, write_json
from ml.evaluation.classification import predictions
from ml.evaluation.intervals import paired
from ml.export.preprocessing import Preprocessor

Verdict = Literal["better", "not worse", "worse", "not enough rows"]
SIGNIFICANT = 0.05

Hits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Paired:
    """Two models on the same rows."""

    rows: int
    champion_accuracy: float
    challenger_accuracy: float
    only_champion: int
    """Rows that the champion alone has right; with the next figure, all that tells the two apart."""
    only_challenger: int
    difference: float
    """Accuracy, challenger minus champion."""
    interval: tuple[float, float]
    """95 % interval of the difference."""
    p: float
    """That a split of the rows on which they differ is at least so uneven by chance (exact McNemar test, two-sided)."""
    verdict: Verdict


def compare(challenger: Path, champion: Path, rows: Path, out: Path, maximum_loss: float) -> dict[str, Any]:
    """Let both exported models answer every test row; writes `comparison.json` into `out` and returns its content.

    Args:
        challenger: exported model folder.
        champion: exported model folder. A class that it does not know counts as a wrong answer, as it would in use.
        rows: rows with `split`, and `new` where `ml.data.joining` made them.
        out: folder to write into.
        maximum_loss: accuracy that a challenger may lose and still be called not worse.

    Returns:
        `frozen`, `new` and `all`, each the fields of `Paired`.
    """
    table = read(rows, split="test").sort_by("id")
    contents, truth = table["content"].to_pylist(), np.array(table["label"].to_pylist(), object)
    theirs, ours = _right(champion, contents, truth), _right(challenger, contents, truth)
    new = np.array(table["new"].to_pylist(), np.bool_) if "new" in table.column_names else np.zeros(len(truth), np.bool_)
    parts = {"frozen": ~new, "new": new, "all": np.ones(len(truth), np.bool_)}
    compared = {name: asdict(pair(ours[part], theirs[part], maximum_loss)) for name, part in parts.items()}
    write_json(compared, out / "comparison.json")
    return compared


def pair(challenger: Hits, champion: Hits, maximum_loss: float) -> Paired:
    """The comparison on some rows.

    The verdict follows from the interval: all of it above zero (and the exact test agrees) is better; none of it below the
    tolerated loss is not worse; all of it below zero is worse. An interval that holds both zero and more than the tolerated
    loss says that the rows are too few to tell.

    Args:
        challenger: (rows,) whether its answer was right.
        champion: (rows,) the same of the champion.
        maximum_loss: accuracy that may be lost.
    """
    rows = len(challenger)
    wins, losses = int((challenger & ~champion).sum()), int((~challenger & champion).sum())
    low, high = paired(challenger, champion) if rows else (-1.0, 1.0)
    p = mcnemar(wins, losses)
    verdict: Verdict = "not enough rows"
    if low > 0 and p < SIGNIFICANT:
        verdict = "better"
    elif low >= -maximum_loss:
        verdict = "not worse"
    elif high < 0:
        verdict = "worse"
    return Paired(
        rows=rows,
        champion_accuracy=float(champion.mean()) if rows else 0.0,
        challenger_accuracy=float(challenger.mean()) if rows else 0.0,
        only_champion=losses,
        only_challenger=wins,
        difference=(wins - losses) / rows if rows else 0.0,
        interval=(low, high),
        p=p,
        verdict=verdict,
    )


def mcnemar(wins: int, losses: int) -> float:
    """Two-sided exact test that a row on which two models differ is as likely won as lost (McNemar 1947, binomial form)."""
    differing = wins + losses
    # In logarithms: thousands of rows may differ, and two to their power is no float.
    fewest = range(min(wins, losses) + 1)
    tail = sum(
        math.exp(math.lgamma(differing + 1) - math.lgamma(k + 1) - math.lgamma(differing - k + 1) - differing * math.log(2)) for k in fewest
    )
    return min(2 * tail, 1.0)


def _right(exported: Path, contents: list[Any], truth: npt.NDArray[np.object_]) -> Hits:
    """Whether a model's most probable class is the truth."""
    classes = np.array(Preprocessor.load(exported / "preprocessing.json").classes, object)
    return np.asarray(classes[predictions(exported, contents).argmax(1)] == truth, np.bool_)
