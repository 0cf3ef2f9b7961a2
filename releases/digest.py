"""What identifies a plan: all that could make it do something else than was reviewed.

Two plans of one digest do the same: they change the same resources in the same way, from the same configuration and state, by the same
Terraform and provider, at the same commit. The time of planning is not among it, so that an approval holds for a new plan that is equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ACTS = ("resource_changes", "output_changes", "deferred_changes", "action_invocations", "variables", "complete", "errored")
"""What a plan's JSON says it would do. The rest is said elsewhere in it (`planned_values`), pinned by the state's serial (`prior_state`,
`resource_drift`) or by the configuration's own digest, or is the time."""
WORDS = {
    "changes": "it would do something else",
    "configuration": "the configuration moved",
    "lock_file": "the provider lock file is another",
    "terraform": "another Terraform made it",
    "provider": "another provider made it",
    "lineage": "the state was made anew",
    "serial": "the state moved",
    "commit": "it was planned from another commit",
}
"""What differs → what that means."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The saved plan of one stack.

    Attributes:
        stack: stack id.
        changes: digest of what it would do.
        configuration: digest of the synthesised configuration.
        lock_file: digest of the provider lock file that the plan carries; empty where there is none.
        terraform: what made it, e.g. `terraform 1.11.4`.
        provider: what answered for the google provider.
        lineage: of the state that it was made from.
        serial: of that state.
        commit: from which it was planned.
    """

    stack: str
    changes: str
    configuration: str
    lock_file: str
    terraform: str
    provider: str
    lineage: str
    serial: int
    commit: str

    @property
    def digest(self) -> str:
        """What an approval names."""
        return sha256(asdict(self))


def of_changes(shown: Mapping[str, Any]) -> str:
    """Digest of what a plan would do, from what `terraform show -json` says of it."""
    acts = {key: shown[key] for key in ACTS if key in shown}
    changes = [change for change in acts.get("resource_changes", []) if _acts(change)]
    acts["resource_changes"] = sorted(changes, key=lambda change: (change["address"], change.get("deposed", "")))
    acts["output_changes"] = {name: it for name, it in acts.get("output_changes", {}).items() if it.get("actions") != ["no-op"]}
    return sha256(acts)


def _acts(change: Mapping[str, Any]) -> bool:
    """Whether a planned change does anything: what is left alone may have been read anew since, e.g. with another etag."""
    return change["change"]["actions"] != ["no-op"] or "importing" in change["change"] or "previous_address" in change


def of_all(plans: Mapping[str, str]) -> str:
    """Digest of the plans of all stacks, by theirs: what a review's first line says."""
    return sha256(dict(plans))


def moved(approved: Planned, found: Planned) -> list[str]:
    """In words, what makes one plan another than the one that was approved; nothing when they are the same."""
    before, after = asdict(approved), asdict(found)
    said = [f"{word} ({_short(before[key])} → {_short(after[key])})" for key, word in WORDS.items() if before[key] != after[key]]
    # Whatever moved, the changes follow from it.
    return said[1:] if len(said) > 1 and before["changes"] != after["changes"] else said


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) >= 40 and " " not in text else text or "none"


def sha256(value: Any) -> str:
    """Digest of a JSON value: equal values have equal digests, in whatever order their keys come."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
