"""A window of traffic against the baseline of the model that answered it: one verdict, and what it rests on.

Each test is exact at any sample size (`permutation`), and the family is corrected, so that a window of unchanged traffic is
called shifted in one of a hundred cases and not in most of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ml.data.rows import DataError, digest
from ml.drift import distances, permutation, words
from ml.drift.baseline import Baseline
from ml.drift.harm import Harm, estimate, unfamiliar
from ml.drift.window import Answered
from ml.evaluation.classification import shown
from ml.export.embedding import embeddings
from ml.export.pictures import InstanceError
from ml.export.preprocessing import ImagePreprocessor, Preprocessor, TextPreprocessor

Status = Literal["shifted", "silent", "not enough data"]

LEVEL = 0.01
"""A window of unchanged traffic is called shifted with this probability."""
MINIMUM_ROWS = 50
"""Of the baseline and of the window: below it only a landslide could be told, and silence would mean nothing."""
MAXIMUM_ROWS = 500
"""Of the window, drawn by chance: more would find shifts that are too small to matter."""
EXCHANGES = 999
DRIVERS = 12
BINS = 20

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Test:
    """One test of the family."""

    name: str
    """`embedding`, `softmax`; of texts also `properties` (unknown words, length) and `words` (their shares)."""
    statistic: float
    p: float
    adjusted: float
    """p after Holm's correction: of the family, this one included."""


@dataclass(frozen=True)
class Detection:
    """What became of a window; `document` writes it down."""

    status: Status
    reason: str
    """In a sentence."""
    rows: int
    """Distinct rows that were compared; a request that is sent twice says nothing new."""
    unreadable: int
    """Rows left out, since the preprocessing cannot prepare them."""
    reference_rows: int
    baseline: str
    """Digest."""
    level: float
    seed: int
    p: float | None = None
    """The smallest of the family, corrected."""
    tests: tuple[Test, ...] = ()
    drivers: tuple[Mapping[str, Any], ...] = ()
    """The window's rows that look least like the baseline's: id, score, label, confidence, and a text or a thumbnail."""
    separation: Mapping[str, Any] = field(default_factory=dict)
    """Histogram of the classifier's scores: `edges`, and the counts of `reference` and `window`."""
    words: tuple[words.Word, ...] = ()
    """Of texts: words of the vocabulary that have become more frequent."""
    unknown_words: Mapping[str, int] = field(default_factory=dict)
    """Of texts: the most frequent words outside the vocabulary."""
    harm: Harm | None = None
    outputs: Mapping[str, float] = field(default_factory=dict)
    """What Vertex AI Model Monitoring would report of the outputs: `l_infinity` of the labels, the largest `jensen_shannon` of a class."""


def detect(exported: Path, window: Sequence[Answered], seed: int = 1) -> Detection:
    """Hold a window against the baseline of the model in `exported`.

    Args:
        exported: folder of the model that answered, with `embedding.tflite`, `preprocessing.json` and `baseline/`.
        window: what it was asked and what it answered.
        seed: of the random exchanges and samples: the same input gives the same result.

    Raises:
        DataError: when the folder holds no baseline of this model, or an answer is for other classes.
    """
    baseline, preprocessor = Baseline.load(exported), Preprocessor.load(exported / "preprocessing.json")
    chance = np.random.default_rng(seed)
    distinct, unreadable = _distinct(window, preprocessor)
    if len(distinct) > MAXIMUM_ROWS:
        keys = list(distinct)
        distinct = {keys[at]: distinct[keys[at]] for at in sorted(chance.choice(len(keys), MAXIMUM_ROWS, replace=False))}
    few = f"{len(distinct)} distinct rows in the window and {len(baseline)} in the baseline"
    little = Detection(
        status="not enough data",
        reason=f"{few}; at least {MINIMUM_ROWS} of each are needed to tell anything",
        rows=len(distinct),
        unreadable=unreadable,
        reference_rows=len(baseline),
        baseline=baseline.digest,
        level=LEVEL,
        seed=seed,
    )
    if min(len(distinct), len(baseline)) < MINIMUM_ROWS:
        return little

    contents = [found for found, _ in distinct.values()]
    probabilities = _probabilities([answered.scores for _, answered in distinct.values()], baseline.classes)
    taken = permutation.exchanges(len(baseline), len(distinct), EXCHANGES, chance)
    told, scores = permutation.classifier(np.concatenate([baseline.embeddings, embeddings(exported, contents)]), taken, chance)
    compared = {
        "embedding": told,
        "softmax": permutation.largest_distance(np.concatenate([baseline.probabilities, probabilities]), taken),
    }
    risen: list[words.Word] = []
    unknown: dict[str, int] = {}
    if isinstance(preprocessor, TextPreprocessor):
        texts = [text for text in contents if isinstance(text, str)]
        numbers = np.concatenate([baseline.words, words.ids(preprocessor, texts)])
        counts, known = words.counts(numbers)
        compared["properties"] = permutation.largest_distance(words.properties(numbers), taken)
        compared["words"] = permutation.shares(counts, taken)
        risen, unknown = words.risen(preprocessor, counts, known, taken[0]), words.strangers(preprocessor, texts)

    tests = _family(compared)
    p = min(test.adjusted for test in tests)
    found = [test.name for test in tests if test.adjusted <= LEVEL]
    said = f"p = {p:.2g} over {len(tests)} tests of {len(distinct)} rows against {len(baseline)}"
    return replace(
        little,
        status="shifted" if found else "silent",
        reason=f"{', '.join(found)} differ: {said}" if found else f"nothing differs beyond chance: {said}",
        p=p,
        tests=tests,
        drivers=_drivers(distinct, scores[len(baseline) :]),
        separation=_separation(scores, taken[0]),
        words=tuple(risen),
        unknown_words=unknown,
        harm=estimate(baseline.probabilities, baseline.right, probabilities, unfamiliar(scores, taken[0]), chance),
        outputs=distances.of_outputs(baseline.probabilities, probabilities),
    )


def document(detection: Detection, task: str, start: str, end: str) -> dict[str, Any]:
    """The content of `drift.json`: the detection, what it is about, and the id of the event that it may be.

    The same window of the same task against the same baseline has the same id, however often it is judged.
    """
    event = hashlib.sha256(json.dumps([task, start, end, detection.baseline]).encode()).hexdigest()
    return {**asdict(detection), "task": task, "start": start, "end": end, "event_id": event}


def _distinct(
    window: Sequence[Answered], preprocessor: ImagePreprocessor | TextPreprocessor
) -> tuple[dict[str, tuple[bytes | str, Answered]], int]:
    """Row id → content and answer, in the order of the ids, and how many rows could not be read."""
    distinct, unreadable = {}, 0
    for answered in window:
        try:
            found = preprocessor.content(answered.instance)
            preprocessor.batch([found])
        except InstanceError:
            unreadable += 1
            continue
        distinct[digest(found)] = (found, answered)
    return dict(sorted(distinct.items())), unreadable


def _probabilities(scores: Sequence[Mapping[str, float]], classes: Sequence[str]) -> Floats:
    if strangers := sorted({label for one in scores for label in one} ^ set(classes)):
        raise DataError(
            f"answers and baseline differ in the classes {', '.join(strangers)}: the traffic was not answered by the model of the "
            "baseline. Nothing was compared. Name the deployed model whose version the folder is."
        )
    return np.array([[one[label] for label in classes] for one in scores], np.float32)


def _family(compared: Mapping[str, permutation.Compared]) -> tuple[Test, ...]:
    adjusted = permutation.holm([one.p for one in compared.values()])
    return tuple(Test(name, one.statistic, one.p, p) for (name, one), p in zip(compared.items(), adjusted, strict=True))


def _drivers(distinct: Mapping[str, tuple[bytes | str, Answered]], scores: Floats) -> tuple[Mapping[str, Any], ...]:
    rows = list(distinct.items())
    found = []
    for at in np.argsort(-scores, kind="stable")[:DRIVERS]:
        key, (row, answered) = rows[at]
        label = max(answered.scores, key=answered.scores.__getitem__)
        found.append(
            {"id": key, "score": round(float(scores[at]), 4), "label": label, "confidence": round(answered.scores[label], 4), **shown(row)}
        )
    return tuple(found)


def _separation(scores: Floats, window: npt.NDArray[np.bool_]) -> dict[str, list[float]]:
    low, high = np.quantile(scores, [0.005, 0.995])
    edges = np.linspace(float(low), float(high), BINS + 1)
    inside = scores.clip(edges[0], edges[-1])
    counts = {name: np.histogram(inside[part], edges)[0].tolist() for name, part in (("reference", ~window), ("window", window))}
    return {"edges": [round(float(edge), 4) for edge in edges], **counts}
