"""Results of a loop as its steps leave them, for tests of the report."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from environments import Names, load, organisation, tasks
from ml.drift.detection import Detection, Test, document
from ml.drift.harm import Harm
from ml.drift.words import Word
from ml.evaluation import parity
from ml.evaluation.comparison import pair
from pipelines.runs import Run
from playbook.loop.closing import Closed
from playbook.loop.ingest import Rows
from playbook.loop.node import Shared
from playbook.loop.parity import BROWSER, NODE
from playbook.loop.predict import Answer, Answers
from playbook.loop.provision import Provisioned, Stack
from playbook.loop.record import Record, Step
from playbook.loop.results import Result
from playbook.loop.sources import Source
from playbook.loop.watching import Kind, Window
from serving.rollout import canary
from serving.rollout.gates import Decision, Figures
from serving.rollout.promotion import Rollout

VISION, NLP = tasks().tasks
SENT = "a sentence that a user has sent"
STRANGER = "zzyzx"
ADVANCE, REFUSE = Decision("advance", "", "as good"), Decision("refuse", "worse-answers", "odds of 273 to 1")


def picture(width: int = 28, height: int = 28, mode: str = "L") -> bytes:
    """A PNG."""
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def trained(folder: Path, classes: list[str]) -> Result:
    """As far as the endpoint's answers."""
    names = Names(organisation(), load("local"))
    (folder / "rejected.jsonl").write_text(json.dumps({"source": "/data/broken.jpg", "reason": "cannot be decoded"}) + "\n")
    found = Result(names, True, Record(stream=io.StringIO()))
    found.record.add(Step("provision", "done", 0.5, 2.0, "3 resources changed in 1 stacks"))
    found.record.add(Step("vision · train", "cached", 2.5, 1.0, "<script>alert(1)</script>"))
    found.provisioned = Provisioned((Stack("local-data", 3, 0, 0, 0, 1.0),), "terraform 1.11.4", "google provider 6.50.0", False, ())
    dataset = {
        "dataset": "shoes & hats",
        "kind": VISION.kind,
        "rows": 50,
        "rejected": 1,
        "classes": classes,
        "digest": "d" * 64,
        "declared": False,
    }
    found.rows["vision"] = Rows(Source(VISION, "/data", own=True), folder, dataset)
    found.uploaded["vision"] = "gs://raw/vision/rows.parquet"
    count = len(classes)
    documents: dict[str, dict[str, Any]] = {
        "convert": {"variants": {"float32": {"bytes": 631_000}, "float16": {"bytes": 322_000}, "int8": {"bytes": 167_000}}},
        "ingest": {"digest": "s", "counts": {"train": 40, "validation": 3, "test": 7}},
        "label": {"rows": 10, "accepted": 0, "abstained": 10, "coverage": 0.0, "agreement": None, "model_version": "small-model"},
        "evaluate": {
            "accuracy": 0.9123,
            "macro_f1": 0.9,
            "rows": 7,
            "classes": classes,
            "confusion": [[3 if row == column else 1 for column in range(count)] for row in range(count)],
            "majority_accuracy": 0.5,
            "interval": [0.8, 0.97],
        },
        "register": {"model": names.model("vision"), "version": "3", "uri": "gs://models/vision/abc"},
        "gate": {"passed": True, "reasons": ["beats the majority class"], "version": "3"},
        "deploy": {"endpoint": names.endpoint("vision"), "deployed_model": "77", "version": "3"},
    }
    found.runs = {"vision": Run("projects/p/pipelineJobs/j", "vision", "SUCCEEDED", 9.0, (), documents)}
    answers = tuple(Answer(str(i), picture(), classes[0], classes[i % 2], 0.8, dict.fromkeys(classes, 1 / count)) for i in range(4))
    found.answers["vision"] = Answers(answers, 7, 1, 12.0, "77", "3")
    return found


def whole(folder: Path) -> Result:
    """To the end: promoted, refused, rolled back."""
    found = trained(folder, ["a", "b"])
    found.record.add(Step("vision · Node server", "done", 30.0, 4.0, ""))
    found.parity["vision"] = compared([NODE, BROWSER])
    found.closed["vision"] = Closed(
        sabotage=("mislabelled", "permuted"),
        node=Shared("2", {"Python": 3, "Node": 1}, 50, 50),
        windows={"control": window("control", ""), "shifted": window("shifted", "inversion")},
        watched={"control": monitored("control"), "shifted": monitored("shifted")},
        retrained=challenger("4", True, rollout("3", "4", (10, 50, 100), "serving")),
        refused=challenger("5", False, None),
        rolled_back=asdict(rollout("4", "6", (10,), "rolled back")),
    )
    return found


def compared(engines: list[str]) -> dict[str, Any]:
    """What the comparison of engines says; the last of them differs on a row that is a tie."""
    reference = np.array([[0.9, 0.1], [0.2, 0.8], [0.5000001, 0.4999999]], np.float32)
    others = {name: reference + np.float32(2e-7) for name in engines}
    others[engines[-1]] = reference.copy()
    others[engines[-1]][2] = reference[2, ::-1]
    table = parity.compare(["row-1", "row-2", "row-3"], ["a", "b"], reference, others)
    return {**table, "variants": {"float32": 0.87, "float16": 0.87, "int8": 0.868}}


def window(kind: Kind, shift: str) -> Window:
    """A window that was sent."""
    return Window(kind, "2026-01-02T03:00:00+00:00", "2026-01-02T03:01:00+00:00", 600 if shift else 300, shift, "3")


def monitored(kind: Kind) -> Run:
    """The monitor's run over a window."""
    shifted = kind == "shifted"
    p = 0.002 if shifted else 0.59
    detection = Detection(
        status="shifted" if shifted else "silent",
        reason="embedding differs" if shifted else "nothing differs beyond chance",
        rows=500,
        unreadable=0,
        reference_rows=848,
        baseline="b" * 64,
        level=0.01,
        seed=1,
        p=p,
        tests=(Test("embedding", 3.2, p / 2, p), Test("softmax", 0.4, p, p)),
        drivers=({"id": "row-9", "score": 0.9731, "label": "b", "confidence": 0.77, "text": SENT},),
        separation={"edges": [-1.0, 0.0, 1.0], "reference": [800, 48], "window": [250, 250]},
        words=(Word("camera", 0.001, 0.02),),
        unknown_words={STRANGER: 7},
        harm=Harm(0.8765, 0.6543, -0.2222, (-0.3, -0.1), 0.4),
    )
    told = {"point": float(shifted), "metric": "m", "messages": {"alerts": "1", "retraining": "2"} if shifted else {}}
    drift = document(detection, "vision", "2026-01-02T03:00:00+00:00", "2026-01-02T03:01:00+00:00")
    return Run(f"projects/p/pipelineJobs/{kind}", "vision", "SUCCEEDED", 5.0, (), {"monitor": drift, "alert": told})


def challenger(version: str, passed: bool, released: Rollout | None) -> Run:
    """A retraining, with its rollout where it came to one."""
    right = np.arange(1000) < 870
    worse = np.arange(1000) < 400
    ours = np.roll(right, 9) if passed else worse
    parts = {"frozen": (ours[:900], right[:900]), "new": (ours[900:], right[900:]), "all": (ours, right)}
    documents: dict[str, Mapping[str, Any]] = {
        "join": {"frozen": 900, "new": 300, "counts": {"train": 228, "validation": 15, "test": 57}, "left_out": 0, "corrected": 0},
        "evaluate": {"accuracy": 0.8811},
        "compare": {part: asdict(pair(mine, theirs, 0.02)) for part, (mine, theirs) in parts.items()},
        "register": {"version": version},
        "gate": {"passed": passed, "reasons": ["better than the champion" if passed else "worse on 900 frozen rows"], "version": version},
    }
    if released:
        documents = {**documents, "deploy": asdict(released)}
    return Run(f"projects/p/pipelineJobs/retraining-{version}", "vision", "SUCCEEDED", 60.0, (), documents)


def rollout(champion: str, version: str, shares: tuple[int, ...], outcome: Any) -> Rollout:
    """A canary, its deployed models called after their versions."""
    steps = tuple(
        canary.Step(
            share=share,
            split={name: percent for name, percent in ((f"d{version}", share), (f"d{champion}", 100 - share)) if percent},
            began=f"2026-01-02T0{version}:00:{at:02d}.500+00:00",
            seconds=1.5,
            champion=Figures(f"d{champion}", champion, 29, 0, 13.38, 0.875),
            challenger=Figures(f"d{version}", version, 3, 0, None, 0.0625),
            unattributed=0,
            decision=ADVANCE if outcome == "serving" else REFUSE,
        )
        for at, share in enumerate(shares)
    )
    serving = version if outcome == "serving" else champion
    return Rollout("projects/p/endpoints/1", serving, f"d{serving}", True, (), outcome, champion, "as the canary says", steps)
