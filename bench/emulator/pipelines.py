"""2,000 steps in 100 runs, and a run of 20 steps in the middle of which the local Google Cloud is killed and started again."""

from __future__ import annotations

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.emulator.cloud import PROJECT, REGION, running
from bench.pipeline_steps import chain, trivial

RUNS, STEPS = 100, 20
AT_A_TIME = 4
TARGETS = {"step_ms": 50, "failed_runs": 0, "resumed_run_failed": 0, "steps_run_twice": 0}
"""Of the steps that had ended when the kill came; the one that it cut off begins anew."""
KILLED_AFTER = 8
PARENT = f"projects/{PROJECT}/locations/{REGION}"
PENDING = ("PENDING", "RUNNING", "QUEUED")


def measure() -> dict[str, float]:
    """Milliseconds of wall time for each step, and what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        specification = _specification(Path(folder))
        state = Path(folder, "state")
        with running(state):
            _bucket()
            _run("warm-up", specification)
            begun = time.perf_counter()
            with ThreadPoolExecutor(AT_A_TIME) as threads:
                ended = list(threads.map(lambda number: _run(f"run-{number}", specification), range(RUNS)))
            wall = time.perf_counter() - begun
        wrong = [job for job in ended if job.state.name != "PIPELINE_STATE_SUCCEEDED" or _value(job) != STEPS]
        return {"step_ms": round(wall / (RUNS * STEPS) * 1000, 1), "failed_runs": len(wrong), **_killed(state, specification)}


def _killed(state: Path, specification: dict[str, Any]) -> dict[str, float]:
    with running(state) as process:
        _create("killed", specification)
        while len(_ended(_get("killed"))) < KILLED_AFTER:
            time.sleep(0.02)
        process.kill()
        process.wait()
    before = _journalled(state)
    with running(state):
        job = _wait("killed")
    again = [task_id for task_id, began in before.items() if _began(job, task_id) != began]
    failed = job.state.name != "PIPELINE_STATE_SUCCEEDED" or _value(job) != STEPS
    return {"steps_before_kill": len(before), "steps_run_twice": len(again), "resumed_run_failed": int(failed)}


def _journalled(state: Path) -> dict[str, datetime]:
    """Id → start of each step that had ended when the kill came."""
    import sqlite3

    with sqlite3.connect(state / "state.db") as database:
        rows = database.execute("select body from resources where service = 'pipelines.journal' and name like '%/killed/%'").fetchall()
    kept = [json.loads(body) for (body,) in rows]
    return {one["id"]: datetime.fromisoformat(one["started"]) for one in kept if one["state"] == "SUCCEEDED"}


def _specification(folder: Path) -> dict[str, Any]:
    import yaml

    specification: dict[str, Any] = yaml.safe_load(Path(chain(trivial, "trivial", STEPS, folder)).read_text())
    return specification


def _client() -> Any:
    from google.cloud import aiplatform_v1

    return aiplatform_v1.PipelineServiceClient(client_options={"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}, transport="rest")


def _bucket() -> None:
    from google.cloud import storage

    storage.Client(project=PROJECT).create_bucket(f"{PROJECT}-bench", location=REGION)


def _create(name: str, specification: dict[str, Any]) -> None:
    job = {"pipeline_spec": specification, "runtime_config": {"gcs_output_directory": f"gs://{PROJECT}-bench/root"}}
    _client().create_pipeline_job(parent=PARENT, pipeline_job=job, pipeline_job_id=name)


def _get(name: str) -> Any:
    return _client().get_pipeline_job(name=f"{PARENT}/pipelineJobs/{name}")


def _wait(name: str) -> Any:
    while any((job := _get(name)).state.name.endswith(one) for one in PENDING):
        time.sleep(0.1)
    return job


def _run(name: str, specification: dict[str, Any]) -> Any:
    _create(name, specification)
    return _wait(name)


def _steps(job: Any) -> list[Any]:
    return [task for task in job.job_detail.task_details if task.execution.schema_title == "system.ContainerExecution"]


def _ended(job: Any) -> list[Any]:
    return [task for task in _steps(job) if task.state.name == "SUCCEEDED"]


def _began(job: Any, task_id: str) -> datetime:
    return next(datetime.fromisoformat(task.start_time.rfc3339()) for task in _steps(job) if str(task.task_id) == task_id)


def _value(job: Any) -> float:
    """What the last step of the chain gave: one more for each step."""
    return max(float(task.execution.metadata["output:Output"]) for task in _steps(job))
