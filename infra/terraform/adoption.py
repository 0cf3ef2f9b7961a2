"""Names are derived, so what exists under one is ours: a create that answers 409 is turned into an import.

That happens after a kill that no state survived, and to what Google never deletes, such as key rings.
"""

import json
from dataclasses import dataclass
from typing import Any

from infra.terraform.standin.types import Resource, table

FILE = "adopted.tf.json"


@dataclass(frozen=True)
class Planned:
    """A resource that a plan creates."""

    type: str
    values: dict[str, Any]


def created(plan: dict[str, Any]) -> dict[str, Planned]:
    """Address → resource, of everything that the plan (`terraform show -json`) creates."""
    return {
        change["address"]: Planned(change["type"], change["change"]["after"])
        for change in plan.get("resource_changes", [])
        if change["change"]["actions"] == ["create"]
    }


def imports(conflicts: dict[str, Planned]) -> dict[str, str]:
    """Address → import id, of those whose id is made of values that the plan knows."""
    ids = {}
    for address, planned in conflicts.items():
        type_ = table().get(planned.type)
        if isinstance(type_, Resource):
            known = {name: value for name, value in planned.values.items() if value is not None}
            try:
                ids[address] = (type_.id or type_.resource).format_map(known)
            except KeyError:
                continue
    return ids


def blocks(ids: dict[str, str]) -> str:
    """The import blocks, as Terraform's JSON."""
    return json.dumps({"import": [{"to": address, "id": id_} for address, id_ in sorted(ids.items())]}, indent=2)
