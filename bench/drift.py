"""Our drift detection beside the rules of Vertex AI Model Monitoring and of Evidently, on the same windows of real data.

python -m bench.drift [--repetitions 20] [--rows 300]

A window is drawn from the frozen test rows, which neither the model nor its baseline has seen. The unchanged one should stay silent,
the others should be called shifted. The peers' rules see the model's outputs, as theirs do. `accuracy` is measured with the labels,
`estimated` without; `covered` is how often the estimate's interval holds the truth; `drivers` is the share of the rows shown as such
that were changed; `seconds` are of processor time, all threads.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp

from ml import train
from ml.data.rows import read
from ml.data.sources import DATASETS, NEIGHBOURS, fetched, neighbour
from ml.drift import baseline, distances, injection
from ml.drift.detection import Detection, detect
from ml.drift.injection import Row
from ml.drift.window import Answered
from ml.evaluation.classification import predictions
from ml.export.preprocessing import Preprocessor
from serving.instances import instance

CACHE, TRAINED = Path(".playbook/data"), Path("build/train")
Change = Callable[[list[Row], int], list[Row]]


@dataclass(frozen=True)
class Case:
    """One kind of window."""

    name: str
    change: Change


def pictures() -> list[Case]:
    """The unchanged window first, then corruptions of half and of a tenth of the rows."""

    def corrupted(name: str, share: float) -> Change:
        return lambda rows, seed: injection.pictures(rows, name, share, seed)

    halves = [Case(f"{name}, half", corrupted(name, 0.5)) for name in injection.PICTURES]
    return [Case("unchanged", unchanged), *halves, Case("inversion, a tenth", corrupted("inversion", 0.1))]


def texts() -> list[Case]:
    """The same, by other domains and by typing errors."""
    folder = fetched(DATASETS["movie-snippets"], CACHE)
    others = {name: [Row(text, label) for _, text, label in neighbour(name, folder)] for name in NEIGHBOURS}

    def mixed(name: str, share: float) -> Change:
        return lambda rows, seed: injection.another_domain(rows, others[name], share, seed)

    halves = [Case(f"{name}, half", mixed(name, 0.5)) for name in others]
    typing = Case("typing errors, half", lambda rows, seed: injection.typing_errors(rows, 0.5, seed))
    return [Case("unchanged", unchanged), *halves, typing, Case("tweets, a tenth", mixed("tweets", 0.1))]


def unchanged(rows: list[Row], seed: int) -> list[Row]:
    return rows


def vertex(reference: npt.NDArray[np.float32], window: npt.NDArray[np.float32]) -> bool:
    """Vertex AI's default: a distance of the outputs above 0.3."""
    return max(distances.of_outputs(reference, window).values()) > distances.THRESHOLD


def evidently(reference: npt.NDArray[np.float32], window: npt.NDArray[np.float32]) -> bool:
    """Evidently's default for up to 1,000 rows: Kolmogorov-Smirnov at 0.05 for each column, here the classes' probabilities."""
    return any(ks_2samp(reference[:, at], window[:, at]).pvalue < 0.05 for at in range(reference.shape[1]))


PEERS: Mapping[str, Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32]], bool]] = {"vertex": vertex, "ks per class": evidently}


def main() -> int:
    """Measure both tasks; the exit status is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.drift", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--rows", type=int, default=300, help="of a window")
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    missed = [
        fault for task, cases in (("vision", pictures()), ("nlp", texts())) for fault in measure(task, cases, given.repetitions, given.rows)
    ]
    print("\n".join(missed) or "every bar is held: unchanged windows alarm at most once, shifted halves always")
    return 1 if missed else 0


def measure(task: str, cases: list[Case], repetitions: int, rows: int) -> list[str]:
    """Print one task's table; returns the bars that were missed."""
    if not (TRAINED / task / "model/embedding.tflite").exists():
        train.run(task, None, TRAINED / task, CACHE, None, None, lambda line: None)
    model, table = TRAINED / task / "model", TRAINED / task / "rows/rows.parquet"
    baseline.build(model, table, model / baseline.FOLDER)
    reference = baseline.Baseline.load(model)
    test = read(table, split="test").sort_by("id")
    pool = [Row(content, label) for content, label in zip(test["content"].to_pylist(), test["label"].to_pylist(), strict=True)]
    classes = Preprocessor.load(model / "preprocessing.json").classes

    print(f"{task}: {repetitions} windows of {rows} rows a line, against {len(reference)} rows; share of windows that are called shifted")
    print("  window                   ours  vertex  ks per class  accuracy  estimated  covered  drivers  seconds")
    missed = []
    for case in cases:
        alarms = dict.fromkeys(("ours", *PEERS), 0)
        real, estimated, covered, precision, seconds = [], [], [], [], []
        for seed in range(repetitions):
            drawn = np.random.default_rng(seed).choice(len(pool), rows, replace=False)
            window = case.change([pool[at] for at in drawn], seed)
            probabilities = predictions(model, [row.content for row in window])
            answered = [
                Answered(instance(row.content), dict(zip(classes, p.tolist(), strict=True)))
                for row, p in zip(window, probabilities, strict=True)
            ]
            started = time.process_time()
            detection = detect(model, answered, seed)
            seconds.append(time.process_time() - started)
            alarms["ours"] += detection.status == "shifted"
            for name, rule in PEERS.items():
                alarms[name] += rule(reference.probabilities, probabilities)
            real.append(np.mean([classes[p.argmax()] == row.label for row, p in zip(window, probabilities, strict=True)]))
            assert detection.harm is not None, "there are rows enough"
            estimated.append(detection.harm.estimated_accuracy)
            low, high = detection.harm.interval
            covered.append(low <= real[-1] - detection.harm.reference_accuracy <= high)
            precision.append(_precision(detection, window))
        shares = [alarms[name] / repetitions for name in alarms]
        print(
            f"  {case.name:<22} {shares[0]:>6.2f} {shares[1]:>7.2f} {shares[2]:>13.2f} {np.mean(real):>9.3f} {np.mean(estimated):>10.3f} "
            f"{np.mean(covered):>8.2f} {np.mean(precision):>8.2f} {np.median(seconds):>8.2f}",
            flush=True,
        )
        if case.name == "unchanged" and alarms["ours"] > 1:
            missed.append(f"{task}: {alarms['ours']} of {repetitions} unchanged windows were called shifted, at most one may be")
        if case.name.endswith("half") and alarms["ours"] < repetitions:
            missed.append(f"{task}: {case.name}: {repetitions - alarms['ours']} of {repetitions} shifted windows were missed")
    return missed


def _precision(detection: Detection, window: list[Row]) -> float:
    """Share of the rows that are shown as drivers that were changed; not a number for an unchanged window."""
    from ml.data.rows import digest

    changed = {digest(row.content): row.changed for row in window}
    found = [changed[driver["id"]] for driver in detection.drivers]
    return float(np.mean(found)) if any(changed.values()) else float("nan")


if __name__ == "__main__":
    sys.exit(main())
