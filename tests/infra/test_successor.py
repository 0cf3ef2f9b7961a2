"""The way out of cdktf: the same code under cdktn writes the same stacks."""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from infra import app
from playbook.setup import packages

ROOT = Path(app.__file__).parents[1]
LOCK = ROOT / "requirements-cdktn.lock"
ENVIRON = dict(os.environ)
"""Of the machine, read before any test leads this process to the local Google Cloud, which has no packages."""


@pytest.fixture(scope="module")
def successors_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that holds cdktn and no cdktf, as locked."""
    folder = tmp_path_factory.mktemp("cdktn")
    python = folder / "bin" / "python"
    make = [packages.uv(), "venv", "--quiet", "--python", str(packages.BASE), str(folder)]
    fill = [packages.uv(), "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(LOCK)]
    for command in (make, fill):
        done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cdktn is not here: this test needs the package registry, or uv's cache of {LOCK.name}: {done.stderr[-500:]}")
    return python


def differences(ours: Path, successors: Path) -> list[str]:
    """Files that are not the same bytes, beside the framework's own version and the full address that cdktn gives the provider."""
    locked = re.search(r"^cdktn==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert locked
    said = {
        f'"version": "{locked[1]}"': f'"version": "{metadata.version("cdktf")}"',
        '"source": "hashicorp/google"': '"source": "google"',
    }
    found = []
    for name in sorted({str(path.relative_to(folder)) for folder in (ours, successors) for path in folder.rglob("*.json")}):
        if not (ours / name).exists() or not (successors / name).exists():
            found.append(name)
            continue
        text = (successors / name).read_text()
        for theirs, mine in said.items():
            text = text.replace(theirs, mine)
        if text != (ours / name).read_text():
            found.append(name)
    return found


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_stack_of_every_environment_is_the_same_under_cdktn(synthesised: Path, successors_python: Path, tmp_path: Path) -> None:
    command = [str(successors_python), "-m", "infra.synthesis.successor", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRON, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(synthesised.rglob("cdk.tf.json"))) == len(done.stdout.split())
    assert differences(synthesised, tmp_path) == []


def test_a_stack_that_differs_is_found(tmp_path: Path) -> None:
    for folder, content in (("ours", "1"), ("successors", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.json").write_text("0")
        (tmp_path / folder / "other.json").write_text(content)
    (tmp_path / "successors" / "more.json").write_text("0")
    assert differences(tmp_path / "ours", tmp_path / "successors") == ["more.json", "other.json"]


def test_an_import_of_cdktf_is_given_the_successors_own_modules(tmp_path: Path) -> None:
    for name in ("cdktn", "cdktn_provider_google", "cdktn_provider_google/pubsub_topic"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("class Declared: ...")
    program = (
        "from infra.synthesis import successor; successor.install(); successor.install()\n"
        "import cdktf, cdktn, cdktf_cdktf_provider_google.pubsub_topic as old, cdktn_provider_google.pubsub_topic as new, sys\n"
        "assert cdktf is cdktn and old is new, (cdktf, old)\n"
        "assert cdktn.__spec__.name == 'cdktn' and sys.modules['cdktf_cdktf_provider_google'].pubsub_topic is new\n"
        "try: import cdktf.nothing\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "No module named 'cdktn.nothing'\n"
