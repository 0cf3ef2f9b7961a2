"""Saved plans on their way to who applies them: in the bucket of plans, pinned by generation and digest in the ledger, gone after use."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from environments.clients import Clients
from infra.terraform.errors import TerraformFailed
from infra.terraform.stack import PLAN, REVIEWED, Stack, write
from releases import ledger
from releases.digest import Planned
from releases.ledger import Entry

Kept = dict[str, Any]
"""What the ledger says of one kept plan: its identity, what was written beside it, and the object."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A saved plan, as it was read under its stack's locks.

    Attributes:
        content: Terraform's plan file.
        identity: what identifies it.
        made_from: what was written beside it.
    """

    content: bytes
    identity: Planned
    made_from: dict[str, Any]


def read(stack: Stack) -> Plan:
    """The saved plan of a stack.

    Raises:
        TerraformFailed: when there is none, or it does not say what it was made from.
    """
    return Plan(content=(stack.folder / PLAN).read_bytes(), identity=stack.identity(), made_from=stack.made_from())


def keep(clients: Clients, found: Mapping[str, Plan], report: str) -> Entry:
    """Put saved plans into the bucket, and tell the ledger which, and of which review.

    Args:
        clients: of the environment.
        found: stack id → its plan.
        report: digest of the review.

    Raises:
        GoogleAPIError: when the bucket is not there or may not be added to.
    """
    run = uuid.uuid4().hex
    stacks = {id_: _put(clients, plan, f"{run}/{id_}") for id_, plan in found.items()}
    return ledger.append(clients, "plan", {"report": report, "stacks": stacks})


def _put(clients: Clients, plan: Plan, name: str) -> Kept:
    blob = clients.storage().bucket(clients.names.plan_bucket).blob(name)
    # Whoever plans may add and cannot look: of the object nothing is known but what its upload answers.
    blob.upload_from_string(plan.content, content_type="application/octet-stream", if_generation_match=0)
    return {
        "plan": asdict(plan.identity),
        "made_from": plan.made_from,
        "object": blob.name,
        "generation": blob.generation,
        "sha256": hashlib.sha256(plan.content).hexdigest(),
    }


def plans(entry: Entry) -> dict[str, Planned]:
    """Stack id → identity of the plans that an entry tells of."""
    return {stack: Planned(**kept["plan"]) for stack, kept in entry.body["stacks"].items()}


def holding(entries: Sequence[Entry], wanted: Planned) -> Entry | None:
    """The last entry that tells of this very plan."""
    for entry in reversed(entries):
        if entry.kind == "plan" and wanted.stack in entry.body["stacks"] and plans(entry)[wanted.stack] == wanted:
            return entry
    return None


def fetch(clients: Clients, kept: Kept, stack: Stack) -> None:
    """Put a kept plan into the working folder of its stack.

    Raises:
        TerraformFailed: when it is gone, or is not what was kept.
    """
    from google.api_core.exceptions import NotFound, PreconditionFailed

    where = f"gs://{clients.names.plan_bucket}/{kept['object']}"
    environment = clients.names.environment.name
    try:
        blob = clients.storage().bucket(clients.names.plan_bucket).blob(kept["object"])
        content = blob.download_as_bytes(if_generation_match=kept["generation"])
    except (NotFound, PreconditionFailed):
        raise TerraformFailed(
            f"the plan of {stack.id} is no longer at {where}: it was applied, or is more than a day old. Nothing was changed. "
            f"Plan again; when the new plan is equal, the approval holds: make plan ENV={environment}"
        ) from None
    if hashlib.sha256(content).hexdigest() != kept["sha256"]:
        raise TerraformFailed(f"{where} is not the plan that was kept: it was changed since. Nothing was changed. Plan again.")
    new = stack.folder / f".{PLAN}.new"
    new.write_bytes(content)
    new.chmod(0o600)
    new.replace(stack.folder / PLAN)
    write(stack.folder / REVIEWED, json.dumps(kept["made_from"]))


def discard(clients: Clients, kept: Kept) -> None:
    """Delete a plan that was applied."""
    from google.api_core.exceptions import NotFound, PreconditionFailed

    try:
        clients.storage().bucket(clients.names.plan_bucket).blob(kept["object"]).delete(if_generation_match=kept["generation"])
    except (NotFound, PreconditionFailed):
        return
