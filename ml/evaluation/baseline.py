"""The baseline for text: TF-IDF with logistic regression, on the same training and test rows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.data.rows import read
from ml.evaluation.classification import predictions
from ml.evaluation.intervals import paired
from ml.export.preprocessing import Preprocessor


@dataclass(frozen=True)
class Comparison:
    """A model beside the baseline on the same test rows."""

    rows: int
    accuracy: float
    baseline_accuracy: float
    macro_f1: float
    baseline_macro_f1: float
    interval: tuple[float, float]
    """95 % interval of the difference in accuracy, ours minus baseline."""


def compare(exported: Path, rows: Path) -> Comparison:
    """Fit the baseline on the training rows (true labels, unigrams, default settings) and compare on the test rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline

    training, test = read(rows, split="train"), read(rows, split="test")
    truth, texts = np.array(test["label"].to_pylist()), test["content"].to_pylist()
    baseline = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    baseline.fit(training["content"].to_pylist(), training["label"].to_pylist())
    classes = np.array(Preprocessor.load(exported / "preprocessing.json").classes)
    ours, theirs = classes[predictions(exported, texts).argmax(1)], np.asarray(baseline.predict(texts))
    return Comparison(
        rows=len(truth),
        accuracy=float((ours == truth).mean()),
        baseline_accuracy=float((theirs == truth).mean()),
        macro_f1=float(f1_score(truth, ours, average="macro", zero_division=0)),
        baseline_macro_f1=float(f1_score(truth, theirs, average="macro", zero_division=0)),
        interval=paired(ours == truth, theirs == truth),
    )
