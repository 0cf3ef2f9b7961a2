"""Which command of the local machine has the effect of a container: the image table, and forks where Python is asked for."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

from emulator.processes.command import Form

Json = dict[str, Any]

EXECUTOR = "kfp.dsl.executor_main"
PYTHON = ("python", "python3")
BYTES = {"": 1, **{unit: 10 ** (3 * power) for power, unit in enumerate("KMGTPE", 1)}}
BYTES |= {f"{unit}i": 2 ** (10 * power) for power, unit in enumerate("KMGTPE", 1)}


@dataclass(frozen=True)
class Program:
    """What to run, before placeholders are filled."""

    form: Form
    words: list[str]
    source: str = ""


def program(container: Json, entry_point: tuple[str, ...]) -> Program:
    """The program of a container specification, whose image has this entry point.

    KFP's lightweight components arrive as a shell script that writes their source into a file and runs KFP's executor on
    it; the same executor is run in a fork. `python -m x` is a fork too. Anything else is a program of its own.
    """
    command = container.get("command", [])
    arguments = container.get("args", [])
    if is_lightweight(container):
        return Program("component", arguments, source=command[-1])
    words = [*(command or entry_point), *arguments]
    if len(words) > 2 and words[0] in PYTHON and words[1] == "-m":
        return Program("module", words[2:])
    if words and words[0] in PYTHON:
        words[0] = sys.executable
    return Program("program", words)


def memory_limit(container: Json) -> int | None:
    """Bytes of memory that a step may hold (`set_memory_limit`); none where it says nothing."""
    resources = container.get("resources", {})
    match = re.fullmatch(r"([0-9]+)([KMGTPE]i?)?", str(resources.get("resourceMemoryLimit", "")))
    # Older compilers write it in GB.
    found = int(match[1]) * BYTES[match[2] or ""] if match else float(resources.get("memoryLimit", 0)) * 10**9
    return int(found) or None


def is_lightweight(container: Json) -> bool:
    """Whether the container runs a lightweight Python component."""
    command = container.get("command", [])
    return len(command) >= 2 and EXECUTOR in command[-2]


def installs_packages(container: Json) -> bool:
    """Whether the step would install packages when it starts."""
    return is_lightweight(container) and any("pip install" in part for part in container["command"][:-1])
