"""`python -m tests.contract.access STATE`: write what our code asked for, and say what was not granted where it was asked for."""

import sys
from pathlib import Path

import yaml

from environments import Names, load, organisation
from tests.contract.access import FILE, RECORD, recorded, refused

if __name__ == "__main__":
    state, names = Path(sys.argv[1]), Names(organisation(), load("local"))
    found = recorded(state, names)
    if not found:
        sys.exit(f"{state} holds no call of an identity of ours, and nothing was written. Record one: {RECORD}")
    FILE.write_text(f"# Written by: {RECORD}\n{yaml.safe_dump(found, width=200)}", encoding="utf-8")
    print(*(f"{duty} was not granted {permission} on {resource}" for duty, permission, resource in sorted(refused(state, names))), sep="\n")
