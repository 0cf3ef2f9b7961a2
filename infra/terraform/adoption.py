"""Names are derived, so what exists under one is ours: import blocks for it, made from the values of a plan that would create it.

An apply makes them where a create answers 409: after a kill that no state survived, and for what Google never deletes, such as key
rings. `existing` makes them ahead, for people to review.
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


def replaced(plan: dict[str, Any]) -> dict[str, list[str]]:
    """Address → attributes that force it, of everything that the plan imports and destroys in the same breath."""
    return {
        change["address"]: [".".join(map(str, path)) for path in change["change"].get("replace_paths", [])]
        for change in plan.get("resource_changes", [])
        if "importing" in change["change"] and "delete" in change["change"]["actions"]
    }


def imported(plan: dict[str, Any]) -> dict[str, list[str]]:
    """Address → attributes that change to what is declared, of everything that the plan imports and keeps."""
    found = {}
    for change in plan.get("resource_changes", []):
        if "importing" in change["change"] and "delete" not in change["change"]["actions"]:
            before, after = change["change"].get("before") or {}, change["change"].get("after") or {}
            found[change["address"]] = sorted(name for name in after if before.get(name) != after[name])
    return found


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
