"""Where the google provider comes from: the user's own configuration, the mirror of this checkout, or the stand-in."""

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from environments import Environment
from infra.terraform import binary
from infra.terraform.binary import Binary
from infra.terraform.errors import TerraformFailed
from infra.terraform.standin import schema

PROVIDER = "hashicorp/google"
REGISTRIES = ("registry.terraform.io", "registry.opentofu.org")
"""Terraform's own, and OpenTofu's; a mirror has a folder for each."""
VERSION = "6.50.0"
STATE = Path(__file__).parents[2] / ".playbook"
MIRROR = STATE / "providers"
CACHE = STATE / "terraform" / "schemas"
REGISTRY_SECONDS = 120
START_SECONDS = 60


@dataclass(frozen=True)
class Source:
    """What answers for the google provider.

    Attributes:
        name: what every output calls it.
        variables: added to Terraform's environment.
        stand_in: whether it is the stand-in.
        mirror: the folder on this machine that holds it, where there is one.
    """

    name: str
    variables: Mapping[str, str]
    stand_in: bool = False
    mirror: Path | None = None


def installed(variables: Mapping[str, str], home: Path, mirror: Path = MIRROR) -> Source | None:
    """The true provider, where this machine has it; None where only the stand-in is left.

    A configuration that the user made is respected and wins over the mirror of this checkout.
    """
    config = Path(variables.get("TF_CLI_CONFIG_FILE") or home / ".terraformrc")
    if config.exists() and _leads_to_provider(config.read_text()):
        return Source(f"google provider, as {config} finds it", {}, mirror=next(_mirrors(config.read_text()), None))
    for folder in (home / ".terraform.d/plugins", home / ".local/share/terraform/plugins", Path("/usr/local/share/terraform/plugins")):
        if _holds_provider(folder):
            return Source(f"google provider of {folder}", {}, mirror=folder)
    if not _holds_provider(mirror):
        return None
    addresses = json.dumps([f"{registry}/{PROVIDER}" for registry in REGISTRIES])
    text = (
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n    include = {addresses}\n  }}\n'
        f"  direct {{\n    exclude = {addresses}\n  }}\n}}\n"
    )
    written = mirror / "terraformrc"
    # In one piece: the Terraform of another run may be reading it.
    new = mirror / f".terraformrc.{os.getpid()}"
    new.write_text(text)
    os.replace(new, written)
    return Source(f"google provider {VERSION} of {mirror}", {"TF_CLI_CONFIG_FILE": str(written)}, mirror=mirror)


def _leads_to_provider(config: str) -> bool:
    """Whether a command-line configuration names a mirror with the provider; what is not on this machine is taken at its word."""
    elsewhere = "network_mirror" in config or ("dev_overrides" in config and PROVIDER in config)
    return elsewhere or any(_mirrors(config))


def _mirrors(config: str) -> Iterator[Path]:
    """The folders of a command-line configuration that hold the provider."""
    named = (Path(folder) for folder in re.findall(r'\bpath\s*=\s*"([^"]+)"', config))
    return (folder for folder in named if _holds_provider(folder))


def _holds_provider(folder: Path) -> bool:
    """Whether a mirror holds the version that the bindings pin, unpacked or as an archive."""
    return any(any((folder / registry / PROVIDER).glob(f"*{VERSION}*")) for registry in REGISTRIES)


def rehearsed(environment: Environment, rehearsal: bool, variables: Mapping[str, str]) -> bool:
    """Whether changes are meant for the local Google Cloud, and can reach nothing else.

    Args:
        environment: its file may say that the local Google Cloud answers.
        rehearsal: the caller says so.
        variables: the process environment. The word of either is not enough: requests must go to a proxy on this machine.
    """
    proxy = urlsplit(variables.get("HTTPS_PROXY") or variables.get("https_proxy") or "").hostname
    return (rehearsal or environment.address == "emulator") and proxy in ("127.0.0.1", "::1", "localhost")


def refuse_stand_in(source: Source, environment: str, rehearsed: bool) -> None:
    """Let the stand-in change the local Google Cloud alone: what it sends is not what the google provider sends.

    Raises:
        TerraformFailed: when it would change something at Google's address.
    """
    if source.stand_in and not rehearsed:
        raise TerraformFailed(
            f"Google itself answers for {environment} and only the provider stand-in is here, which would change real resources in ways "
            "that the google provider does not know. Nothing was changed. Fetch the google provider: python -m infra.terraform providers; "
            f"or rehearse on the local Google Cloud: make deploy ENV={environment} EMULATOR=1"
        )


def prepare(terraform: Binary, variables: Mapping[str, str], mirror: Path = MIRROR) -> None:
    """Fetch the google provider into the mirror.

    Raises:
        TerraformFailed: when the registry does not answer in time.
    """
    with tempfile.TemporaryDirectory(prefix="providers-") as scratch:
        required = {"google": {"source": "hashicorp/google", "version": VERSION}}
        (Path(scratch) / "versions.tf.json").write_text(json.dumps({"terraform": {"required_providers": required}}))
        mirror.mkdir(parents=True, exist_ok=True)
        command = [*terraform.command, "providers", "mirror", str(mirror)]
        try:
            done = subprocess.run(
                command,
                cwd=scratch,
                env=binary.environment(variables),
                capture_output=True,
                text=True,
                timeout=REGISTRY_SECONDS,
                check=False,
            )
            reason = (done.stderr or done.stdout).strip()
        except subprocess.TimeoutExpired:
            reason = f"no answer within {REGISTRY_SECONDS} seconds"
        if not _holds_provider(mirror):
            raise TerraformFailed(
                f"the Terraform registry did not give hashicorp/google {VERSION}:\n{reason}\nThe provider stand-in is used until it does. "
                f"Try again where the registry answers, or copy a filesystem mirror to {mirror}."
            )


@contextmanager
def stand_in(types: Iterable[str], cache: Path = CACHE) -> Iterator[Callable[[], Source]]:
    """The stand-in, until this process leaves the block or dies; what is yielded waits until it serves.

    Args:
        types: resource types in use, beside those that can be applied.
        cache: folder that keeps the schemas read from the bindings.

    Raises:
        TerraformFailed: when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        command = [sys.executable, "-m", "infra.terraform.standin", "--socket", f"{folder}/provider.sock", "--cache", str(cache)]
        # A session of its own: an interrupt from the keyboard ends Terraform first. Its end is the end of its standard input.
        process = subprocess.Popen(
            [*command, *sorted(types)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, env=os.environ
        )
        try:
            yield lambda: Source(
                stand_in_name(),
                {"TF_REATTACH_PROVIDERS": _first_line(process)},
                stand_in=True,
            )
        finally:
            process.terminate()
            process.wait()


def stand_in_name() -> str:
    """What every output calls the stand-in."""
    return f"provider stand-in (schema of google {VERSION} in {schema.BINDINGS} {schema.bindings_version()})"


def _first_line(process: "subprocess.Popen[str]") -> str:
    """What the stand-in prints once it serves."""
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda: lines.put(process.stdout.readline() if process.stdout else ""), daemon=True).start()
    try:
        line = lines.get(timeout=START_SECONDS).strip()
    except queue.Empty:
        line = ""
    if not line:
        raise TerraformFailed("the provider stand-in did not start. Nothing was changed. Its own error stands above.")
    return line
