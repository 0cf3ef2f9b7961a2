"""The JavaScript side: its preprocessing against Python's, its server behind an endpoint."""

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from environments.clients import Clients
from serving.python.model import Model
from serving.registry import artifact, versions
from serving.rollout.deployment import deploy
from tests.serving import golden
from tests.serving.conftest import TASK
from tests.serving.test_process import png

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def units() -> list[str]:
    """The bundled unit tests."""
    subprocess.run(["node", ROOT / "serving/build.mjs", "tests"], check=True, timeout=60)
    return [str(ROOT / "serving/javascript/dist/golden.test.js")]


def test_the_units_pass_on_what_python_prepared(units: list[str], tmp_path: Path) -> None:
    golden.write(tmp_path / "golden.json")
    environment = {**os.environ, "GOLDEN": str(tmp_path / "golden.json")}
    ended = subprocess.run(["node", "--test", "--test-reporter=dot", *units], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]


def test_a_wrong_golden_vector_is_noticed(units: list[str], tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    golden.write(path)
    # The first white pixel of the first grey picture becomes black.
    path.write_text(path.read_text(encoding="utf-8").replace("[1.0, ", "[0.0, ", 1), encoding="utf-8")
    environment = {**os.environ, "GOLDEN": str(path)}
    ended = subprocess.run(["node", "--test", *units], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "# fail 1\n" in ended.stdout


def test_a_converted_model_is_deployed_behind_the_same_endpoint(clients: Clients, exported: Path, converted: Path) -> None:
    version = versions.register(clients, TASK, converted, clients.names.image("serving-node"))
    assert version.digest == artifact.digest(converted) != artifact.digest(exported)
    deploy(clients, TASK, version.version)
    instances = [{"b64": png()}, {"b64": png(64, 48)}]
    answers = clients.vertex().Endpoint(clients.names.endpoint(TASK)).predict(instances).predictions
    for answer, expected in zip(answers, Model(exported).predict(instances), strict=True):
        assert answer["label"] == expected["label"]
        assert answer["scores"] == pytest.approx(expected["scores"], abs=1e-6)


def mutated(chance: random.Random, content: bytes) -> bytes:
    """The file with some bytes replaced, and perhaps cut off."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.choice([len(changed), chance.randrange(len(changed))])])


def test_any_instance_is_predicted_or_refused(converted: Path) -> None:
    chance = random.Random(1)
    # Pictures of a few pixels: a size that a mutation made large is refused or decoded, not waited for.
    files = [content for name, content in golden.pictures() if "photograph" not in name and len(content) < 4000]
    odd: list[Any] = [
        *(None, True, 7, -0.5, "text", "", [], {}),
        *({"b64": value} for value in (None, "", "\ud800", {"b64": "aaaa"})),
        {"text": {}},
    ]
    instances = [*odd, *(golden.encoded(mutated(chance, chance.choice(files))) for _ in range(600))]
    lines = "".join(f"{json.dumps(instance)}\n" for instance in instances)
    command = ["node", str(ROOT / "serving/node/dist/predict.js"), "--model", str(converted)]
    ended = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=90)
    assert ended.returncode == 0, ended.stderr[-2000:]
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(answers) == len(instances)
    refused = [answer for answer in answers if isinstance(answer, dict)]
    assert all(set(answer) == {"error"} for answer in refused)
    assert all(answer["error"].startswith(("a picture", "a damaged", "not a", "b64 is not")) for answer in refused)
    assert len(odd) < len(refused) < len(answers)
