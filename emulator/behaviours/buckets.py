"""Cloud Storage's buckets: the generic rule, and what it cannot know of names, locations, retention and notifications."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from emulator.behaviours import Call, Json, Refusal, Response, completes, defaults, not_emulated, on, refuses
from emulator.behaviours.storage import check_metageneration, enabled, unchanged
from emulator.clock import now
from emulator.engines.changes import CONFIGURATIONS, EVENTS, HOST, agent, checked
from emulator.engines.lifecycle import CONDITIONS
from emulator.engines.object_resource import CLASSES
from emulator.engines.objects import BUCKET
from emulator.projects import project_number

if TYPE_CHECKING:
    from emulator.cloud import Cloud

MULTI_REGIONS = {"US", "EU", "ASIA"}
SOFT_DELETE_SECONDS = (604_800, 7_776_000)
LONGEST_RETENTION_SECONDS = 3_155_760_000
NOTIFICATIONS, NOTIFICATIONS_AN_EVENT, CUSTOM_ATTRIBUTES = 100, 10, 10
"""https://cloud.google.com/storage/docs/pubsub-notifications"""
ACTIONS = {"Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"}
DATES = ("createdBefore", "customTimeBefore", "noncurrentTimeBefore")

defaults(
    "storage",
    "Bucket",
    location="US",
    storageClass="STANDARD",
    softDeletePolicy={"retentionDurationSeconds": str(SOFT_DELETE_SECONDS[0])},
    iamConfiguration={"publicAccessPrevention": "inherited", "uniformBucketLevelAccess": {"enabled": False}},
)


refuses(
    "storage",
    "folders.insert",
    "managedFolders.insert",
    "anywhereCaches.insert",
    "rapidCaches.insert",
    "projects.hmacKeys.create",
    "objectAccessControls.insert",
    "objectAccessControls.patch",
    "objectAccessControls.update",
)


@completes("storage", "Bucket")
def bucket_completed(call: Call, cloud: Cloud, name: str, bucket: Json) -> None:
    """Locations come back in capitals: in lower case, Terraform would replace the bucket. A class that is taken away is the usual one."""
    bucket.setdefault("storageClass", "STANDARD")
    bucket["location"] = bucket.get("location", "US").upper()
    bucket["locationType"] = "multi-region" if bucket["location"] in MULTI_REGIONS else "region"
    if project := call.one("project"):
        bucket["projectNumber"] = project_number(cloud.projects.by_id(f"projects/{project}").removeprefix("projects/"))
    access = bucket.setdefault("iamConfiguration", {})
    access.setdefault("publicAccessPrevention", "inherited")
    if bucket["storageClass"] not in CLASSES:
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid storage class {bucket['storageClass']!r}: one of {', '.join(sorted(CLASSES))}.")
    if bucket.get("hierarchicalNamespace", {}).get("enabled"):
        raise not_emulated("A bucket with a hierarchical namespace")
    _check_lifecycle(bucket)
    before = cloud.store.of("storage").get(name) or {}
    _check_soft_deletion(before, bucket)
    _check_retention(before, bucket)


def _check_lifecycle(bucket: Json) -> None:
    """Rules that could never be followed are refused when they are written, not when they should act."""
    for rule in bucket.get("lifecycle", {}).get("rule", []):
        action, condition = rule.get("action", {}), rule.get("condition", {})
        if action.get("type") not in ACTIONS:
            raise Refusal(400, "INVALID_ARGUMENT", f"Lifecycle action {action.get('type')!r} is none of {', '.join(sorted(ACTIONS))}.")
        if action["type"] == "SetStorageClass" and action.get("storageClass") not in CLASSES:
            raise Refusal(
                400, "INVALID_ARGUMENT", f"A lifecycle rule sets the storage class {action.get('storageClass')!r}, which is none."
            )
        if not condition:
            raise Refusal(400, "INVALID_ARGUMENT", "A lifecycle rule needs at least one condition: without, it would act on every object.")
        if unknown := set(condition) - set(CONDITIONS):
            raise not_emulated(f"The lifecycle condition {', '.join(sorted(unknown))}")
        for field in DATES:
            try:
                date.fromisoformat(condition.get(field) or "2000-01-01")
            except ValueError:
                message = f"Invalid date {condition[field]!r} in {field} of a lifecycle rule: dates are written 2026-01-31."
                raise Refusal(400, "INVALID_ARGUMENT", message) from None


def _check_soft_deletion(before: Json, bucket: Json) -> None:
    policy, old = bucket.get("softDeletePolicy"), before.get("softDeletePolicy", {})
    if policy is None:
        return
    seconds = int(policy.get("retentionDurationSeconds", 0))
    least, most = SOFT_DELETE_SECONDS
    if seconds and not least <= seconds <= most:
        message = f"A soft delete policy keeps for 0 seconds or {least} to {most} (7 to 90 days), not {seconds}."
        raise Refusal(400, "INVALID_ARGUMENT", message)
    if seconds != int(old.get("retentionDurationSeconds", 0)) or "effectiveTime" not in policy:
        policy["effectiveTime"] = now()


def _check_retention(before: Json, bucket: Json) -> None:
    policy, old = bucket.get("retentionPolicy"), before.get("retentionPolicy", {})
    seconds = int((policy or {}).get("retentionPeriod", 0))
    if old.get("isLocked") and seconds < int(old["retentionPeriod"]):
        message = f"The retention policy of '{bucket['name']}' is locked: it can be neither removed nor shortened."
        raise Refusal(403, "", message)
    if policy is None:
        return
    if not 0 < seconds < LONGEST_RETENTION_SECONDS:
        raise Refusal(400, "INVALID_ARGUMENT", f"A retention period is 1 second to 100 years, not {seconds} seconds.")
    # Only `lockRetentionPolicy` locks.
    policy.pop("isLocked", None)
    policy |= {"isLocked": True} if old.get("isLocked") else {}
    if seconds != int(old.get("retentionPeriod", 0)) or "effectiveTime" not in policy:
        policy["effectiveTime"] = now()


@on("storage", "buckets.insert")
async def insert_bucket(call: Call, cloud: Cloud) -> Json | Response:
    """Bucket names are taken by whoever comes first, in all projects."""
    project = call.one("project")
    if not project:
        raise Refusal(400, "INVALID_ARGUMENT", "Required parameter: project", reason="required")
    cloud.projects.check(cloud.projects.by_id(f"projects/{project}").removeprefix("projects/"), "storage")
    bucket = call.body.get("name", "")
    if not BUCKET.fullmatch(bucket):
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid bucket name: '{bucket}'")
    if cloud.store.of("storage").get(f"b/{bucket}") is not None:
        raise Refusal(409, "ALREADY_EXISTS", f"The requested bucket name '{bucket}' is not available: it is taken. Use another name.")
    return await cloud.resources.default(call)


@on("storage", "buckets.list")
async def list_buckets(call: Call, cloud: Cloud) -> Json:
    """The buckets of one project."""
    number = project_number(cloud.projects.by_id(f"projects/{call.one('project')}").removeprefix("projects/"))
    rows = [row for row in cloud.store.of("storage").list("b", "Bucket") if row.get("projectNumber") == number]
    return cloud.resources.list(call, [row for row in rows if row["name"].startswith(call.one("prefix"))])


@on(
    "storage",
    "buckets.get",
    "buckets.patch",
    "buckets.update",
    "buckets.getIamPolicy",
    "buckets.setIamPolicy",
    "buckets.testIamPermissions",
)
async def one_bucket(call: Call, cloud: Cloud) -> Json | Response:
    """The generic rule, under the bucket's preconditions."""
    bucket = cloud.objects.bucket(call.params["bucket"])
    if call.verb == "get" and unchanged(call, bucket):
        return Response(status=304)
    check_metageneration(call, bucket)
    return await cloud.resources.default(call)


@on("storage", "buckets.delete")
async def delete_bucket(call: Call, cloud: Cloud) -> Json | Response:
    """Only an empty bucket can be deleted, and noncurrent generations are content too."""
    bucket = call.params["bucket"]
    check_metageneration(call, cloud.objects.bucket(bucket))
    live = (name for name in cloud.objects.names(bucket) if cloud.objects.get(bucket, name) is not None)
    if found := next(live, "") or next((one["name"] for one in cloud.objects.older.list(bucket, "")), ""):
        message = f"The bucket you tried to delete is not empty: it holds objects, e.g. '{found}'. Delete them first."
        raise Refusal(409, "FAILED_PRECONDITION", message)
    result = await cloud.resources.default(call)
    cloud.objects.drop_bucket(bucket)
    return Response(status=204) if result == {} else result


@on("storage", "buckets.lockRetentionPolicy")
async def lock_retention(call: Call, cloud: Cloud) -> Json:
    """A locked retention policy can never again be removed or shortened."""
    name = call.params["bucket"]
    bucket = cloud.objects.bucket(name)
    check_metageneration(call, bucket)
    if "retentionPolicy" not in bucket:
        raise Refusal(400, "INVALID_ARGUMENT", f"The bucket '{name}' has no retention policy to lock. Set one first.")
    generation = str(int(bucket["metageneration"]) + 1)
    locked = {**bucket, "retentionPolicy": {**bucket["retentionPolicy"], "isLocked": True}, "metageneration": generation, "updated": now()}
    return cloud.store.of("storage").put(f"b/{name}", "Bucket", locked)


@on("storage", "projects.serviceAccount.get")
async def service_agent(call: Call, cloud: Cloud) -> Json:
    """The identity under which Cloud Storage itself acts in a project."""
    return {"kind": "storage#serviceAccount", "email_address": agent(project_number(call.params["projectId"]))}


@on("storage", "notifications.insert")
async def notify(call: Call, cloud: Cloud) -> Json:
    """From now on, the bucket's changes are told to a topic, to which Cloud Storage must be allowed to publish."""
    bucket, kept = call.params["bucket"], cloud.store.of("storage")
    enabled(cloud, bucket)
    given = {key: value for key, value in call.body.items() if key not in ("id", "etag", "kind", "selfLink") and value}
    if not given.get("topic", "").startswith(f"{HOST}projects/") or "/topics/" not in given["topic"]:
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid Google Cloud Pub/Sub topic. It should look like '{HOST}projects/*/topics/*'.")
    if given.get("payload_format") not in ("JSON_API_V1", "NONE"):
        raise Refusal(400, "INVALID_ARGUMENT", "You must specify a payload format: JSON_API_V1 or NONE.", reason="required")
    if unknown := set(given.get("event_types", [])) - set(EVENTS):
        raise Refusal(400, "INVALID_ARGUMENT", f"Invalid event types: {', '.join(sorted(unknown))}. They are {', '.join(EVENTS)}.")
    if len(given.get("custom_attributes", {})) > CUSTOM_ATTRIBUTES:
        raise Refusal(400, "INVALID_ARGUMENT", f"A notification configuration has at most {CUSTOM_ATTRIBUTES} custom attributes.")
    checked(cloud, bucket, given["topic"])
    collection = f"b/{bucket}/{CONFIGURATIONS}"
    rows = kept.list(collection, "Notification")
    crowded = [event for event in given.get("event_types") or EVENTS if _listening(rows, event) >= NOTIFICATIONS_AN_EVENT]
    if len(rows) >= NOTIFICATIONS or crowded:
        limits = f"{NOTIFICATIONS} notification configurations, and {NOTIFICATIONS_AN_EVENT} for one event"
        raise Refusal(429, "", f"A bucket has at most {limits}. Delete one first.", reason="rateLimitExceeded")
    identifier = str(max((int(row["id"]) for row in rows), default=0) + 1)
    link = f"https://www.googleapis.com/storage/v1/{collection}/{identifier}"
    made = {"kind": "storage#notification", "id": identifier, "selfLink": link, "etag": identifier, **given}
    return kept.put(f"{collection}/{identifier}", "Notification", made)


@on("storage", "notifications.list")
async def notifications(call: Call, cloud: Cloud) -> Json:
    """The notification configurations of a bucket."""
    cloud.objects.bucket(call.params["bucket"])
    rows = cloud.store.of("storage").list(f"b/{call.params['bucket']}/{CONFIGURATIONS}", "Notification")
    return {"kind": "storage#notifications", **({"items": sorted(rows, key=lambda row: int(row["id"]))} if rows else {})}


@on("storage", "notifications.delete")
async def silence(call: Call, cloud: Cloud) -> Response:
    """Nothing more is told to the topic."""
    cloud.objects.bucket(call.params["bucket"])
    cloud.resources.load(call)
    cloud.store.of("storage").remove(call.name)
    return Response(status=204)


def _listening(rows: list[Json], event: str) -> int:
    return sum(event in (row.get("event_types") or EVENTS) for row in rows)
