"""The inner loop of an ML engineer: data → training → evaluation from the command line, without pipeline or Google Cloud.

    python -m ml.train --task vision --limit 500 [--data PATH]

Everything is written below `build/train/<task>/`.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from environments import ConfigurationError, tasks
from ml.data.ingest import ingest
from ml.data.rows import DataError
from ml.data.splits import split
from ml.evaluation.classification import evaluate
from ml.evaluation.gate import decide
from ml.export.formats import ExportError
from ml.tasks import module, names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop; the exit status is 0 when it came through, whatever the gate said."""
    parser = argparse.ArgumentParser(prog="python -m ml.train", description="Train and evaluate a task's model from files.")
    parser.add_argument("--task", required=True, choices=names())
    parser.add_argument("--data", help="a declared data set, a folder with a folder per class, or a CSV file (default: the task's own)")
    parser.add_argument("--limit", type=int, help="learn from so many rows only")
    parser.add_argument("--epochs", type=int, help="in place of the recipe's own choice")
    parser.add_argument("--out", type=Path, default=Path("build/train"), help="where results go (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=Path(".playbook/data"), help="where fetched data is kept (default: %(default)s)")
    given = parser.parse_args(arguments)
    if any(number is not None and number < 1 for number in (given.limit, given.epochs)):
        parser.error("--limit and --epochs must be at least 1, otherwise nothing is learnt")
    # TensorFlow reads it when it is loaded; its notices about missing GPUs would bury the metrics.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        run(given.task, given.data, given.out / given.task, given.cache, given.limit, given.epochs, _clocked())
    except (DataError, ExportError, ConfigurationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}. What was written so far is of no use. Mend the disk or the file and run it again.", file=sys.stderr)
        return 1
    return 0


def run(task: str, data: str | None, out: Path, cache: Path, limit: int | None, epochs: int | None, report: Callable[[str], None]) -> None:
    """Every step from data to verdict, reporting as it goes."""
    steps = module(task)
    settings = tasks().named(task)
    shutil.rmtree(out, ignore_errors=True)
    ingested = ingest(data or settings.dataset, steps.KIND, out / "data", cache, report)
    splits = split(out / "data/rows.parquet", out / "rows")
    report(f"{ingested.rows} rows of {len(ingested.classes)} classes, {ingested.rejected} rejected; {splits.counts}")
    steps.preprocess(out / "rows/rows.parquet", None, out / "prepared")
    steps.train(out / "prepared", out / "model", limit=limit, epochs=epochs, report=report)
    steps.export(out / "model/model.keras", out / "prepared", out / "model")
    measured = evaluate(out / "model", out / "rows/rows.parquet", out)
    lowest, highest = measured["interval"]
    report(
        f"accuracy {measured['accuracy']:.4f} [{lowest:.4f}, {highest:.4f}], macro F1 {measured['macro_f1']:.4f} on {measured['rows']} "
        f"frozen rows; always {measured['majority']!r}: {measured['majority_accuracy']:.4f}"
    )
    gate = decide(measured, settings.gates, ingested.declared)
    report(f"gate {'passed' if gate.passed else 'refused'}: {'; '.join(gate.reasons)}")
    report(f"written to {out}: data/rejected.jsonl, model/ (model.keras, saved_model/, model.tflite, preprocessing.json), evaluation.json")


def _clocked() -> Callable[[str], None]:
    """Prints lines with the seconds since the start."""
    started = time.monotonic()
    return lambda line: print(f"[{time.monotonic() - started:5.1f} s] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
