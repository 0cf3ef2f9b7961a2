"""Measures the parts that are named, or all, and prints JSON; exit code 1 when a target is missed."""

import argparse
import importlib
import json
import os
import sys

PARTS = ("protocol", "storage", "pipelines", "bigquery")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.emulator", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    chosen = parser.parse_args().parts or PARTS
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no part is named {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    found, missed = {}, []
    for name in chosen:
        part = importlib.import_module(f"bench.emulator.{name}")
        found[name] = part.measure()
        missed += [f"{name}.{figure}" for figure, most in part.TARGETS.items() if found[name][figure] > most]
    print(json.dumps({**found, "missed": missed, "cpus": os.cpu_count(), "load": os.getloadavg()[0]}, indent=2))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
