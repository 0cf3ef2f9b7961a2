"""The state bucket, made before any stack, and the lock on one state, which says who holds it and can be seen to be dead."""

import contextlib
import fcntl
import getpass
import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments import Names
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google
from infra.terraform.step import MISSING, Step, found

if TYPE_CHECKING:
    from google.cloud import storage

STORAGE = "https://storage.googleapis.com/storage/v1"
SOFT_DELETE_DAYS = 30
STATES_KEPT, STATES_KEPT_DAYS = 20, 365
"""A version of a state goes when it is older than a year and twenty newer ones are there."""
IDENTITY = "identity"
RETRY_SECONDS = 20
"""How long Google may be out of reach before that is said."""
SAVING_SECONDS = 120
"""How long an interrupted Terraform of a killed run may take to save its state."""


def bucket(names: Names, google: Google) -> Step:
    """The bucket that holds the environment's states: every version of a state can be had back for a year, a deleted one for a month.

    Access is by IAM alone and never public. An existing bucket is brought to the same settings.
    """
    url = f"{STORAGE}/b/{names.state_bucket}"
    condition = {"daysSinceNoncurrentTime": STATES_KEPT_DAYS, "numNewerVersions": STATES_KEPT}
    settings: dict[str, Any] = {
        "versioning": {"enabled": True},
        "labels": names.labels,
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
        "softDeletePolicy": {"retentionDurationSeconds": str(SOFT_DELETE_DAYS * 86_400)},
        "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": condition}]},
    }

    def lacking() -> str:
        there = found(google, url)
        if there is None:
            return MISSING
        different = [name for name, value in settings.items() if not _says(there.get(name), value)]
        return f"to be set: {', '.join(different)}" if different else ""

    def make() -> None:
        if found(google, url):
            google.call("PATCH", url, None, settings)
        else:
            body = {"name": names.state_bucket, "location": names.environment.data_location, **settings}
            google.call("POST", f"{STORAGE}/b", {"project": names.project}, body)

    return Step(f"state bucket gs://{names.state_bucket}", lacking, make)


def _says(there: Any, wanted: Any) -> bool:
    """Whether Google's value holds all that ours says; what Google adds does not count."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(_says(there.get(name), value) for name, value in wanted.items())
    return bool(there == wanted)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as it stands in the lock's own information.

    Attributes:
        identity: tells this working folder from every other one, on any machine.
        host: for people; containers share host names.
        pid: for people.
        folder: for people; two machines may both have this path.
    """

    identity: str
    host: str
    pid: int
    folder: str

    @classmethod
    def this_process(cls, folder: Path) -> "Holder":
        """This process, working in `folder`, which it has locked."""
        return cls(_identity(folder), socket.gethostname(), os.getpid(), str(folder.absolute()))


def _identity(folder: Path) -> str:
    """A random word kept in the working folder, and the number of its file: a copy of the folder has another one."""
    path = folder / IDENTITY
    if not path.exists():
        new = folder / f".{IDENTITY}.{os.getpid()}"
        new.write_text(uuid.uuid4().hex)
        os.replace(new, path)
    return f"{path.read_text()}-{path.stat().st_ino}"


@contextmanager
def folder_lock(folder: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Hold the working folder; the descriptor that is yielded must be inherited by Terraform.

    The kernel frees it when the last process that holds it is gone. So whoever gets it knows that no Terraform of an earlier
    run in this folder is alive, also after the hardest kill.

    Raises:
        TerraformFailed: when a living run holds it.
    """
    path = folder / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        waiting_until = time.monotonic() + SAVING_SECONDS
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pid = int(os.pread(descriptor, 32, 0) or b"0")
                if _alive(pid) or time.monotonic() > waiting_until:
                    raise TerraformFailed(
                        f"process {pid} is working in {folder}. Two at a time would spoil the state. "
                        f"Wait for it, or end it: kill -INT {pid}"
                    ) from None
                if not told:
                    say("waiting for the Terraform of a killed run to save its state")
                told = True
                time.sleep(0.2)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _alive(pid: int) -> bool:
    return pid > 0 and Path(f"/proc/{pid}").exists()


@contextmanager
def state_lock(
    client: "storage.Client", names: Names, stack: str, operation: str, version: str, folder: Path, say: Callable[[str], None]
) -> Iterator[None]:
    """Hold Terraform's own lock on the state of `stack`, from the plan to the end of the apply.

    It is the object that the gcs backend would write, with our holder in its information; the caller holds the folder's lock and
    runs Terraform with `-lock=false`. A lock whose holder worked in this very folder is therefore a dead one, and released; whether it
    is this one, the folder's random identity says. The empty state of a new stack is written here as well, since Terraform would take
    its lock for that in any case.

    Args:
        client: Cloud Storage.
        names: names of the environment.
        stack: stack id.
        operation: what the lock is for.
        version: Terraform's version.
        folder: working folder, locked.
        say: where progress goes.

    Raises:
        TerraformFailed: when somebody else holds it, or there is no state bucket.
    """
    from google.api_core import exceptions
    from google.cloud.storage.retry import DEFAULT_RETRY

    retry = DEFAULT_RETRY.with_timeout(RETRY_SECONDS)
    blob = client.bucket(names.state_bucket).blob(f"{stack}/default.tflock")
    holder = Holder.this_process(folder)
    text = json.dumps(_information(holder, operation, version, f"gs://{names.state_bucket}/{blob.name}"))
    try:
        try:
            blob.upload_from_string(text, content_type="application/json", if_generation_match=0, retry=retry)
        except exceptions.PreconditionFailed:
            _release_dead(blob, holder, stack, say)
            blob.upload_from_string(text, content_type="application/json", if_generation_match=0)
    except exceptions.NotFound:
        raise TerraformFailed(
            f"there is no state bucket {names.state_bucket}. Nothing was changed. Make it: make bootstrap ENV={names.environment.name}"
        ) from None
    except exceptions.PreconditionFailed:
        raise TerraformFailed(
            f"somebody else took the lock on {stack} just now. Nothing was changed. Try again when they are done."
        ) from None
    try:
        empty = {"version": 4, "terraform_version": version, "serial": 0, "lineage": str(uuid.uuid4()), "outputs": {}, "resources": []}
        # Who may only plan reads states and writes locks.
        with contextlib.suppress(exceptions.PreconditionFailed, exceptions.Forbidden):
            start = client.bucket(names.state_bucket).blob(f"{stack}/default.tfstate")
            start.upload_from_string(json.dumps(empty), content_type="application/json", if_generation_match=0)
        yield
    finally:
        with contextlib.suppress(exceptions.NotFound, exceptions.PreconditionFailed):
            blob.delete(if_generation_match=blob.generation)


def current(client: "storage.Client", names: Names, stack: str) -> tuple[str, int]:
    """Lineage and serial of the state of `stack`; those of no state where there is none."""
    from google.api_core.exceptions import NotFound

    try:
        state = json.loads(client.bucket(names.state_bucket).blob(f"{stack}/default.tfstate").download_as_bytes())
    except NotFound:
        return "", 0
    return str(state["lineage"]), int(state["serial"])


def _information(holder: Holder, operation: str, version: str, path: str) -> dict[str, Any]:
    """What the gcs backend would write, in its own spelling."""
    return {
        "ID": str(uuid.uuid4()),
        "Operation": operation,
        "Info": json.dumps(holder.__dict__),
        "Who": f"{getpass.getuser()}@{holder.host}",
        "Version": version,
        "Created": datetime.now(UTC).isoformat(),
        "Path": path,
    }


def _release_dead(blob: "storage.Blob", holder: Holder, stack: str, say: Callable[[str], None]) -> None:
    """Delete the lock of a dead run of this folder; one that was released meanwhile is gone already.

    Raises:
        TerraformFailed: when it is somebody else's.
        PreconditionFailed: when somebody else took it meanwhile.
    """
    from google.api_core import exceptions

    try:
        blob.reload()
        information = json.loads(blob.download_as_bytes(if_generation_match=blob.generation))
        try:
            other: Holder | None = Holder(**json.loads(information.get("Info") or "null"))
        except (TypeError, ValueError):
            other = None
        if other is None or other.identity != holder.identity:
            raise TerraformFailed(
                f"the state of {stack} is locked by {information.get('Who')} since {information.get('Created')} "
                f"({information.get('Operation')}; {information.get('Info') or 'plain Terraform'}). Nothing was changed. Wait for them; "
                f"when you are sure that nobody is at work: terraform -chdir={holder.folder} force-unlock {blob.generation}"
            )
        blob.delete(if_generation_match=blob.generation)
        say(f"released the lock on {stack}: its holder, process {other.pid} of this folder, is dead")
    except exceptions.NotFound:
        return
