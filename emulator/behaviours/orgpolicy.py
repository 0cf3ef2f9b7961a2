"""Organisation policies: the one in effect on a project is its own, else that of the nearest folder or organisation above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, on

if TYPE_CHECKING:
    from emulator.cloud import Cloud


@on(
    "orgpolicy",
    "projects.policies.getEffectivePolicy",
    "folders.policies.getEffectivePolicy",
    "organizations.policies.getEffectivePolicy",
)
async def effective(call: Call, cloud: Cloud) -> Json:
    """Rules of a policy that inherits come beside those above it; where nobody set any, the constraint allows everything."""
    kept = cloud.store.of("orgpolicy")
    constraint = call.name.rpartition("/policies/")[2]
    rules: list[Json] = []
    for place in _upwards(call.name.partition("/policies/")[0], cloud):
        spec = (kept.get(f"{place}/policies/{constraint}") or {}).get("spec")
        if spec is None or spec.get("reset"):
            continue
        rules += spec.get("rules", [])
        if not spec.get("inheritFromParent"):
            break
    return {"name": call.name, "spec": {"rules": rules}}


def _upwards(place: str, cloud: Cloud) -> list[str]:
    """A project and what it lies in. Folders are not nested here."""
    if not place.startswith("projects/"):
        return [place]
    parent = cloud.projects.get(place.partition("/")[2]).get("parent")
    return [place, *([f"{parent['type']}s/{parent['id']}"] if parent else [])]
