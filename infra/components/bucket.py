"""A private bucket whose objects survive a mistake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.storage_bucket import (
    StorageBucket,
    StorageBucketEncryption,
    StorageBucketLifecycleRule,
    StorageBucketLifecycleRuleAction,
    StorageBucketLifecycleRuleCondition,
    StorageBucketLogging,
    StorageBucketSoftDeletePolicy,
    StorageBucketVersioning,
)
from cdktf_cdktf_provider_google.storage_bucket_iam_member import StorageBucketIamMember
from constructs import Construct

SECONDS_PER_DAY = 86_400
ROLES = {
    "reader": "roles/storage.objectViewer",
    "writer": "roles/storage.objectUser",
    "adder": "roles/storage.objectCreator",
    "viewer": "roles/storage.legacyBucketReader",
}
"""What somebody may do with the objects of a bucket, or see of the bucket itself → the role for it."""
COOL = "NEARLINE"
"""Half the price to keep, a fee to read: right for what is read less than once a month."""


@dataclass(frozen=True, kw_only=True)
class BucketProps:
    """Where a bucket is, how long it keeps what, and who reads and writes it."""

    name: str
    location: str
    kms_key: str | None
    """Full name of the key that encrypts its objects; None leaves that to Google's own."""
    log_bucket: str | None
    """Name of the bucket that is told of every access; None for that bucket itself."""
    soft_delete_days: int
    noncurrent_version_days: int
    deletion_protection: bool
    cool_after_days: int | None = None
    """Age at which live objects move to a class that is cheaper to keep and dearer to read; None leaves them."""
    public: bool = False
    """Whether somebody may let everybody read its objects: what is made for every browser, and nothing else."""
    expire_after_days: int | None = None
    """Age at which live objects are deleted; None keeps them."""
    readers: Mapping[str, str]
    """Short stable word → member with read access to objects."""
    writers: Mapping[str, str]
    """The same with read and write access."""
    adders: Mapping[str, str]
    """The same with the right to add objects, and to see and change none."""
    viewers: Mapping[str, str]
    """The same with the right to see how the bucket is set up, such as whether it keeps versions."""


class Bucket(Construct):
    """Creates one bucket (versioned, uniform access, public only where that is asked for) and its object grants.

    Deliberately creates no object: objects are data and belong to the code that writes them. Nor the right of Cloud Storage to
    use the key: who owns the key grants it.
    """

    def __init__(self, scope: Construct, id: str, props: BucketProps) -> None:
        super().__init__(scope, id)
        condition = StorageBucketLifecycleRuleCondition
        rules = [
            rule("Delete", condition(days_since_noncurrent_time=props.noncurrent_version_days, with_state="ARCHIVED")),
            rule("AbortIncompleteMultipartUpload", condition(age=7)),
        ]
        if props.cool_after_days is not None:
            rules.append(rule("SetStorageClass", condition(age=props.cool_after_days, matches_storage_class=["STANDARD"]), COOL))
        if props.expire_after_days is not None:
            rules.append(rule("Delete", condition(age=props.expire_after_days)))
        bucket = declared(
            self,
            name=props.name,
            location=props.location,
            kms_key=props.kms_key,
            log_bucket=props.log_bucket,
            soft_delete_days=props.soft_delete_days,
            deletion_protection=props.deletion_protection,
            rules=rules,
            public_access_prevention="inherited" if props.public else "enforced",
            versioning=StorageBucketVersioning(enabled=True),
        )
        self.name = bucket.name
        granted = {"reader": props.readers, "writer": props.writers, "adder": props.adders, "viewer": props.viewers}
        for access, members in granted.items():
            for word, member in members.items():
                StorageBucketIamMember(self, f"{access}-{word}", bucket=bucket.name, role=ROLES[access], member=member)


def declared(
    scope: Construct,
    *,
    name: str,
    location: str,
    kms_key: str | None,
    log_bucket: str | None,
    soft_delete_days: int,
    deletion_protection: bool,
    rules: Sequence[StorageBucketLifecycleRule],
    public_access_prevention: str = "enforced",
    **more: Any,
) -> StorageBucket:
    """What every bucket of ours has in common; `more` is what the provider's own class takes beside it."""
    return StorageBucket(
        scope,
        "bucket",
        name=name,
        location=location.upper(),  # as Google reports it; another case would read as a move
        uniform_bucket_level_access=True,
        public_access_prevention=public_access_prevention,
        encryption=StorageBucketEncryption(default_kms_key_name=kms_key) if kms_key else None,
        logging=StorageBucketLogging(log_bucket=log_bucket, log_object_prefix=name) if log_bucket else None,
        soft_delete_policy=StorageBucketSoftDeletePolicy(retention_duration_seconds=soft_delete_days * SECONDS_PER_DAY),
        lifecycle_rule=list(rules),
        force_destroy=not deletion_protection,
        lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if deletion_protection else None,
        **more,
    )


def rule(action: str, condition: StorageBucketLifecycleRuleCondition, storage_class: str | None = None) -> StorageBucketLifecycleRule:
    """One lifecycle rule."""
    return StorageBucketLifecycleRule(
        action=StorageBucketLifecycleRuleAction(type=action, storage_class=storage_class), condition=condition
    )
