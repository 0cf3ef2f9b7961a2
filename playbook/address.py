"""Who answers for Google's hosts: the one module that knows how the address is chosen.

Configuration and address are two axes. `ENV` chooses the YAML file; the address is Google's unless that file says
`address: emulator` or the caller asks for a rehearsal. Code never learns which: it finds the process environment set.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from environments import Environment, load
from playbook import ROOT, STATE, PlaybookError, children

FOLDER = STATE / "emulator"
IMAGES = ROOT / "cloudbuild" / "images.yaml"
WRAPPER = ROOT / "infra" / "terraform" / "wrapper"
BOOT_SECONDS = 60


class AddressError(PlaybookError):
    """The local Google Cloud cannot be reached or started."""


def emulated(environment: Environment, emulator: bool = False) -> bool:
    """Whether the local Google Cloud answers for this environment."""
    return emulator or environment.address == "emulator"


def running(folder: Path = FOLDER) -> dict[str, Any] | None:
    """What the local Google Cloud wrote about itself, or None when none runs on this state folder."""
    try:
        found: dict[str, Any] = json.loads((folder / "emulator.json").read_text(encoding="utf-8"))
        os.kill(found["pid"], 0)
        socket.create_connection(("127.0.0.1", found["port"]), timeout=2).close()
    except (OSError, ValueError, KeyError):
        return None
    return found


def variables(environment: str, emulator: bool = False, folder: Path = FOLDER) -> dict[str, str]:
    """The variables that lead every library and tool to the address of `environment`.

    Raises:
        ConfigurationError: when there is no such environment.
        AddressError: when the local Google Cloud should answer and none runs.
    """
    configuration = load(environment)
    chosen = {"GOOGLE_CLOUD_PROJECT": configuration.project.id}
    if emulated(configuration, emulator):
        found = running(folder)
        if found is None:
            raise AddressError(
                f"No local Google Cloud runs for {environment!r}, so requests would find nobody. "
                "Start one with 'make emulator' in another terminal, or let 'playbook run' start one for a single command."
            )
        chosen |= found["environment"]
    return chosen


def full(chosen: dict[str, str]) -> dict[str, str]:
    """Our own process environment with `chosen` on top, the checkout's tools first on the path, and its Terraform for the cdktf CLI."""
    tools = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    # CHECKPOINT_DISABLE: otherwise the CLI reports each of its commands to HashiCorp.
    cli = {"TERRAFORM_BINARY_NAME": str(WRAPPER), "CHECKPOINT_DISABLE": "1"}
    return {**cli, **os.environ, "PATH": path if path.split(os.pathsep)[0] == tools else os.pathsep.join((tools, path)), **chosen}


@contextmanager
def reached(environment: str, emulator: bool = False, folder: Path = FOLDER) -> Iterator[dict[str, str]]:
    """The process environment in which `environment` is reached.

    Starts the local Google Cloud where it should answer and none runs, and ends what it started.

    Raises:
        ConfigurationError: when there is no such environment.
        AddressError: when the local Google Cloud does not start; the message is its own.
    """
    if not emulated(load(environment), emulator) or running(folder):
        yield full(variables(environment, emulator, folder))
        return
    process = start(folder)
    try:
        ready(process, folder)
        yield full(variables(environment, emulator, folder))
    finally:
        children.end(process)


def start(folder: Path = FOLDER) -> subprocess.Popen[bytes]:
    """Start the local Google Cloud on `folder`, without waiting for it; what it says goes to `emulator.log` there."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "emulator", "--state", str(folder), "--images", str(IMAGES)]
    with (folder / "emulator.log").open("wb") as log:
        return children.start(command, output=log, errors=log, directory=ROOT, group=True)


def ready(process: subprocess.Popen[bytes], folder: Path = FOLDER) -> None:
    """Return when the local Google Cloud that `start` began accepts requests.

    Raises:
        AddressError: when it ends instead, or takes longer than `BOOT_SECONDS`.
    """
    log = folder / "emulator.log"
    ended = os.pidfd_open(process.pid)
    try:
        # Woken at once when the process ends; its file is looked at every 20 ms.
        for _ in range(BOOT_SECONDS * 50):
            found = running(folder)
            if found and found["pid"] == process.pid:
                return
            if select.select([ended], [], [], 0.02)[0]:
                said = log.read_text(encoding="utf-8", errors="replace").strip()
                raise AddressError(f"The local Google Cloud did not start:\n{said[-2000:] or f'it ended with code {process.wait()}'}")
    finally:
        os.close(ended)
    raise AddressError(
        f"The local Google Cloud did not accept requests within {BOOT_SECONDS} seconds; nothing was sent to it. Read {log}, then try again."
    )
