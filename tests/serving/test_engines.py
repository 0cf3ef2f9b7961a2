"""Models that learnt from the real data sets give one answer everywhere: Keras, LiteRT, TensorFlow.js in Node and in Chromium.

The same models stand behind the web page, which is used here as a person uses it.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.data.ingest import ingest
from ml.data.rows import read
from ml.data.splits import split
from ml.evaluation.classification import predictions
from ml.evaluation.parity import Probabilities, compare
from ml.export.preprocessing import Preprocessor
from ml.export.tfjs import VARIANTS, convert
from ml.tasks import module
from serving.javascript import engines
from serving.rollout import web

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
SOURCES = {"vision": "fashion-mnist", "nlp": "movie-snippets"}
ROWS = 500
"""Frozen rows that are compared."""
needs_browser = pytest.mark.skipif(not engines.has_browser(), reason="no Chromium on this machine")


@dataclass(frozen=True)
class Trained:
    """A trained and converted model with its frozen rows."""

    model: Path
    converted: Path
    ids: list[str]
    contents: list[bytes | str]
    classes: list[str]
    keras: Probabilities


def train(task: str, out: Path) -> Trained:
    import keras

    steps = module(task)
    ingest(SOURCES[task], steps.KIND, out / "data", ROOT / ".playbook/data")
    split(out / "data/rows.parquet", out / "rows")
    steps.preprocess(out / "rows/rows.parquet", None, out / "prepared")
    steps.train(out / "prepared", out / "model", limit=3000, epochs=3, report=lambda _: None)
    steps.export(out / "model/model.keras", out / "prepared", out / "model")
    convert(out / "model", out / "web")
    table = read(out / "rows/rows.parquet", split="test").sort_by("id").slice(0, ROWS)
    preprocessor, contents = Preprocessor.load(out / "model/preprocessing.json"), table["content"].to_pylist()
    trained = keras.models.load_model(out / "model/model.keras", compile=False)
    answers = np.asarray(trained(preprocessor.batch(contents), training=False))
    return Trained(out / "model", out / "web", table["id"].to_pylist(), contents, preprocessor.classes, answers)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    return {task: train(task, tmp_path_factory.mktemp(task)) for task in SOURCES}


@pytest.fixture(scope="module")
def site(trained: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like the web bucket."""
    folder = tmp_path_factory.mktemp("site") / "bucket"
    shutil.copytree(ROOT / "serving/web/dist", folder)
    lay(folder, {task: one.converted for task, one in trained.items()}, None)
    return folder


@pytest.fixture(scope="module")
def in_chromium(trained: dict[str, Trained], site: Path) -> dict[str, dict[str, Probabilities]]:
    """What the page answers, by task and backend."""
    return engines.browser(site, {task: one.contents for task, one in trained.items()}, ["wasm", "cpu"])


def lay(folder: Path, models: dict[str, Path], previous: str | None) -> str:
    """Write a release as it lies in the web bucket; its models may be damaged. Returns its digest."""
    digests = {task: hashlib.sha256((model / "web.json").read_bytes()).hexdigest() for task, model in models.items()}
    for task, model in models.items():
        shutil.copytree(model, folder / "models" / digests[task], dirs_exist_ok=True)
    release = web.Release(digests)
    (folder / "releases" / release.digest).mkdir(parents=True)
    (folder / "releases" / release.digest / "release.json").write_bytes(release.document)
    (folder / "current.json").write_text(json.dumps({"release": release.digest, "previous": previous}))
    return release.digest


@pytest.mark.parametrize("task", SOURCES)
def test_litert_and_node_answer_like_keras_from_raw_rows(trained: dict[str, Trained], task: str) -> None:
    one = trained[task]
    answers = {
        "litert": predictions(one.model, one.contents),
        "node, wasm": engines.node(one.converted, one.contents, "wasm")["float32"],
        "node, cpu": engines.node(one.converted, one.contents, "cpu")["float32"],
    }
    found = compare(one.ids, one.classes, one.keras, answers)
    assert found["passed"], found
    assert found["rows"] == ROWS


@needs_browser
@pytest.mark.parametrize("task", SOURCES)
def test_the_page_in_chromium_answers_like_keras_from_raw_rows(
    trained: dict[str, Trained], in_chromium: dict[str, dict[str, Probabilities]], task: str
) -> None:
    one = trained[task]
    answers = {f"chromium, {backend}": found for backend, found in in_chromium[task].items()}
    found = compare(one.ids, one.classes, one.keras, answers)
    assert found["passed"], found


@needs_browser
def test_webgl_is_close(trained: dict[str, Trained], site: Path) -> None:
    some = 32  # in software it is slow
    answers = engines.browser(site, {task: one.contents[:some] for task, one in trained.items()}, ["webgl"])
    for task, one in trained.items():
        found = compare(one.ids[:some], one.classes, one.keras[:some], answers[task], tolerance=1e-3)
        assert found["passed"], found


@pytest.mark.parametrize("task", SOURCES)
def test_smaller_variants_lose_little_and_the_loss_is_measured(trained: dict[str, Trained], task: str) -> None:
    one = trained[task]
    sizes = json.loads((one.converted / "web.json").read_text())["variants"]
    assert sizes["float32"]["bytes"] > 1.9 * sizes["float16"]["bytes"] > 3.5 * sizes["int8"]["bytes"]
    answers = engines.node(one.converted, one.contents, variants=VARIANTS)
    found = compare(one.ids, one.classes, one.keras, answers, tolerance=0.05)["engines"]
    assert found["float16"]["largest_difference"] < 5e-3
    assert found["int8"]["largest_difference"] < 0.05
    assert min(engine["same_label"] for engine in found.values()) > 0.98


def test_an_engine_that_cannot_answer_says_why(tmp_path: Path) -> None:
    with pytest.raises(engines.EngineError, match=r"web\.json cannot be read from"):
        engines.node(tmp_path, ["a text"])


def damage(model: Path) -> None:
    """A weight changes after the release was made."""
    weights = next((model / "float32").glob("*.bin"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")


def forget_vocabulary(model: Path) -> None:
    """The export went wrong, and its digests are right."""
    preprocessing = model / "preprocessing.json"
    content = json.loads(preprocessing.read_text(encoding="utf-8"))
    del content["vocabulary"]
    preprocessing.write_text(json.dumps(content), encoding="utf-8")
    described = json.loads((model / "web.json").read_text())
    described["files"][preprocessing.name] = hashlib.sha256(preprocessing.read_bytes()).hexdigest()
    (model / "web.json").write_text(json.dumps(described))


def lose(model: Path) -> None:
    """A file was never uploaded."""
    (model / "float32/model.json").unlink()


FAULTS: dict[str, Callable[[Path], None]] = {"a corrupt file": damage, "a missing file": lose, "a missing vocabulary": forget_vocabulary}


@needs_browser
def test_the_page_is_used_and_survives_releases_that_are_broken(trained: dict[str, Trained], site: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(site, tmp_path / "site")
    before = json.loads((copy / "current.json").read_text())["release"]
    changes = tmp_path / "changes"
    changes.mkdir()
    picture = trained["vision"].contents[0]
    assert isinstance(picture, bytes)
    (changes / "picture.png").write_bytes(picture)
    (changes / "picture.label").write_text(trained["vision"].classes[int(trained["vision"].keras[0].argmax())])
    for name, fault in FAULTS.items():
        broken = shutil.copytree(trained["nlp"].converted, tmp_path / name)
        described: dict[str, Any] = json.loads((broken / "web.json").read_text())
        (broken / "web.json").write_text(json.dumps({**described, "fault": name}))
        fault(broken)
        lay(changes / name, {"vision": trained["vision"].converted, "nlp": broken}, before)
    subprocess.run(["node", ROOT / "serving/build.mjs", "tests"], check=True, timeout=60)
    environment = {**os.environ, "SITE": str(copy), "CHANGES": str(changes)}
    command = ["node", "--test", str(ROOT / "serving/javascript/dist/page.test.js")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stdout[-6000:]
    assert f"# pass {6 + len(FAULTS)}\n" in ended.stdout
