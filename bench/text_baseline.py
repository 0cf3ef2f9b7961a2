"""Our text model beside TF-IDF with logistic regression, on the same training rows and the same frozen test rows.

python -m bench.text_baseline
"""

import os
import tempfile
import time
from pathlib import Path

from ml.data.ingest import ingest
from ml.data.splits import split
from ml.evaluation.baseline import compare
from ml.tasks import nlp


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        ingest("movie-snippets", nlp.KIND, out / "data", Path(".playbook/data"))
        split(out / "data/rows.parquet", out / "rows")
        nlp.preprocess(out / "rows/rows.parquet", None, out / "prepared")
        started = time.perf_counter()
        nlp.train(out / "prepared", out / "model", report=lambda _: None)
        seconds = time.perf_counter() - started
        nlp.export(out / "model/model.keras", out / "prepared", out / "model")
        compared = compare(out / "model", out / "rows/rows.parquet")
    lowest, highest = compared.interval
    print(f"movie-snippets, {compared.rows} frozen rows")
    print("                                          accuracy  macro F1")
    print(f"  wide and deep (Keras, through LiteRT)   {compared.accuracy:.4f}    {compared.macro_f1:.4f}   trained in {seconds:.1f} s")
    print(f"  TF-IDF unigrams + logistic regression   {compared.baseline_accuracy:.4f}    {compared.baseline_macro_f1:.4f}")
    print(f"  difference {compared.accuracy - compared.baseline_accuracy:+.4f}, 95 % paired interval [{lowest:+.4f}, {highest:+.4f}]")
    print(f"  verdict: {'not below the baseline' if highest >= 0 else 'BELOW the baseline'}")


if __name__ == "__main__":
    main()
