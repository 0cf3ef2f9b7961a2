"""A private bucket whose objects survive a mistake."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.storage_bucket import (
    StorageBucket,
    StorageBucketLifecycleRule,
    StorageBucketLifecycleRuleAction,
    StorageBucketLifecycleRuleCondition,
    StorageBucketSoftDeletePolicy,
    StorageBucketVersioning,
)
from cdktf_cdktf_provider_google.storage_bucket_iam_member import StorageBucketIamMember
from constructs import Construct

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class BucketProps:
    """Where a bucket is, how long it keeps what, and who reads and writes it."""

    name: str
    location: str
    soft_delete_days: int
    noncurrent_version_days: int
    deletion_protection: bool
    expire_after_days: int | None = None
    """Age at which live objects are deleted; None keeps them."""
    readers: Mapping[str, str]
    """Short stable word → member with read access to objects."""
    writers: Mapping[str, str]
    """The same with read and write access."""


class Bucket(Construct):
    """Creates one bucket (versioned, uniform access, never public) and its object grants.

    Deliberately creates no access log bucket (Cloud Audit Logs say who did what), no customer-managed key and no object:
    objects are data and belong to the code that writes them.
    """

    def __init__(self, scope: Construct, id: str, props: BucketProps) -> None:
        super().__init__(scope, id)
        condition = StorageBucketLifecycleRuleCondition
        rules = [
            rule("Delete", condition(days_since_noncurrent_time=props.noncurrent_version_days, with_state="ARCHIVED")),
            rule("AbortIncompleteMultipartUpload", condition(age=7)),
        ]
        if props.expire_after_days is not None:
            rules.append(rule("Delete", condition(age=props.expire_after_days)))
        bucket = StorageBucket(
            self,
            "bucket",
            name=props.name,
            location=props.location.upper(),  # as Google reports it; another case would read as a move
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning=StorageBucketVersioning(enabled=True),
            soft_delete_policy=StorageBucketSoftDeletePolicy(retention_duration_seconds=props.soft_delete_days * SECONDS_PER_DAY),
            lifecycle_rule=rules,
            force_destroy=not props.deletion_protection,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        for access, role, members in (
            ("reader", "roles/storage.objectViewer", props.readers),
            ("writer", "roles/storage.objectUser", props.writers),
        ):
            for word, member in members.items():
                StorageBucketIamMember(self, f"{access}-{word}", bucket=bucket.name, role=role, member=member)


def rule(action: str, condition: StorageBucketLifecycleRuleCondition) -> StorageBucketLifecycleRule:
    """One lifecycle rule."""
    return StorageBucketLifecycleRule(action=StorageBucketLifecycleRuleAction(type=action), condition=condition)
