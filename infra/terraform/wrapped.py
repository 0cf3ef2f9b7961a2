"""Terraform for the cdktf command line (`TERRAFORM_BINARY_NAME`): the same binary and the same provider as the runner's.

In a protected environment it applies nothing but a plan that was approved: the guard-rail, where IAM is the boundary.

The command line also calls `providers lock`, which asks the registry whatever is installed; here it asks the mirror that the provider
comes from.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from environments import ConfigurationError
from environments.clients import Clients
from environments.loading import environment_names, load
from infra.terraform import approved, binary, child, providers
from infra.terraform.binary import Binary, TerraformMissing
from infra.terraform.errors import TerraformFailed
from infra.terraform.providers import Source
from infra.terraform.saved import identity
from infra.terraform.stack import CONFIGURATION, digest
from releases import commit, ledger
from releases.commit import CommitError
from releases.ledger import LedgerError

ROOT = providers.STATE.parent
CHANGING = {"apply", "destroy"}
WITHOUT_PROVIDER = {"version", "fmt", "login", "logout", "-version", "--version", "-help", "--help"}


def main(arguments: list[str]) -> int:
    """Run Terraform with `arguments`."""
    variables = binary.environment(os.environ)
    if arguments[:2] == ["providers", "lock"]:
        found = providers.installed(variables, Path.home())
        if found is None or found.mirror is None:
            print("No mirror on this machine holds the google provider, so that there is nothing to lock.")
            return 0
        arguments = [*arguments, f"-fs-mirror={found.mirror}"]
    try:
        terraform = binary.find(variables)
        with ExitStack() as held:
            if not arguments or arguments[0] not in WITHOUT_PROVIDER:
                source = providers.installed(variables, Path.home()) or held.enter_context(providers.stand_in(_types()))()
                print(f"with {source.name}", file=sys.stderr)
                variables = {**variables, **source.variables}
                if CHANGING.intersection(arguments):
                    _refuse_changes(source, _environment(), arguments, terraform, variables)
            # Terraform answers an interrupt from the keyboard itself; this process waits for it to end.
            signal.signal(signal.SIGINT, lambda *_: None)
            watched, _ = os.pipe()
            return subprocess.run(
                child.kept([*terraform.command, *arguments], watched), env=variables, pass_fds=[watched], check=False
            ).returncode
    except (CommitError, ConfigurationError, LedgerError, TerraformMissing, TerraformFailed) as error:
        print(error, file=sys.stderr)
        return 1


def _refuse_changes(source: Source, name: str, arguments: Sequence[str], terraform: Binary, variables: Mapping[str, str]) -> None:
    """Let the command line change the local Google Cloud, and with the true provider another environment; a protected one by consent.

    Raises:
        TerraformFailed: when it would change another one.
    """
    environment = load(name) if name in environment_names() else None
    rehearsed = environment is not None and providers.rehearsed(environment, False, os.environ)
    providers.refuse_stand_in(source, name, rehearsed)
    if environment is not None and environment.protected:
        _refuse_unapproved(source, name, arguments, terraform, variables)


def _refuse_unapproved(source: Source, name: str, arguments: Sequence[str], terraform: Binary, variables: Mapping[str, str]) -> None:
    """Let through the saved plan that was approved, or one that is equal to it.

    Raises:
        TerraformFailed: for any other, and for a plan that is yet to be made.
    """
    saved = next((Path(word) for word in reversed(arguments) if not word.startswith("-") and Path(word).is_file()), None)
    if "destroy" in arguments or saved is None:
        raise TerraformFailed(
            f"{name} is protected: it applies plans that were approved, and nobody has approved what would be planned now. Nothing was "
            f"changed. Plan, have it approved, then apply it: make diff ENV={name}, playbook approve --env {name}, make deploy ENV={name}"
        )
    clients, here = Clients.of(name), commit.of(ROOT)
    show = [*terraform.command, "show", "-json", str(saved)]
    shown = subprocess.run(show, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise TerraformFailed(f"{saved} cannot be read, and may do anything:\n{shown.stderr.strip()}\nNothing was changed.")
    made_from = {
        "configuration": digest(Path.cwd()),
        "terraform": terraform.source,
        "provider": source.name,
        "commit": here.id,
    }
    gate = approved.Gate(clients=clients, commit=here, entries=ledger.entries(clients))
    plan = identity(saved, json.loads(shown.stdout), made_from, _stack())
    _, approval = approved.newest(gate, plan.stack)
    approved.refuse(gate, approval, plan)


def _configuration() -> dict[str, Any]:
    """The synthesised configuration in the current folder; empty where there is none."""
    path = Path(CONFIGURATION)
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _types() -> set[str]:
    """Resource types of the configuration in the current folder."""
    return set(_configuration().get("resource", {}))


def _stack() -> str:
    """Id of the stack in the current folder, which is its state's prefix."""
    return str(_configuration().get("terraform", {}).get("backend", {}).get("gcs", {}).get("prefix", "this configuration"))


def _environment() -> str:
    """The environment that it belongs to: the first word of its id."""
    return _stack().split("-")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
