"""Synthesis with the hooks of `infra.synthesis` and as cdktf comes: `python -m bench.synth [--rounds N]`.

Of few stacks and of many, since what a resource costs is the same for both and only the start differs. Both run from bytecode and
with jsii's cache warm, in turn, each in a process of its own; medians of CPU and wall time.
Prints JSON; exit code 1 when a bound on CPU time is broken (wall time depends on who else uses the machine).
"""

import argparse
import compileall
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Size:
    """Some stacks, and how much faster they must be synthesised than as cdktf comes; its start weighs less the more there are."""

    environments: tuple[str, ...]
    """None means all."""
    without: tuple[str, ...] = ()
    """Stacks that are left out."""
    minimum_ratio: float | None = None
    maximum_ms_per_resource: float | None = None
    """CPU time beyond the floor. Of few resources most of it is the loading of their types, so that it bounds the whole alone."""


SIZES = {
    "about 170 resources": Size(environments=("local",), without=("foundation",), minimum_ratio=5.0),
    "about 500 resources": Size(environments=("staging", "prod"), without=("monitoring",), minimum_ratio=4.0),
    "everything": Size(environments=(), maximum_ms_per_resource=3.5),
}

RUN = """
from infra import stacks
out, without, *environments = sys.argv[1:]
for name in filter(None, without.split(",")):
    del stacks.STACKS[name]
stacks.NEEDS.clear()
{change}
app.synthesise(environments, app.Path(out))
"""
WITH_HOOKS = f"from infra import app{RUN.format(change='')}"
# As cdktf comes: nothing is prepared, so that Python and Node load the provider whole.
WITHOUT_HOOKS = f"""
from contextlib import nullcontext
from infra import app, synthesis
synthesis.prepare, synthesis.prepared = lambda: None, nullcontext
{RUN.format(change="")}
"""
# The same states from the same files, each with backend and provider and nothing else: what is beyond it, resources cost.
FLOOR = f"from infra import app{RUN.format(change='stacks.STACKS.update(dict.fromkeys(stacks.STACKS, stacks.Stack))')}"
PROGRAMS = {"with_hooks": WITH_HOOKS, "without_hooks": WITHOUT_HOOKS, "floor": FLOOR}


def measure(program: str, out: Path, size: Size) -> tuple[float, float]:
    """Wall and CPU seconds of one run in a new process, Node included."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-c", f"import sys\n{program}", str(out), ",".join(size.without), *size.environments]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def contents(folder: Path) -> Mapping[str, bytes]:
    """Relative path → bytes of everything written below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.json"))}


def count(folder: Path) -> int:
    """Resources in the synthesised stacks."""
    documents = (json.loads(path.read_text()) for path in folder.glob("stacks/*/cdk.tf.json"))
    return sum(len(declared) for document in documents for declared in document.get("resource", {}).values())


def compare(size: Size, rounds: int) -> dict[str, Any]:
    """Medians of all three programs over some stacks, and whether the bounds hold."""
    with tempfile.TemporaryDirectory() as scratch:
        outs = {name: Path(scratch) / name for name in PROGRAMS}
        measure(WITH_HOOKS, outs["with_hooks"], size)  # once unmeasured: caches of the file system, of jsii, and our own bytecode
        stacks = len(list(outs["with_hooks"].glob("stacks/*")))
        runs = [{name: measure(program, outs[name], size) for name, program in PROGRAMS.items()} for _ in range(rounds)]
        same, resources = contents(outs["with_hooks"]) == contents(outs["without_hooks"]), count(outs["with_hooks"])
    wall, cpu = ({name: statistics.median(run[name][i] for run in runs) for name in PROGRAMS} for i in (0, 1))
    ratio = cpu["without_hooks"] / cpu["with_hooks"]
    each = 1000 * (cpu["with_hooks"] - cpu["floor"]) / resources
    return {
        "stacks": stacks,
        "resources": resources,
        "wall_seconds": {name: round(value, 2) for name, value in wall.items()},
        "cpu_seconds": {name: round(value, 2) for name, value in cpu.items()},
        "wall_ratio": round(wall["without_hooks"] / wall["with_hooks"], 1),
        "cpu_ratio": round(ratio, 1),
        "minimum_ratio": size.minimum_ratio,
        "cpu_ms_per_resource_beyond_floor": round(each, 2),
        "maximum_ms_per_resource": size.maximum_ms_per_resource,
        "equal_output": same,
        "bounds_hold": same and ratio >= (size.minimum_ratio or 0) and each <= (size.maximum_ms_per_resource or each),
    }


def main() -> int:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.synth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    for package in ("cdktf", "cdktf_cdktf_provider_google"):
        for folder in ((spec := find_spec(package)) and spec.submodule_search_locations) or []:
            compileall.compile_dir(folder, quiet=1)
    results = {name: compare(size, rounds) for name, size in SIZES.items()}
    print(json.dumps({"rounds": rounds, **results}, indent=2))
    return 0 if all(result["bounds_hold"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
