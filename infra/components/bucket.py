"""A private bucket whose objects survive a mistake."""

from collections.abc import Mapping
from dataclasses import dataclass

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
        bucket = StorageBucket(
            self,
            "bucket",
            name=props.name,
            location=props.location.upper(),  # as Google reports it; another case would read as a move
            uniform_bucket_level_access=True,
            public_access_prevention="inherited" if props.public else "enforced",
            encryption=StorageBucketEncryption(default_kms_key_name=props.kms_key) if props.kms_key else None,
            logging=StorageBucketLogging(log_bucket=props.log_bucket, log_object_prefix=props.name) if props.log_bucket else None,
            versioning=StorageBucketVersioning(enabled=True),
            soft_delete_policy=StorageBucketSoftDeletePolicy(retention_duration_seconds=props.soft_delete_days * SECONDS_PER_DAY),
            lifecycle_rule=rules,
            force_destroy=not props.deletion_protection,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        self.name = bucket.name
        for access, role, members in (
            ("reader", "roles/storage.objectViewer", props.readers),
            ("writer", "roles/storage.objectUser", props.writers),
            ("adder", "roles/storage.objectCreator", props.adders),
        ):
            for word, member in members.items():
                StorageBucketIamMember(self, f"{access}-{word}", bucket=bucket.name, role=role, member=member)


def rule(action: str, condition: StorageBucketLifecycleRuleCondition, storage_class: str | None = None) -> StorageBucketLifecycleRule:
    """One lifecycle rule."""
    return StorageBucketLifecycleRule(
        action=StorageBucketLifecycleRuleAction(type=action, storage_class=storage_class), condition=condition
    )
