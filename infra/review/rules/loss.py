"""What is destroyed, replaced or forgotten, and whether anything brings it back."""

from collections.abc import Iterator, Sequence

from infra.review.change import Planned
from infra.review.report import Finding, FindingId, Level, LostResource
from infra.review.types import Known, known

GRANTS = ("_iam_member", "_iam_binding", "_iam_policy", "_iam_audit_config", "google_bigquery_dataset_access", "_access_control")
"""Types whose end takes nothing away but a grant: the section on access tells of it."""
REPEATED = {"google_storage_bucket_object", "google_monitoring_dashboard", "time_sleep", "time_static", "time_offset"}
"""What is made again from the configuration without anybody noticing."""
UNREADABLE = {"DISABLED", "DESTROYED", "DESTROY_SCHEDULED"}
WORDS = {
    "delete": "destroyed",
    "replace": "replaced",
    "forget": "left to itself: Terraform forgets it and it stays, paid for and unreviewed",
}
REASONS = {
    "delete_because_no_resource_config": "it is no longer declared",
    "delete_because_no_module": "its module is no longer declared",
    "delete_because_wrong_repetition": "it is declared another number of times",
    "delete_because_count_index": "its index is no longer declared",
    "delete_because_each_key": "its key is no longer declared",
    "delete_because_no_move_target": "it would move to an address that is not declared",
    "replace_because_tainted": "it is tainted: something failed while it was made",
    "replace_by_request": "somebody asked for it with -replace",
    "replace_by_triggers": "something changes that triggers it",
    "replace_because_cannot_update": "Google cannot change it in place",
}
"""Terraform's word for why → what that means."""
STRANGE = Known(kind="plain", lost="nobody here knows what goes with it", undo="ask whoever knows the type")


def losses(resources: Sequence[Planned]) -> Iterator[Finding]:
    """A finding for each resource that is destroyed, replaced or forgotten."""
    for it in resources:
        if it.ends or it.action == "forget":
            yield _finding(it)
        elif it.type == "google_kms_crypto_key_version" and it.turns("state") and it.will("state") in UNREADABLE:
            text = f"the key version would be {str(it.will('state')).lower()}: what it encrypts cannot be read"
            yield it.finding("key-destroy", "block", text, "Leave it ENABLED until nothing is encrypted with it any more.", "state")


def lost(resources: Sequence[Planned]) -> list[LostResource]:
    """Every such resource with what goes and how it comes back, the stateful ones first."""
    found = [_lost(it) for it in resources if (it.ends or it.action == "forget") and not it.type.endswith(GRANTS)]
    return sorted(found, key=lambda one: (not one.stateful, one.stack, one.address, one.action))


def stateful(type_: str) -> bool:
    """Whether a type holds what cannot be made again from the configuration."""
    return (known(type_) or STRANGE).kind in {"holds", "key"}


def _finding(it: Planned) -> Finding:
    id_, level = _kind(it)
    held = known(it.type) or STRANGE
    because = _because(it)
    text = f"{it.name} would be {WORDS[it.action]}{because}"
    if it.action != "forget":
        text += f". Lost: {held.lost}"
    keep = f"take back the change of {_forcing(it)}" if _forcing(it) else "leave its declaration in place"
    if it.action == "forget":
        return it.finding(id_, level, text, "To keep it under Terraform, take back the removed block; to adopt it again, import it.")
    return it.finding(id_, level, text, f"To keep it, {keep}. Afterwards: {held.undo}.", _forcing(it).partition(",")[0])


def _kind(it: Planned) -> tuple[FindingId, Level]:
    kind = (known(it.type) or STRANGE).kind
    if it.action == "forget":
        return "forget", "sign-off"
    if kind == "key":
        return "key-destroy", "block"
    if kind == "holds":
        return ("stateful-replace" if it.action == "replace" else "stateful-destroy"), "block"
    if kind == "identity":
        return ("identity-replace" if it.action == "replace" else "destroy"), "sign-off"
    level: Level = "note" if it.type.endswith(GRANTS) or it.type in REPEATED else "sign-off"
    return ("replace" if it.action == "replace" else "destroy"), level


def _lost(it: Planned) -> LostResource:
    held = known(it.type) or STRANGE
    assert it.change is not None
    return LostResource(
        stack=it.stack,
        address=it.address,
        type=it.type,
        action=it.change.action,
        stateful=stateful(it.type),
        lost="nothing: it stays where it is" if it.action == "forget" else held.lost,
        undo="import it again" if it.action == "forget" else held.undo,
        forced_by=tuple(attribute for attribute in it.change.attributes if attribute.forces_replacement),
        reason=it.change.reason,
    )


def _forcing(it: Planned) -> str:
    return ", ".join(it.change.forced_by) if it.change else ""


def _because(it: Planned) -> str:
    """Why, in words: the attribute with its values where one forces it, else Terraform's own reason."""
    assert it.change is not None
    forced = [attribute for attribute in it.change.attributes if attribute.forces_replacement]
    if forced:
        return ", since " + " and ".join(f"{one.path} turns from {_text(one.before)} to {_text(one.after)}" for one in forced[:3])
    reason = REASONS.get(it.change.reason, it.change.reason.replace("_", " "))
    return f", since {reason}" if reason else ""


def _text(value: object) -> str:
    text = "nothing" if value in (None, "", [], {}) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
