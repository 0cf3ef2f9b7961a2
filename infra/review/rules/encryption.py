"""Keys: taken away, exchanged, or turned more seldom."""

from collections.abc import Iterator, Sequence

from infra.review.change import Planned
from infra.review.report import Finding
from infra.review.rules.retention import length
from infra.review.rules.world import said

KEYS = {
    "default_kms_key_name",
    "encryption_key",
    "encryption_key_name",
    "key_name",
    "kms_key",
    "kms_key_id",
    "kms_key_name",
    "kms_key_self_link",
    "kms_key_version_name",
    "boot_disk_kms_key",
    "customer_managed_key",
    "crypto_key_name",
    "crypto_key",
}
"""Attributes that name a key which encrypts what the resource holds."""
NOT_FOR_ITSELF = ("google_kms_", "google_cloudbuild_trigger", "google_binary_authorization_", "google_privateca_")
"""Types whose attribute of such a name is about another thing."""
SWITCHES = {
    "enable_confidential_compute",
    "enable_secure_boot",
    "enable_vtpm",
    "enable_integrity_monitoring",
    "disk_encryption",
    "enable_cmek",
}
REMEDY = "Name the key that was there; whoever may no longer read is told by withdrawing the key."


def weakened(resources: Sequence[Planned]) -> Iterator[Finding]:
    """A finding for each resource that is less well encrypted than before."""
    for it in resources:
        if it.before is None or it.after is None or not it.change:
            continue
        if not it.type.startswith(NOT_FOR_ITSELF):
            yield from _exchanged(it)
        yield from _switched(it)
        if it.type == "google_kms_crypto_key":
            yield from _turned(it)


def _exchanged(it: Planned) -> Iterator[Finding]:
    for path, old, new in it.turned:
        # The version of a key in use moves by itself.
        key, now = _key(old), _key(new)
        if path[-1] in KEYS and key and key != now:
            text = f"{it.name} would no longer be encrypted with {said(key)}"
            text += f", but with {said(now)}" if now else ": only Google's own keys would be left"
            yield it.finding("encryption-weakened", "sign-off", text, REMEDY, ".".join(path))


def _key(value: object) -> str:
    return str(value or "").partition("/cryptoKeyVersions/")[0]


def _switched(it: Planned) -> Iterator[Finding]:
    for path, old, new in it.turned:
        off = path[-1] in SWITCHES and old in (True, "CMEK") and new in (False, None, "", "GMEK")
        off = off or (path[-2:] == ("database_encryption", "state") and old == "ENCRYPTED" and new != old)
        if off:
            text = f"{it.name} would be protected less: {'.'.join(path)} turns from {said(old)} to {said(new)}"
            yield it.finding("encryption-weakened", "sign-off", text, "Leave it on.", ".".join(path))


def _turned(it: Planned) -> Iterator[Finding]:
    """A key that is turned more seldom, or held in software instead of a hardware module."""
    old, new = length(it.was("rotation_period")), length(it.will("rotation_period"))
    if old and (not new or new > old):
        text = f"{it.name} would be turned every {said(it.will('rotation_period'))} instead of {said(it.was('rotation_period'))}"
        text = text if new else f"{it.name} would never be turned again"
        yield it.finding("encryption-weakened", "sign-off", text, "Leave the rotation period as it was.", "rotation_period")
    level = "version_template.protection_level"
    if it.was(level) in ("HSM", "EXTERNAL", "EXTERNAL_VPC") and it.will(level) not in (it.was(level), "HSM"):
        text = f"{it.name} would be held in {said(it.will(level))} instead of {said(it.was(level))}"
        yield it.finding("encryption-weakened", "sign-off", text, "Leave the protection level as it was.", level)
