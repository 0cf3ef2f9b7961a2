"""The compiled training pipeline: what is cached, what waits for the gate, and which containers run it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from environments import Names, load, organisation
from environments.loading import environment_names
from pipelines import code, images
from pipelines import compile as specification
from pipelines.runs import DOCUMENTS, RELEASE, STEPS

DIGESTS = {"pipelines": "sha256:0", "training": "sha256:1", "serving": "sha256:2"}


def names(environment: str = "local") -> Names:
    return Names(organisation(), load(environment))


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("compiled") / "training.yaml"
    return dict(yaml.safe_load(specification.write(names(), out).read_text()))


def tasks_of(spec: dict[str, Any]) -> dict[str, Any]:
    """Every task, those inside conditions included."""
    dags = [spec["root"]["dag"], *(c["dag"] for c in spec["components"].values() if "dag" in c)]
    return {name: task for dag in dags for name, task in dag["tasks"].items()}


def test_the_same_code_compiles_to_the_same_bytes(tmp_path: Path) -> None:
    one, other = (specification.write(names(), tmp_path / name).read_bytes() for name in ("a.yaml", "b.yaml"))
    assert one == other


@pytest.mark.parametrize("environment", environment_names())
def test_every_environment_compiles_to_containers_of_its_own_repository(environment: str, tmp_path: Path) -> None:
    compiled = yaml.safe_load(specification.write(names(environment), tmp_path / "training.yaml").read_text())
    containers = [e["container"]["image"] for e in compiled["deploymentSpec"]["executors"].values() if "container" in e]
    assert len(containers) == len(STEPS)
    assert {image.rsplit("/", 1)[0] for image in containers} == {names(environment).image("x").rsplit("/", 1)[0]}
    tags = images.tags()
    assert {image.rsplit("/", 1)[1] for image in containers} == {f"{image}:{tags[image]}" for image in ("pipelines", "training")}


def test_a_container_is_named_by_its_digest_once_a_build_recorded_it(tmp_path: Path) -> None:
    text = specification.write(names(), tmp_path / "training.yaml", DIGESTS).read_text()
    assert f"{names().image('training')}@sha256:1" in text
    assert f"{names().image('serving')}@sha256:2" in text


def test_a_gpu_is_asked_for_where_the_environment_trains_on_one(tmp_path: Path) -> None:
    compiled = yaml.safe_load(specification.write(names("prod"), tmp_path / "training.yaml").read_text())
    executors = compiled["deploymentSpec"]["executors"]
    with_gpu = [name for name, executor in executors.items() if "accelerator" in executor.get("container", {}).get("resources", {})]
    assert with_gpu == ["exec-train"]


def test_only_steps_without_effects_are_cached(spec: dict[str, Any]) -> None:
    cached = {name for name, task in tasks_of(spec).items() if task.get("cachingOptions", {}).get("enableCache")}
    effects = set(RELEASE) - {"convert", "features"}
    assert cached & set(STEPS) == set(STEPS) - effects


def guarded(spec: dict[str, Any], dag: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The one condition in a DAG, and the DAG that waits for it."""
    [condition] = [task for task in dag["tasks"].values() if "triggerPolicy" in task]
    return condition["triggerPolicy"]["condition"], spec["components"][condition["componentRef"]["name"]]["dag"]


def test_nothing_is_deployed_that_the_gate_did_not_pass_and_no_feature_is_written_of_what_does_not_serve(spec: dict[str, Any]) -> None:
    assert not {"convert", "features", "attach", "deploy", "write-features"} & set(spec["root"]["dag"]["tasks"])
    condition, passed = guarded(spec, spec["root"]["dag"])
    assert condition == "inputs.parameter_values['pipelinechannel--gate-Output'] == 'passed'"
    assert {"convert", "features", "attach", "deploy"} == {name for name, task in passed["tasks"].items() if "triggerPolicy" not in task}
    condition, serving = guarded(spec, passed)
    assert condition == "inputs.parameter_values['pipelinechannel--deploy-Output'] == 'serving'"
    assert list(serving["tasks"]) == ["write-features"]


def test_no_step_installs_packages_when_it_runs(spec: dict[str, Any]) -> None:
    commands = [e["container"]["command"] for e in spec["deploymentSpec"]["executors"].values() if "container" in e]
    assert commands
    assert not [command for command in commands if any("pip install" in part for part in command)]


def test_every_document_that_a_report_reads_is_an_artifact_of_its_step(spec: dict[str, Any]) -> None:
    assert set(tasks_of(spec)) >= set(STEPS)
    for step in DOCUMENTS.keys() & set(STEPS):
        assert DOCUMENTS[step][0] in spec["components"][f"comp-{step}"]["outputDefinitions"]["artifacts"]


def test_a_changed_source_file_or_package_changes_the_digest_of_our_source(tmp_path: Path) -> None:
    (tmp_path / "ml").mkdir()
    (tmp_path / "cloudbuild").mkdir()
    (tmp_path / "ml" / "a.py").write_text("x = 1\n")
    lock = tmp_path / "cloudbuild" / "requirements-training.lock"
    lock.write_text("numpy==1\n")
    before = code.digest("ml", root=tmp_path)
    assert before == code.digest("ml", root=tmp_path)
    (tmp_path / "ml" / "a.py").write_text("x = 2\n")
    changed = code.digest("ml", root=tmp_path)
    lock.write_text("numpy==2\n")
    assert len({before, changed, code.digest("ml", root=tmp_path)}) == 3


def test_the_command_refuses_an_unknown_environment_with_a_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["compile", "--env", "nowhere", "--out", str(tmp_path / "training.yaml")])
    assert specification.main() == 2
    assert "add environments/nowhere.yaml" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
