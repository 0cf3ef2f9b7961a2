"""The review of a plan of 1,000 resources: `python -m bench.review [--rounds N]`.

Every change of the tests' corpus happens once, and nothing happens to the rest; beside it, for whoever plans that much, a plan in which
all 1,000 change. Each is the command that a person runs, in a process of its own, less the same command over one resource: what it costs
after `terraform show`, the start of Python and its imports aside. Prints JSON; exit code 1 when a bound on the first plan is broken.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from tests.review.risks import Change, cases, plan

RESOURCES = 1000
MAXIMUM_SECONDS = 1.0
MAXIMUM_MEGABYTES = 200.0
FOUND = 4
"""Exit codes of the review below this one are verdicts, not failures."""


@dataclass(frozen=True)
class Run:
    """What one process took."""

    cpu: float
    megabytes: float


def changes(changing: int) -> list[Change]:
    """So many changes, and resources that stay as they are until there are enough; no two at one address."""
    seeded = [Change.model_validate(case.model_dump(include=set(Change.model_fields))) for case in cases()]
    found = []
    for number, change in enumerate(islice(cycle(seeded), RESOURCES)):
        kept = {} if number < changing else {"actions": ("no-op",), "after": {}, "unknown": (), "previous_address": "", "importing": ""}
        found.append(change.model_copy(update={"name": f"case-{number}", **kept}))
    return found


def review(made: Sequence[Change], scratch: Path) -> Run:
    """Review a plan of these changes."""
    document = scratch / "plan.json"
    document.write_text(json.dumps(plan(made)), encoding="utf-8")
    command = [sys.executable, "-m", "playbook", "review", "--plan", str(document), "--out", str(scratch / "out")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) >= FOUND or not (scratch / "out" / "review.json").exists():
        sys.exit(f"the review failed, so that nothing was measured:\n{said.decode()}")
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.review", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    corpus = len(list(cases()))
    plans = {"one": changes(0)[:1], "some": changes(corpus), "all": changes(RESOURCES)}
    runs: dict[str, list[Run]] = {name: [] for name in plans}
    for _ in range(rounds):
        for name, made in plans.items():
            with tempfile.TemporaryDirectory() as scratch:
                runs[name].append(review(made, Path(scratch)))
    cpu = {name: statistics.median(run.cpu for run in found) for name, found in runs.items()}
    seconds = cpu["some"] - cpu["one"]
    megabytes = max(run.megabytes for run in runs["some"])
    print(
        json.dumps(
            {
                "resources": RESOURCES,
                "changes": corpus,
                "rounds": rounds,
                "cpu_seconds": round(seconds, 3),
                "maximum_seconds": MAXIMUM_SECONDS,
                "peak_megabytes": round(megabytes, 1),
                "maximum_megabytes": MAXIMUM_MEGABYTES,
                "command_over_one_resource_cpu_seconds": round(cpu["one"], 3),
                "all_change_cpu_seconds": round(cpu["all"] - cpu["one"], 3),
                "all_change_peak_megabytes": round(max(run.megabytes for run in runs["all"]), 1),
            },
            indent=2,
        )
    )
    return 0 if seconds <= MAXIMUM_SECONDS and megabytes <= MAXIMUM_MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())
