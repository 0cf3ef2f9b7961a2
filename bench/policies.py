"""Our policies over 1,000 resources: `python -m bench.policies [--rounds N]`.

The stacks of every environment are synthesised and repeated until there are so many. The first round also reads the values that the
bindings document, as every synthesis does; checkov runs once beside it, as the second opinion that it is in `make lint`.
Prints JSON; exit code 1 when the bound on the CPU time of the first round is broken.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from infra import app
from infra.policies import scanner
from infra.policies.review import broken
from infra.policies.rules import RULES
from infra.policies.subject import SynthesisedStack, read

RESOURCES = 1000
MAXIMUM_SECONDS = 0.5


def enough(stacks: list[SynthesisedStack]) -> list[SynthesisedStack]:
    """The stacks, again and again under new ids, until they hold so many resources."""
    found: list[SynthesisedStack] = []
    number = 0
    while sum(len(stack.resources) for stack in found) < RESOURCES:
        copied = stacks[number % len(stacks)]
        found.append(SynthesisedStack(id=f"{copied.id}-{number}", names=copied.names, document=copied.document))
        number += 1
    return found


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.policies", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        app.synthesise(out=Path(scratch))
        stacks = read(Path(scratch), [])
    cpu = []
    for _ in range(rounds):
        many = enough(stacks)
        start = time.process_time()
        broken(many)
        cpu.append(time.process_time() - start)
    start = time.perf_counter()
    scan = scanner.scan(stacks)
    print(
        json.dumps(
            {
                "resources": sum(len(stack.resources) for stack in many),
                "policies": len(RULES),
                "rounds": rounds,
                "first_cpu_seconds": round(cpu[0], 3),
                "median_cpu_seconds": round(statistics.median(cpu), 3),
                "maximum_seconds": MAXIMUM_SECONDS,
                "checkov_wall_seconds": round(time.perf_counter() - start, 2),
                "checkov_checks": scan.passed + len(scan.findings),
                "checkov_resources": sum(len(stack.resources) for stack in stacks),
            },
            indent=2,
        )
    )
    return 0 if cpu[0] <= MAXIMUM_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
