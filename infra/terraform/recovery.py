"""An older state comes back: every state is an object in a bucket that keeps versions, and one of its generations is made the newest.

Resources are not touched: the next plan shows what has moved between that state and Google Cloud. What is lost beside states, and from
what it is restored, stands in docs/recovery.md.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from environments import Names
from environments.clients import Clients
from infra.terraform import binary, state
from infra.terraform.errors import TerraformFailed

if TYPE_CHECKING:
    from google.cloud import storage

SHOWN = 20
"""Of the newest generations."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One generation of a state.

    Attributes:
        number: Cloud Storage's, ever growing.
        written: when.
        serial: Terraform's own count of this state's changes; None where the object is no state.
        resources: how many it holds.
        live: whether it is the one that Terraform works with.
    """

    number: int
    written: datetime
    serial: int | None
    resources: int
    live: bool

    def __str__(self) -> str:
        what = "not a state" if self.serial is None else f"serial {self.serial}, {self.resources} resources"
        return f"{self.number}  {self.written:%Y-%m-%d %H:%M:%S}Z  {what}{'  (live)' if self.live else ''}"


def generations(client: "storage.Client", names: Names, stack: str) -> list[Generation]:
    """The newest generations of a stack's state, the newest first.

    Args:
        client: Cloud Storage.
        names: of the environment.
        stack: stack id.

    Raises:
        TerraformFailed: when there is none.
    """
    from google.api_core.exceptions import NotFound

    path = f"{stack}/default.tfstate"
    try:
        blobs = [blob for blob in client.list_blobs(names.state_bucket, prefix=path, versions=True) if blob.name == path]
    except NotFound:
        blobs = []
    if not blobs:
        raise TerraformFailed(
            f"gs://{names.state_bucket}/{path} has no generation, so there is nothing to restore. Nothing was changed. "
            f"What exists of the stack is found by its names: playbook adopt --env {names.environment.name}"
        )
    return [_described(blob) for blob in sorted(blobs, key=lambda blob: -blob.generation)[:SHOWN]]


def _described(blob: "storage.Blob") -> Generation:
    try:
        content = json.loads(blob.download_as_bytes())
        serial, resources = int(content["serial"]), len(content["resources"])
    except (ValueError, KeyError, TypeError):
        serial, resources = None, 0
    return Generation(number=blob.generation, written=blob.time_created, serial=serial, resources=resources, live=blob.time_deleted is None)


def restore(
    client: "storage.Client", names: Names, stack: str, generation: int, version: str, folder: Path, say: Callable[[str], None]
) -> Generation:
    """Make an older generation the newest, under the state's lock; the one before stays in the bucket.

    Args:
        client: Cloud Storage.
        names: of the environment.
        stack: stack id.
        generation: its number, of `generations`.
        version: Terraform's, for the lock.
        folder: working folder of the stack.
        say: where progress goes.

    Raises:
        TerraformFailed: when there is no such generation, it is no state, it is live already, or somebody holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with state.folder_lock(folder, say), state.state_lock(client, names, stack, "restore", version, folder, say):
        known = generations(client, names, stack)
        wanted = next((one for one in known if one.number == generation), None)
        if wanted is None or wanted.serial is None or wanted.live:
            why = "is live already" if wanted and wanted.live else "is not among them, or is no state"
            listed = "\n".join(f"  {one}" for one in known)
            raise TerraformFailed(f"generation {generation} of {stack} {why}:\n{listed}\nNothing was changed. Choose another one.")
        bucket = client.bucket(names.state_bucket)
        blob = bucket.blob(f"{stack}/default.tfstate")
        before = next((one.number for one in known if one.live), 0)
        bucket.copy_blob(blob, bucket, blob.name, source_generation=generation, if_generation_match=before)
        say(f"{stack}: restored {wanted}")
        return wanted


def run(environment: str, stack: str, generation: int | None, folder: Path, say: Callable[[str], None]) -> None:
    """List the generations of a stack's state, or restore one of them.

    Args:
        environment: its name.
        stack: e.g. `serving`.
        generation: its number; None lists them.
        folder: working folders.
        say: where progress goes.

    Raises:
        TerraformFailed: as `generations` and `restore`.
    """
    clients = Clients.of(environment)
    names, client, id_ = clients.names, clients.storage(), clients.names.stack(stack)
    # Also before a restore: of a stack that has none, no lock is taken and no folder made.
    known = generations(client, names, id_)
    if generation is None:
        for one in known:
            say(f"  {one}")
        say(f"one of them comes back: playbook restore --env {environment} --stack {stack} --generation N")
        return
    version = binary.find(binary.environment(os.environ)).version
    restore(client, names, id_, generation, version, (folder / environment / "stacks" / id_).absolute(), say)
    say(f"what has moved since: playbook run --env {environment} -- python -m infra.terraform plan --env {environment} --stack {stack}")
