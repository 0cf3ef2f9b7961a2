"""Isolated pipeline steps, ours beside kfp.local's SubprocessRunner: `python -m bench.pipeline_steps`; prints JSON.

The same two compiled pipelines run in both, rounds interleaved: a chain of steps that do nothing, and a chain of steps that
each run one TensorFlow operation. Every step is a process of its own on both sides and nothing is cached. Ours is measured
from `PipelineJob.submit()` to the end of the job, against `python -m emulator`; kfp.local as the call of the pipeline.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

from bench.emulator.cloud import PROJECT, REGION, running

IMAGES = "europe-west4-docker.pkg.dev/acme-gemini-local/images"
BUCKET = f"{PROJECT}-bench"
TARGETS = {"trivial": {"seconds": 0.05, "ratio": 2.0}, "tensorflow": {"before_work": 0.15, "ratio": 20.0}}


@dsl.component(base_image=f"{IMAGES}/pipelines", install_kfp_package=False)
def trivial(previous: float = 0.0) -> float:
    return previous + 1


@dsl.component(base_image=f"{IMAGES}/training", install_kfp_package=False)
def tensorflow_step(previous: float = 0.0) -> float:
    import time

    import tensorflow as tf

    before_work = time.time()
    assert float(tf.reduce_sum(tf.ones((8, 8)) @ tf.ones((8, 8)))) == 512
    return before_work


def chain(component: Any, name: str, steps: int, folder: Path) -> str:
    """Compile a chain of `steps` steps; gives the file."""

    # kfp.local runs the component alone where the pipeline has its name.
    @dsl.pipeline(name=f"{name}-chain")
    def pipeline() -> None:
        task = component().set_caching_options(False)
        for _ in range(steps - 1):
            task = component(previous=task.output).set_caching_options(False)

    path = str(folder / f"{name}.yaml")
    compiler.Compiler().compile(pipeline, path)
    return path


def ours(path: str) -> tuple[float, list[float]]:
    """Wall seconds of a run, and for each step the seconds between its start and its work."""
    from google.cloud import aiplatform

    job = aiplatform.PipelineJob(
        display_name="bench", template_path=path, job_id=f"bench-{time.time_ns()}", pipeline_root=f"gs://{BUCKET}/root"
    )
    started = time.time()
    job.submit()
    job.wait()
    wall = job.gca_resource.end_time.timestamp() - started
    steps = [task for task in job.task_details if task.execution.schema_title == "system.ContainerExecution"]
    return wall, [task.execution.metadata["output:Output"] - task.start_time.timestamp() for task in steps]


def kfp_local(path: str) -> float:
    """Wall seconds of the same run in kfp.local."""
    from kfp import components, local

    pipeline = components.load_component_from_file(path)
    with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(sys.stderr):
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=root)
        started = time.perf_counter()
        pipeline()
        return time.perf_counter() - started


def measure(path: str, steps: int, rounds: int, timed: Callable[[str], tuple[float, list[float]]]) -> dict[str, Any]:
    """Medians over interleaved rounds, per step."""
    pairs = [(timed(path), kfp_local(path)) for _ in range(rounds)]
    mine = statistics.median(wall for (wall, _), _ in pairs) / steps
    theirs = statistics.median(wall for _, wall in pairs) / steps
    before_work = statistics.median(seconds for (_, found), _ in pairs for seconds in found)
    return {
        "steps": steps,
        "rounds": rounds,
        "seconds": round(mine, 4),
        "kfp_local_seconds": round(theirs, 4),
        "ratio": round(theirs / mine, 1),
        "before_work": round(before_work, 4),
    }


def main() -> None:
    """Measure both chains and print JSON; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tensorflow-steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder, "state")):
        from google.cloud import aiplatform, storage

        storage.Client(project=PROJECT).create_bucket(BUCKET, location=REGION)
        aiplatform.init(project=PROJECT, location=REGION, staging_bucket=f"gs://{BUCKET}")
        plain = chain(trivial, "trivial", arguments.steps, Path(folder))
        heavy = chain(tensorflow_step, "tensorflow", arguments.tensorflow_steps, Path(folder))
        for component in (trivial, tensorflow_step):
            # The launchers may still be importing.
            ours(chain(component, "warm-up", 1, Path(folder)))
        found = {
            "trivial": measure(plain, arguments.steps, arguments.rounds, lambda path: (ours(path)[0], [0.0])),
            "tensorflow": measure(heavy, arguments.tensorflow_steps, arguments.rounds, ours),
        }
    del found["trivial"]["before_work"]
    missed = [
        f"{name}.{figure}"
        for name, targets in TARGETS.items()
        for figure, target in targets.items()
        if (found[name][figure] < target if figure == "ratio" else found[name][figure] > target)
    ]
    print(json.dumps({**found, "targets": TARGETS, "missed": missed, "cpus": os.cpu_count(), "load": os.getloadavg()[0]}, indent=2))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
