"""Synthesis of every environment, with the hooks of `infra.synthesis` and as cdktf comes: `python -m bench.synth [--rounds N]`.

Both run from bytecode and with jsii's cache warm, in turn, each in a process of its own; medians of CPU and wall time.
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
from importlib.util import find_spec
from pathlib import Path

MINIMUM_RATIO = 5.0
MAXIMUM_MS_PER_RESOURCE = 3.5

WITH_HOOKS = "from infra import app; app.synthesise(out=app.Path(sys.argv[1]))"
# As cdktf comes: nothing is prepared, so that Python and Node load the provider whole.
WITHOUT_HOOKS = "from infra import app, synthesis; synthesis.prepare = lambda: None; app.synthesise(out=app.Path(sys.argv[1]))"
# The same states from the same files, each with backend and provider and nothing else: what is beyond it, resources cost.
FLOOR = (
    "from infra import app, synthesis; synthesis.prepare(); from infra import stacks; "
    "stacks.STACKS.update(dict.fromkeys(stacks.STACKS, stacks.Stack)); app.synthesise(out=app.Path(sys.argv[1]))"
)
PROGRAMS = {"with_hooks": WITH_HOOKS, "without_hooks": WITHOUT_HOOKS, "floor": FLOOR}


def measure(program: str, out: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one run in a new process, Node included."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import sys; {program}", str(out)], env=environ, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def contents(folder: Path) -> Mapping[str, bytes]:
    """Relative path → bytes of everything written below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.json"))}


def count(folder: Path) -> int:
    """Resources in the synthesised stacks."""
    documents = (json.loads(path.read_text()) for path in folder.glob("stacks/*/cdk.tf.json"))
    return sum(len(declared) for document in documents for declared in document.get("resource", {}).values())


def main() -> int:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.synth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    for package in ("cdktf", "cdktf_cdktf_provider_google"):
        for folder in ((spec := find_spec(package)) and spec.submodule_search_locations) or []:
            compileall.compile_dir(folder, quiet=1)
    with tempfile.TemporaryDirectory() as scratch:
        outs = {name: Path(scratch) / name for name in PROGRAMS}
        measure(WITH_HOOKS, outs["with_hooks"])  # once unmeasured: caches of the file system, of jsii, and our own bytecode
        stacks = len(list(outs["with_hooks"].glob("stacks/*")))
        runs = [{name: measure(program, outs[name]) for name, program in PROGRAMS.items()} for _ in range(rounds)]
        same, resources = contents(outs["with_hooks"]) == contents(outs["without_hooks"]), count(outs["with_hooks"])
    wall, cpu = ({name: statistics.median(run[name][i] for run in runs) for name in PROGRAMS} for i in (0, 1))
    ratio = cpu["without_hooks"] / cpu["with_hooks"]
    each = 1000 * (cpu["with_hooks"] - cpu["floor"]) / resources
    print(
        json.dumps(
            {
                "stacks": stacks,
                "resources": resources,
                "rounds": rounds,
                "wall_seconds": {name: round(value, 2) for name, value in wall.items()},
                "cpu_seconds": {name: round(value, 2) for name, value in cpu.items()},
                "wall_ratio": round(wall["without_hooks"] / wall["with_hooks"], 1),
                "cpu_ratio": round(ratio, 1),
                "minimum_ratio": MINIMUM_RATIO,
                "cpu_ms_per_resource_beyond_floor": round(each, 2),
                "maximum_ms_per_resource": MAXIMUM_MS_PER_RESOURCE,
                "equal_output": same,
            },
            indent=2,
        )
    )
    return 0 if same and ratio >= MINIMUM_RATIO and each <= MAXIMUM_MS_PER_RESOURCE else 1


if __name__ == "__main__":
    sys.exit(main())
