"""images.yaml is the one list of images: Dockerfiles, locks and the build agree with it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from emulator.behaviours import Refusal
from emulator.images import Images

ROOT = Path(__file__).parents[2]
CLOUDBUILD = ROOT / "cloudbuild"
IMAGES: dict[str, Any] = yaml.safe_load((CLOUDBUILD / "images.yaml").read_text(encoding="utf-8"))["images"]
BUILD: dict[str, Any] = yaml.safe_load((CLOUDBUILD / "images.cloudbuild.yaml").read_text(encoding="utf-8"))
OURS = sorted(image for image in IMAGES if "entry_point" in IMAGES[image])
"""What starts as we say; a workbench starts as its base does."""
SCHEMA: dict[str, Any] = json.loads((CLOUDBUILD / "images.schema.json").read_text(encoding="utf-8"))


def dockerfile(image: str) -> str:
    return (CLOUDBUILD / f"{image}.Dockerfile").read_text(encoding="utf-8")


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^[A-Za-z0-9_.\[\]-]+==[^\s;]+", lock.read_text(encoding="utf-8"), re.MULTILINE))


def test_images_yaml_fits_its_schema() -> None:
    assert IMAGES
    jsonschema.validate({"images": IMAGES}, SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slice": "serving"},
        {"slice": "serving", "entry_point": []},
        {**IMAGES["serving"], "user": "root"},
        {**IMAGES["serving"], "runs_in": "workbench"},
    ],
)
def test_the_schema_refuses_an_image_that_could_not_run(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"images": {"serving": wrong}}, SCHEMA)


@pytest.mark.parametrize("image", OURS)
def test_the_container_starts_what_images_yaml_says(image: str) -> None:
    [entry_point] = re.findall(r"^ENTRYPOINT (.*)$", dockerfile(image), re.MULTILINE)
    assert json.loads(entry_point) == IMAGES[image]["entry_point"]


@pytest.mark.parametrize("image", OURS)
def test_a_container_runs_as_an_ordinary_user_with_hashed_packages_of_a_tagged_base(image: str) -> None:
    content = dockerfile(image)
    assert re.findall(r"^USER (.*)$", content, re.MULTILINE) == ["10001"]
    if "slice" in IMAGES[image]:
        assert "--require-hashes" in content
        assert re.search(r"^ARG BASE=python:3\.\d+\.\d+-slim-\w+$", content, re.MULTILINE)
    else:
        assert "npm ci" in content
        assert re.search(r"^ARG BASE=node:\d+\.\d+\.\d+-\w+-slim$", content, re.MULTILINE)


@pytest.mark.parametrize("image", sorted(set(IMAGES) - set(OURS)))
def test_a_workbench_keeps_the_start_of_its_base_and_takes_packages_by_digest_alone(image: str) -> None:
    content = dockerfile(image)
    assert not re.findall(r"^(ENTRYPOINT|CMD)", content, re.MULTILINE)
    assert re.search(r"^ARG BASE=gcr\.io/deeplearning-platform-release/workbench-container:\d{8}-\d{4}-rc\d+$", content, re.MULTILINE)
    assert "--require-hashes" in content
    assert "npm ci" in content
    packages = json.loads((CLOUDBUILD / "notebooks" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert "node_modules/@tensorflow/tfjs" in packages
    assert all("integrity" in package and "resolved" not in package for name, package in packages.items() if name)


def test_the_local_google_cloud_knows_a_workbench_and_does_not_run_it() -> None:
    images = Images.read(CLOUDBUILD / "images.yaml")
    assert images.known("host/p/r/workbench-javascript:1").entry_point == ()
    with pytest.raises(Refusal, match="not emulated"):
        images.get("host/p/r/workbench-javascript:1")
    assert images.get("host/p/r/serving@sha256:1").entry_point


@pytest.mark.parametrize("image", sorted(IMAGES))
def test_a_container_holds_no_room_that_its_slice_does_not_need(image: str) -> None:
    rooms = {
        source.split("/")[0]
        for source in re.findall(r"^COPY (?!--from|cloudbuild|package|requirements|\.npmrc)(\S+) ", dockerfile(image), re.MULTILINE)
    }
    allowed = {
        "serving": {"ml", "serving"},
        "serving-node": {"serving"},
        "training": {"environments", "ml"},
        "pipelines": {"environments", "releases", "ml", "serving", "pipelines"},
        "workbench-javascript": set(),
    }
    assert rooms == allowed[image]


@pytest.mark.parametrize("image", sorted(image for image in IMAGES if "slice" in IMAGES[image]))
def test_a_slice_is_locked_to_the_versions_that_the_tests_run_with(image: str) -> None:
    slice_pins = pins(CLOUDBUILD / f"requirements-{IMAGES[image]['slice']}.lock")
    assert slice_pins
    assert slice_pins <= pins(ROOT / "requirements.lock"), "the lock of the slice is stale: run make lock"


def test_a_workbench_has_the_packages_of_training_and_a_kernel() -> None:
    workbench = CLOUDBUILD / "requirements-workbench.lock"
    assert pins(CLOUDBUILD / "requirements-training.lock") <= pins(workbench), "the lock of the workbench is stale: run make lock"
    assert {"ipykernel", "nvidia-cudnn-cu12"} <= {pin.partition("==")[0] for pin in pins(workbench)}
    assert len(re.findall(r"--hash=sha256:", workbench.read_text(encoding="utf-8"))) >= len(pins(workbench))


def test_cloud_build_writes_a_provenance_for_every_image() -> None:
    assert {address.split("/")[-1].split(":")[0] for address in BUILD["images"]} == set(IMAGES)


def test_every_script_of_the_build_parses() -> None:
    scripts = [step["script"] for step in BUILD["steps"] if "script" in step]
    assert len(scripts) == 2
    for script in scripts:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_build_step_builds_what_the_repository_does_not_hold(tmp_path: Path) -> None:
    """The script runs as it is, with a docker that only takes notes and holds the serving image."""
    [build] = [step["script"] for step in BUILD["steps"] if step["id"] == "build"]
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" != pull ] || exec test "$3" = host/p/r/serving:2\necho "$@" >> {tmp_path}/notes\n')
    docker.chmod(0o755)
    (tmp_path / "bases.txt").write_text("pipelines pipelines python@sha256:base\nserving serving python@sha256:base\n")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "_REPOSITORY": "host/p/r", "_PIPELINES": "1", "_SERVING": "2"}
    subprocess.run(["bash"], input=build.replace("/workspace/", f"{tmp_path}/"), text=True, check=True, cwd=tmp_path, env=environment)
    [built] = (tmp_path / "notes").read_text().splitlines()
    assert built.endswith("--file cloudbuild/pipelines.Dockerfile --tag host/p/r/pipelines:1 .")
    assert "BASE=python@sha256:base" in built


def test_only_the_container_listens_beyond_loopback() -> None:
    for image, main, says in (
        ("serving", "python/__main__.py", 'os.environ.get("SERVING_HOST", "127.0.0.1")'),
        ("serving-node", "node/src/server.ts", 'process.env["SERVING_HOST"] ?? "127.0.0.1"'),
    ):
        source = (ROOT / "serving" / main).read_text(encoding="utf-8")
        assert says in source
        assert "0.0.0.0" not in source
        assert "SERVING_HOST=0.0.0.0" in dockerfile(image)
