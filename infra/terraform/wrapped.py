"""Terraform for the cdktf command line (`TERRAFORM_BINARY_NAME`): the same binary and the same provider as the runner's.

The command line also calls `providers lock`, which asks the registry whatever is installed; lock files are not kept, so it is
answered here.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from environments import ConfigurationError
from environments.loading import environment_names, load
from infra.terraform import binary, child, providers
from infra.terraform.binary import TerraformMissing
from infra.terraform.errors import TerraformFailed
from infra.terraform.providers import Source
from infra.terraform.stack import CONFIGURATION

CHANGING = {"apply", "destroy"}
WITHOUT_PROVIDER = {"version", "fmt", "login", "logout", "-version", "--version", "-help", "--help"}


def main(arguments: list[str]) -> int:
    """Run Terraform with `arguments`."""
    if arguments[:2] == ["providers", "lock"]:
        print("Lock files are not kept: nothing to lock.")
        return 0
    variables = binary.environment(os.environ)
    try:
        terraform = binary.find(variables)
        with ExitStack() as held:
            if not arguments or arguments[0] not in WITHOUT_PROVIDER:
                source = providers.installed(variables, Path.home()) or held.enter_context(providers.stand_in(_types()))()
                print(f"with {source.name}", file=sys.stderr)
                if CHANGING.intersection(arguments):
                    _refuse_changes(source, _environment())
                variables = {**variables, **source.variables}
            # Terraform answers an interrupt from the keyboard itself; this process waits for it to end.
            signal.signal(signal.SIGINT, lambda *_: None)
            watched, _ = os.pipe()
            return subprocess.run(
                child.kept([*terraform.command, *arguments], watched), env=variables, pass_fds=[watched], check=False
            ).returncode
    except (ConfigurationError, TerraformMissing, TerraformFailed) as error:
        print(error, file=sys.stderr)
        return 1


def _refuse_changes(source: Source, name: str) -> None:
    """Let the command line change the local Google Cloud, and with the true provider an environment that is not protected.

    Raises:
        TerraformFailed: when it would change another one.
    """
    environment = load(name) if name in environment_names() else None
    rehearsed = environment is not None and providers.rehearsed(environment, False, os.environ)
    providers.refuse_stand_in(source, name, rehearsed)
    if environment is not None and environment.protected and not rehearsed:
        raise TerraformFailed(
            f"{name} is protected: it applies plans that were reviewed, and the cdktf command line makes a new one. Nothing was changed. "
            f"Plan, have it reviewed, then apply it: make plan ENV={name}, make deploy ENV={name}"
        )


def _configuration() -> dict[str, Any]:
    """The synthesised configuration in the current folder; empty where there is none."""
    path = Path(CONFIGURATION)
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _types() -> set[str]:
    """Resource types of the configuration in the current folder."""
    return set(_configuration().get("resource", {}))


def _environment() -> str:
    """The environment that the stack in the current folder belongs to: the first word of its id, which is its state's prefix."""
    prefix = str(_configuration().get("terraform", {}).get("backend", {}).get("gcs", {}).get("prefix", "this configuration"))
    return prefix.split("-")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
