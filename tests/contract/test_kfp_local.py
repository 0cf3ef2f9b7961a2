"""The pipeline engine of the local Google Cloud gives what KFP promises, and what KFP's own engine for one machine gives where that can.

Every pipeline of `comparison.cases` is run by both. Where `kfp.local` gives something else, the case says why, and a test holds that this
is still so: once it is mended, the case loses its reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT, ROOT
from tests.contract.comparison.cases import CASES, IMAGE

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
BUCKET = f"{PROJECT}-comparison"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case, compiled."""
    from kfp import compiler

    folder = tmp_path_factory.mktemp("comparison")
    for name, case in CASES.items():
        compiler.Compiler().compile(case.pipeline, str(folder / f"{name}.yaml"))
    return folder


def arguments(name: str, folder: Path, imported: str) -> dict[str, Any]:
    """The arguments of a case; files that a run writes are its own."""
    folder.mkdir(exist_ok=True)
    own = {"IMPORTED": imported, "NOTE": str(folder / f"{name}.note"), "TRIES": str(folder / f"{name}.tries")}
    return {key: own.get(value, value) if isinstance(value, str) else value for key, value in CASES[name].arguments.items()}


@pytest.fixture(scope="module")
def reference(folder: Path) -> dict[str, Any]:
    """Case → what `kfp.local` gives."""
    (folder / "imported").write_text("imported")
    given = {name: arguments(name, folder / "reference", str(folder / "imported")) for name in CASES}
    (folder / "cases.json").write_text(json.dumps(given))
    words = [str(folder), str(folder / "cases.json"), str(folder / "results.json")]
    command = [sys.executable, "-m", "tests.contract.comparison.reference", *words]
    # It is to run here and reach nobody.
    environment = {name: value for name, value in os.environ.items() if name != "GOOGLE_APPLICATION_CREDENTIALS"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads((folder / "results.json").read_text()))


@pytest.fixture(scope="module")
def engine(google_cloud: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Case → what the local Google Cloud gives; all run at once."""
    from google.cloud import aiplatform, storage

    bucket = storage.Client().create_bucket(BUCKET, location="europe-west4")
    bucket.blob("imported").upload_from_string("imported")
    aiplatform.init(project=PROJECT, location="europe-west4")
    jobs = {}
    for name in CASES:
        job = aiplatform.PipelineJob(
            display_name=name, template_path=str(folder / f"{name}.yaml"), job_id=name.replace("_", "-"), pipeline_root=f"gs://{BUCKET}/root",
            parameter_values=arguments(name, folder / "engine", f"gs://{BUCKET}/imported"), enable_caching=False,
        )  # fmt: skip
        job.submit()
        jobs[name] = job
    results: dict[str, Any] = {}
    for name, job in jobs.items():
        try:
            job.wait()
        except RuntimeError as error:
            results[name] = {"fault": str(error)[:1000]}
            continue
        [root] = [task for task in job.task_details if not task.parent_task_id]
        metadata = dict(root.execution.metadata)
        results[name] = {"outputs": {key.removeprefix("output:"): value for key, value in metadata.items() if key.startswith("output:")}}
    return results


def noted(name: str, folder: Path) -> str:
    """What a step of a case has noted in its file, if any has."""
    path = folder / f"{name}.note"
    return path.read_text() if path.exists() else ""


def expected_note(name: str) -> str:
    """A note tells how its run ended."""
    case = CASES[name]
    return ("FAILED" if case.fails else "SUCCEEDED") if "NOTE" in case.arguments.values() else ""


@pytest.mark.parametrize("name", CASES)
def test_the_local_google_cloud_gives_what_kfp_promises(name: str, engine: dict[str, Any], folder: Path) -> None:
    case = CASES[name]
    found = engine[name]
    assert ("fault" in found) == case.fails, found
    if not case.fails:
        assert found["outputs"] == case.outputs
    assert noted(name, folder / "engine") == expected_note(name)


@pytest.mark.parametrize("name", CASES)
def test_kfp_local_gives_the_same_or_differs_as_is_said(name: str, reference: dict[str, Any], folder: Path) -> None:
    case = CASES[name]
    found = reference[name]
    same = ("fault" in found) == case.fails and (case.fails or found["outputs"] == case.outputs)
    same &= noted(name, folder / "reference") == expected_note(name)
    assert same != bool(case.differs), f"{case.differs or 'the same was expected'}: {found}"


def test_the_cases_name_an_image_that_the_local_google_cloud_knows() -> None:
    assert f"  {IMAGE.rpartition('/')[2]}:\n" in (ROOT / "cloudbuild" / "images.yaml").read_text()
