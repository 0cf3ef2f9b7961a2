"""Switches that keep Terraform or Google from destroying something, turned off."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.review.change import Planned
from infra.review.report import UNKNOWN, Finding
from infra.review.rules.world import said

PROTECTING: Mapping[str, frozenset[Any]] = {
    "delete_protection": frozenset({True}),
    "delete_protection_state": frozenset({"DELETE_PROTECTION_ENABLED"}),
    "deletion_policy": frozenset({"PREVENT", "ABANDON", "DEFAULT"}),
    "deletion_protection": frozenset({True, "PROTECTED", "true"}),
    "deletion_protection_enabled": frozenset({True}),
    "enable_deletion_protection": frozenset({True}),
    "enable_drop_protection": frozenset({True}),
    "default_event_based_hold": frozenset({True}),
    "event_based_hold": frozenset({True}),
    "temporary_hold": frozenset({True}),
    "immutable_tags": frozenset({True}),
    "prevent_destroy": frozenset({True}),
}
"""Attribute → the values with which it protects."""
ENDANGERING = {"auto_delete", "delete_contents_on_destroy", "force_delete", "force_destroy"}
"""Attributes that protect while they are not true."""
REMEDY = "Leave it as it was; whoever means to destroy something turns it off in a change of its own, just before."


def switched_off(resources: Sequence[Planned]) -> Iterator[Finding]:
    """A finding for each switch that protected and no longer does."""
    for it in resources:
        if it.type == "google_resource_manager_lien" and it.ends:
            yield it.finding(
                "protection-off", "sign-off", f"the lien on {said(it.was('parent'))} would be removed: it could be deleted", REMEDY
            )
        for path, old, new in it.turned:
            protecting = PROTECTING.get(path[-1])
            lost = _in(old, protecting) and not _in(new, protecting) and new != UNKNOWN
            if lost or (path[-1] in ENDANGERING and old is not True and new is True):
                yield _finding(it, path, old, new)


def _in(value: Any, values: frozenset[Any] | None) -> bool:
    return values is not None and isinstance(value, str | bool) and value in values


def _finding(it: Planned, path: tuple[str, ...], old: Any, new: Any) -> Finding:
    text = f"{it.name} would lose a protection: {'.'.join(path)} turns from {said(old)} to {said(new)}"
    return it.finding("protection-off", "sign-off", text, REMEDY, ".".join(path))
