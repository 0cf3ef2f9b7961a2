"""The way out of cdktf: the same code under cdktn writes the same stacks, and what a provider major ahead would change is known."""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from infra import app
from infra.policies.subject import SynthesisedStack
from infra.synthesis import ahead
from infra.terraform.standin.schema import Attribute, Block, Nested
from playbook.setup import packages

ROOT = Path(app.__file__).parents[1]
LOCK = ROOT / "requirements-cdktn.lock"
LOCK_AHEAD = ROOT / "requirements-google8.lock"
ENVIRON = dict(os.environ)
"""Of the machine, read before any test leads this process to the local Google Cloud, which has no packages."""


@pytest.fixture(scope="module")
def successors_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that holds cdktn and no cdktf, as locked."""
    folder = tmp_path_factory.mktemp("cdktn")
    python = folder / "bin" / "python"
    filled(["venv", "--quiet", "--python", str(packages.BASE), str(folder)], LOCK)
    filled(["pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(LOCK)], LOCK)
    return python


@pytest.fixture(scope="module")
def newer_bindings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the bindings of google 8, which nothing imports."""
    folder = tmp_path_factory.mktemp("google8")
    options = ["--quiet", "--no-deps", "--no-compile-bytecode", "--require-hashes", "--python", str(packages.BASE)]
    filled(["pip", "install", *options, "--target", str(folder), "-r", str(LOCK_AHEAD)], LOCK_AHEAD)
    return folder / "cdktn_provider_google"


def filled(arguments: list[str], lock: Path) -> None:
    """Run uv, or skip the test where its packages cannot be had."""
    done = subprocess.run([packages.uv(), *arguments], env=ENVIRON, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this test needs the package registry, or uv's cache of {lock.name}: {done.stderr[-500:]}")


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


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_list_of_what_google_8_would_change_is_as_written(synthesised: Path, newer_bindings: Path) -> None:
    written = ahead.FILE.read_text(encoding="utf-8")
    assert ahead.document(newer_bindings, synthesised) == written, f"run: {ahead.REGENERATE}, with the packages of {LOCK_AHEAD.name}"


def test_the_list_speaks_of_every_type_that_a_stack_declares(stacks: dict[str, SynthesisedStack]) -> None:
    types = {type_ for stack in stacks.values() for type_ in stack.by_type}
    written = re.findall(r"^\| `(google_\w+)`", ahead.FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(written) == types, f"run: {ahead.REGENERATE}, with the packages of {LOCK_AHEAD.name}"


def test_what_changes_from_one_schema_to_another_is_told_apart() -> None:
    text, needed, set_by_google = (
        Attribute("string", False, True, False),
        Attribute("string", True, False, False),
        Attribute("string", False, False, True),
    )
    number = Attribute("number", False, True, False)
    then_block, now_block = Block({"kept": text, "in": needed}, {}), Block({"kept": text, "out": text}, {})
    now = Block(
        {"same": text, "output": set_by_google, "gone": text, "needed": text, "typed": text},
        {"block": Nested("list", True, False, now_block)},
    )
    then = Block(
        {"same": text, "gone": set_by_google, "needed": needed, "typed": number, "new": text},
        {"block": Nested("list", True, False, then_block), "more": Nested("list", True, False, Block({"inside": needed}, {}))},
    )
    change = ahead.compare(now, then)
    assert change.gone == ["block.out", "gone"]
    assert change.required == ["block.in", "needed"]
    assert change.retyped == ["typed"]
    assert change.new == ["block.in", "more", "new"]
    assert not ahead.compare(now, now).breaks


def test_what_our_stacks_set_stands_in_bold_and_a_type_that_is_gone_is_said() -> None:
    change = ahead.Change(gone=["a", "b"], new=["encryption_spec"])
    written = ahead.render({"google_x": change, "google_y": None}, {"google_x": {"b"}, "google_y": set()}, ("1", "2"))
    assert "| `google_x` | `a`, **`b`** |  |  | `encryption_spec` |" in written
    assert "Types that are gone: `google_y`. State moves: each needs a `removed` block" in written
    assert "Of these our stacks set, or would have to: `google_x.b`." in written
