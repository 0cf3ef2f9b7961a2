"""What keeps an object from being deleted or replaced: holds, its own retention, and the retention policy of its bucket.

https://cloud.google.com/storage/docs/bucket-lock, https://cloud.google.com/storage/docs/object-holds
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from emulator.behaviours import Refusal

Json = dict[str, Any]

HOLDS = {"temporaryHold": "Temporary", "eventBasedHold": "Event-Based"}
RELEASED = "_released"
"""When an event-based hold was given up: the bucket's retention period begins there; kept in the store, never shown."""
REASON = "retentionPolicyNotMet"


def check(owner: Json, resource: Json) -> None:
    """Lets an object go, or not.

    Args:
        owner: Its bucket.
        resource: The object.

    Raises:
        Refusal: It is held, or its time has not come.
    """
    which = f"Object '{resource['bucket']}/{resource['name']}'"
    for field, kind in HOLDS.items():
        if resource.get(field):
            raise Refusal(
                403, "", f"{which} is under active {kind} hold and cannot be deleted or overwritten until hold is removed.", reason=REASON
            )
    until = expiry(owner, resource)
    if until is not None and until > datetime.now(UTC):
        message = f"{which} is subject to bucket's retention policy or object retention and cannot be deleted or overwritten until"
        raise Refusal(403, "", f"{message} {until.isoformat()}", reason=REASON)


def expiry(owner: Json, resource: Json) -> datetime | None:
    """When an object may go; none where nothing keeps it."""
    found = []
    if period := int(owner.get("retentionPolicy", {}).get("retentionPeriod", 0)):
        found.append(datetime.fromisoformat(resource.get(RELEASED) or resource["timeCreated"]) + timedelta(seconds=period))
    if own := resource.get("retention", {}).get("retainUntilTime"):
        found.append(datetime.fromisoformat(own))
    return max(found, default=None)
