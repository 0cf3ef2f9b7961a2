"""Lifecycle rules of buckets: objects are deleted or become colder by age, generation, name and class.

Google follows them about once a day; here the emulator does after its start, daily, and when it is asked.
https://cloud.google.com/storage/docs/lifecycle
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal
from emulator.clock import now
from emulator.engines.journal import SESSIONS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

COLDER = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
"""A rule moves an object to a later one of these, never back."""
LOG = "lifecycle"
"""What the rules did is logged under this name."""
PAUSE = 100
"""Objects after which other calls are answered."""


@dataclass
class Swept:
    """What one run did."""

    deleted: int = 0
    moved: int = 0
    """To another class."""
    aborted: int = 0
    """Uploads in parts that nobody completed."""
    expired: int = 0
    """Soft-deleted objects whose retention had ended."""


async def run_lifecycle(cloud: Cloud, moment: datetime) -> Swept:
    """Follows the rules of every bucket once.

    Args:
        cloud: The cloud.
        moment: What counts as the present, with its zone: later than now, it shows what rules would do by then.
    """
    swept = Swept()
    for bucket in cloud.store.of("storage").list("b", "Bucket"):
        swept.expired += cloud.objects.older.expire(bucket["name"], moment)
        rules = bucket.get("lifecycle", {}).get("rule", [])
        if rules:
            _abort(cloud, bucket["name"], rules, moment, swept)
            await _follow(cloud, bucket["name"], rules, moment, swept)
    if swept != Swept():
        cloud.log(LOG, f"Deleted {swept.deleted}, moved {swept.moved}, aborted {swept.aborted}, expired {swept.expired}.")
    return swept


async def _follow(cloud: Cloud, bucket: str, rules: list[Json], moment: datetime, swept: Swept) -> None:
    for count, (found, newer) in enumerate(_generations(cloud, bucket)):
        if count % PAUSE == 0:
            await asyncio.sleep(0)
        actions = [rule.get("action", {}) for rule in rules if meets(found, rule.get("condition", {}), newer, moment)]
        kinds = {action.get("type") for action in actions}
        generation = found["generation"] if "timeDeleted" in found else ""
        try:
            if "Delete" in kinds:
                cloud.objects.delete(bucket, found["name"], generation)
                swept.deleted += 1
            elif (colder := _coldest(found, actions)) != found["storageClass"]:
                fields = {"storageClass": colder, "timeStorageClassUpdated": now()}
                cloud.objects.update(bucket, found["name"], fields, generation)
                swept.moved += 1
        except Refusal as refusal:
            # Held or retained: a later run will find it free.
            cloud.log(LOG, refusal.message)


def _generations(cloud: Cloud, bucket: str) -> Iterator[tuple[Json, int]]:
    """Every generation that is not soft-deleted, and how many newer ones its object has."""
    older = cloud.objects.older.list(bucket, "")
    newer: dict[str, int] = {}
    for name in list(cloud.objects.names(bucket)):
        if (live := cloud.objects.get(bucket, name)) is not None:
            newer[name] = 1
            yield live, 0
    for found in reversed(older):
        yield found, newer.get(found["name"], 0)
        newer[found["name"]] = newer.get(found["name"], 0) + 1


def _coldest(found: Json, actions: list[Json]) -> str:
    classes = [found["storageClass"], *(action.get("storageClass", "") for action in actions if action.get("type") == "SetStorageClass")]
    known = [one for one in classes if one in COLDER]
    return str(max(known, key=COLDER.index)) if found["storageClass"] in COLDER else str(found["storageClass"])


def _abort(cloud: Cloud, bucket: str, rules: list[Json], moment: datetime, swept: Swept) -> None:
    conditions = [rule.get("condition", {}) for rule in rules if rule.get("action", {}).get("type") == "AbortIncompleteMultipartUpload"]
    for session, kept in cloud.store.of(SESSIONS).items(kind="Multipart"):
        begun = {
            "name": kept["name"],
            "timeCreated": datetime.fromtimestamp(kept["begun"], UTC).isoformat(),
            "size": "0",
            "storageClass": "",
        }
        if kept["bucket"] == bucket and any(meets(begun, condition, 0, moment) for condition in conditions):
            cloud.objects.abandon(session)
            swept.aborted += 1


def meets(found: Json, condition: Json, newer: int, moment: datetime) -> bool:
    """Whether a generation meets every part of a rule's condition.

    Args:
        found: The object resource.
        condition: Of the rule.
        newer: How many newer generations the object has, the live one included.
        moment: What counts as the present.
    """
    facts = Facts(found, newer, moment)
    return all(field in CONDITIONS and CONDITIONS[field](facts, value) for field, value in condition.items() if value is not None)


@dataclass(frozen=True)
class Facts:
    """What conditions ask about."""

    found: Json
    newer: int
    moment: datetime

    def old(self, field: str, days: int) -> bool:
        """Whether a time of the object, if it has one, is so many days ago."""
        since = self._time(field)
        return since is not None and since + timedelta(days=days) <= self.moment

    def before(self, field: str, day: str) -> bool:
        """Whether a time of the object, if it has one, lies before a day in UTC."""
        since = self._time(field)
        return since is not None and since < datetime.fromisoformat(day).replace(tzinfo=UTC)

    def _time(self, field: str) -> datetime | None:
        return datetime.fromisoformat(self.found[field]) if field in self.found else None


CONDITIONS: dict[str, Callable[[Facts, Any], bool]] = {
    "age": lambda facts, days: facts.old("timeCreated", days),
    "daysSinceNoncurrentTime": lambda facts, days: facts.old("timeDeleted", days),
    "daysSinceCustomTime": lambda facts, days: facts.old("customTime", days),
    "createdBefore": lambda facts, day: facts.before("timeCreated", day),
    "noncurrentTimeBefore": lambda facts, day: facts.before("timeDeleted", day),
    "customTimeBefore": lambda facts, day: facts.before("customTime", day),
    "isLive": lambda facts, live: live == ("timeDeleted" not in facts.found),
    "numNewerVersions": lambda facts, count: facts.newer >= count,
    "matchesPrefix": lambda facts, prefixes: facts.found["name"].startswith(tuple(prefixes)),
    "matchesSuffix": lambda facts, suffixes: facts.found["name"].endswith(tuple(suffixes)),
    "matchesStorageClass": lambda facts, classes: facts.found["storageClass"] in classes,
    "sizeAboveBytes": lambda facts, size: int(facts.found["size"]) > int(size),
    "sizeBelowBytes": lambda facts, size: int(facts.found["size"]) < int(size),
}
"""Part of a condition → its test."""
