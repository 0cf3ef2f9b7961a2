"""A challenger beside the champion, and a gate that it cannot pass by being lucky, worse or unmeasured."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from environments.tasks import Gates
from ml.data.joining import join
from ml.data.rows import digest, schema, write
from ml.data.splits import split
from ml.evaluation.comparison import Hits, compare, mcnemar, pair
from ml.evaluation.gate import Gate, every, non_inferior
from ml.tasks import nlp

GATES = Gates(minimum_accuracy=0.8, minimum_rows=100, maximum_loss=0.02)


def hits(rows: int, wins: int, losses: int, both: float = 0.8) -> tuple[Hits, Hits]:
    """Challenger and champion on `rows` rows, `wins` of which only the challenger has right and `losses` only the champion."""
    challenger = np.arange(rows) < rows * both
    champion = challenger.copy()
    challenger[:losses] = False
    champion[losses : losses + wins] = False
    return challenger, champion


@pytest.mark.parametrize(
    ("rows", "wins", "losses", "verdict"),
    [
        (2000, 80, 30, "better"),
        (2000, 50, 50, "not worse"),
        # Surely a little worse, but by less than is tolerated.
        (20_000, 20, 60, "not worse"),
        (2000, 20, 90, "worse"),
        (100, 5, 5, "not enough rows"),
        (3, 0, 0, "not enough rows"),
        (0, 0, 0, "not enough rows"),
    ],
)
def test_the_verdict_follows_from_the_interval(rows: int, wins: int, losses: int, verdict: str) -> None:
    compared = pair(*hits(rows, wins, losses), maximum_loss=0.02)
    assert (compared.verdict, compared.only_challenger, compared.only_champion) == (verdict, wins, losses)
    assert compared.interval[0] <= compared.difference <= compared.interval[1]


def test_the_exact_test_has_its_published_values_and_survives_thousands_of_rows() -> None:
    # By hand: 2 x (1 + 10 + 45) / 1024.
    assert mcnemar(2, 8) == mcnemar(8, 2) == pytest.approx(112 / 1024)
    assert mcnemar(0, 0) == mcnemar(5, 5) == 1
    assert mcnemar(4000, 4000) == 1
    assert 0 < mcnemar(4200, 3800) < 1e-4


def comparison(**verdicts: tuple[int, int, int]) -> dict[str, Any]:
    every_part = {"frozen": (2000, 50, 50), "new": (100, 5, 5), "all": (2100, 55, 55), **verdicts}
    return {part: asdict(pair(*hits(*figures), maximum_loss=GATES.maximum_loss)) for part, figures in every_part.items()}


def test_a_challenger_that_loses_nothing_passes_even_with_few_new_rows() -> None:
    gate = non_inferior(comparison(), GATES)
    assert gate.passed
    assert "not worse than the champion on 2100 rows" in gate.reasons[0]


@pytest.mark.parametrize(
    ("part", "figures", "reason"),
    [
        ("all", (2100, 20, 90), "worse on all 2100 rows"),
        # Wrong labels among the new rows: what it wins there, it loses on everything else.
        ("frozen", (2000, 20, 90), "worse on 2000 frozen rows"),
        ("frozen", (60, 1, 1), "60 frozen rows are not enough to tell"),
        ("frozen", (0, 0, 0), "no frozen test rows"),
    ],
)
def test_a_challenger_that_loses_or_was_not_measured_is_refused(part: str, figures: tuple[int, int, int], reason: str) -> None:
    gate = non_inferior(comparison(**{part: figures}), GATES)
    assert not gate.passed
    assert reason in "; ".join(gate.reasons)


def test_of_several_gates_each_must_pass_and_the_reasons_are_those_of_the_refusal() -> None:
    good, bad = Gate(True, ["good"]), Gate(False, ["bad"])
    assert every(good, good) == Gate(True, ["good", "good"])
    assert every(good, bad) == Gate(False, ["bad"])


def trained(rows: Path, out: Path) -> Path:
    """The exported text model of some rows."""
    nlp.preprocess(rows, None, out / "prepared")
    nlp.train(out / "prepared", out, epochs=3, report=lambda _: None)
    nlp.export(out / "model.keras", out / "prepared", out)
    return out


@pytest.mark.long
def test_models_are_compared_through_what_is_served_and_a_class_that_the_champion_lacks_is_lost_to_it(tmp_path: Path) -> None:
    def rows(labels: dict[str, str], count: int, seed: int, out: Path) -> Path:
        draw = np.random.default_rng(seed)
        texts = {f"{word} {draw.integers(1_000_000)} of it": label for label, word in labels.items() for _ in range(count)}
        columns = {"id": [digest(text) for text in texts], "content": list(texts), "label": list(texts.values())}
        write(pa.table(columns, schema=schema("text_classification")), out)
        return out

    split(rows({"good": "wonderful", "bad": "terrible"}, 120, 1, tmp_path / "old.parquet"), tmp_path / "old")
    join(tmp_path / "old/rows.parquet", [rows({"strange": "peculiar"}, 120, 2, tmp_path / "new.parquet")], {}, tmp_path / "joined")
    champion = trained(tmp_path / "old/rows.parquet", tmp_path / "champion")
    challenger = trained(tmp_path / "joined/rows.parquet", tmp_path / "challenger")
    compared = compare(challenger, champion, tmp_path / "joined/rows.parquet", tmp_path, maximum_loss=0.1)
    assert compared == json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"), object_hook=_with_tuples)
    assert compared["new"]["champion_accuracy"] == 0
    assert compared["new"]["verdict"] == compared["all"]["verdict"] == "better"
    assert compared["frozen"]["verdict"] == "not worse"
    assert compared["all"]["rows"] == compared["frozen"]["rows"] + compared["new"]["rows"]


def _with_tuples(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "interval": tuple(document["interval"])} if "interval" in document else document
