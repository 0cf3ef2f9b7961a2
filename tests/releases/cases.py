"""A release that may go on, from which each test takes away one thing."""

from datetime import UTC, datetime, timedelta
from typing import Any

from environments import catalogue, load, parity, tasks
from releases import running
from releases.ledger import Entry, Kind
from releases.manifest import CodeRelease, Dataset, Evidence, File, Gate, Image, Metric, Model, ModelRelease, Template
from releases.rules import Case, Found

AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
COMMIT, PIPELINES, IMAGES = "c" * 40, ("monitoring", "retraining", "training"), ("pipelines", "serving", "training")
PERSON = "ml-lead@example.com"


def sha(letter: str) -> str:
    """A digest that is easily told from another."""
    return letter * 64


def model(task: str, **changed: Any) -> Model:
    """A model that passed its gates."""
    rows = Dataset(
        digest=sha("7"), declared=True, rows=File(name=f"{task}/{sha('8')}/rows.parquet", digest=sha("8"), bytes=10), labelled=[]
    )
    made: dict[str, Any] = {
        "task": task,
        "digest": sha("a"),
        "version": "3",
        "image": "serving",
        "pipeline": "training",
        "template": sha("b"),
        "labeller": "gemini-3.5-flash",
        "files": [File(name=f"{task}/{sha('a')}/model.tflite", digest=sha("9"), bytes=100)],
        "dataset": rows,
        "gates": [Gate(name=name, passed=True, reasons=["better than chance"]) for name in ("evaluation", "rollout")],
        "metrics": [Metric(name="accuracy", value=0.9, interval=[0.88, 0.92], rows=1000)],
        "evidence": [Evidence(what="version", link="projects/p/locations/l/models/m@3")],
    }
    return Model(**{**made, **changed})


def code(**changed: Any) -> CodeRelease:
    """A code release that lacks nothing."""
    made: dict[str, Any] = {
        "origin": "dev",
        "commit": COMMIT,
        "source": "e" * 40,
        "approver": PERSON,
        "images": [Image(name=name, digest=f"sha256:{sha('1')}", tag="f" * 40) for name in IMAGES],
        "templates": [Template(pipeline=name, environment=where, digest=sha("b")) for where in ("dev", "staging") for name in PIPELINES],
        "models": [model("vision"), model("nlp")],
        "page": [],
        "evidence": [],
    }
    return CodeRelease(**{**made, **changed})


def retrained(**changed: Any) -> ModelRelease:
    """A model release of one task."""
    made: dict[str, Any] = {"origin": "prod", "code": sha("d"), "approver": PERSON, "models": [model("vision")], "evidence": []}
    return ModelRelease(**{**made, **changed})


def entry(number: int, kind: Kind, hours_ago: float = 48.0, by: str = PERSON, **said: Any) -> Entry:
    """What a ledger says of a release."""
    body = running.body(
        release=said.pop("release", sha("d")),
        kind=said.pop("of", "code"),
        code=said.pop("code", sha("d")),
        commit=said.pop("commit", COMMIT),
        models=said.pop("models", {"vision": sha("a"), "nlp": sha("a")}),
    )
    return Entry(number=number, kind=kind, at=AT - timedelta(hours=hours_ago), by=by, digest=sha("0"), body={**body, **said})


def case(**changed: Any) -> Case:
    """A code release on its way from dev to staging, against which nothing speaks."""
    made: dict[str, Any] = {
        "digest": sha("d"),
        "manifest": code(),
        "source": load("dev"),
        "target": load("staging"),
        "source_entries": [entry(1, "release")],
        "target_entries": [],
        "parity": parity(),
        "tasks": tasks(),
        "catalogue": catalogue(),
        "images": IMAGES,
        "templates": dict.fromkeys(PIPELINES, sha("b")),
        "found": [Found(what="image serving", expected=f"sha256:{sha('1')}", digest=f"sha256:{sha('1')}", fixed=True)],
        "commit": COMMIT,
        "unapproved": "",
        "at": AT,
    }
    return Case(**{**made, **changed})
