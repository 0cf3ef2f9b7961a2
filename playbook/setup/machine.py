"""What this machine has: platform, Python, Node, Terraform."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from playbook import ROOT, PlaybookError

VENV = ROOT / ".venv"
PYTHON = "{}.{}".format(*sys.version_info)
PYTHONS = ((3, 11), (3, 13))
NODE = (20,)
TERRAFORM = (1, 9)


class PlatformError(PlaybookError):
    """This machine is not one that the playbook runs on."""


@dataclass(frozen=True)
class Tool:
    """A program that this machine has on its path."""

    name: str
    path: str
    version: tuple[int, ...]

    @property
    def said(self) -> str:
        """`node 20.20.2 (/usr/bin/node)`."""
        return f"{self.name} {'.'.join(map(str, self.version))} ({self.path})"


def require_platform() -> None:
    """Raises `PlatformError` on anything but Linux x86-64 with a supported Python."""
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise PlatformError(
            f"This is {system} on {machine}; the playbook runs on Linux x86-64. Nothing was installed. "
            "On Windows use WSL2; elsewhere use a Linux x86-64 machine or container."
        )
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        raise PlatformError(
            f"This is Python {platform.python_version()}; TensorFlow and the bindings need 3.11 to 3.13. Nothing was installed. "
            "Install one of them, or name it: make PYTHON=/path/to/python3.12"
        )


def search_path() -> str:
    """The path without this checkout's own tools: what the machine itself has."""
    own = str(VENV / "bin")
    return os.pathsep.join(folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder != own)


def tool(name: str, at_least: tuple[int, ...]) -> Tool | None:
    """The program `name`, when the machine has it in that version or a later one."""
    path = shutil.which(name, path=search_path())
    if path is None:
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+(?:\.\d+)+)", said)
    version = tuple(map(int, found[1].split("."))) if found else ()
    return Tool(name, path, version) if version >= at_least else None


def node() -> Tool | None:
    """The machine's own Node, when it is recent enough."""
    return tool("node", NODE)


def npm() -> str | None:
    """Path of the machine's own npm, which some distributions ship apart from Node."""
    return shutil.which("npm", path=search_path())


def browser() -> str | None:
    """Path of a Chromium, in which the web page can be checked."""
    found = (shutil.which(name, path=search_path()) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), None)


def terraform() -> Tool | None:
    """The machine's own Terraform or OpenTofu, when it is recent enough."""
    return tool("terraform", TERRAFORM) or tool("tofu", TERRAFORM)


def fingerprint(*names: str) -> str:
    """Which of these programs the path leads to, without running them: changes when one is added, removed or replaced."""
    found = (shutil.which(name, path=search_path()) for name in names)
    return " ".join(f"{path}:{Path(path).stat().st_mtime_ns}" if path else "-" for path in found)
