"""The bucket of releases, reviews and the ledger: what was done, and with whose consent, stays as evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.storage_bucket import (
    StorageBucket,
    StorageBucketEncryption,
    StorageBucketLifecycleRuleCondition,
    StorageBucketLogging,
    StorageBucketRetentionPolicy,
    StorageBucketSoftDeletePolicy,
)
from cdktf_cdktf_provider_google.storage_bucket_iam_member import StorageBucketIamMember
from constructs import Construct

from infra.components.bucket import SECONDS_PER_DAY, rule


@dataclass(frozen=True, kw_only=True)
class ReleaseBucketProps:
    """A bucket, how long its objects cannot be changed, and who adds and reads them."""

    name: str
    location: str
    kms_key: str | None
    """Full name of the key that encrypts its objects; None leaves that to Google's own."""
    log_bucket: str
    """Name of the bucket that is told of every access."""
    retention_days: int
    """How long nothing can be deleted, where the bucket is protected."""
    soft_delete_days: int
    deletion_protection: bool
    adders: Mapping[str, str]
    """Short stable word → member that may add objects, and can neither read nor replace any."""
    readers: Mapping[str, str]
    """Short stable word → member that may read them."""


class ReleaseBucket(Construct):
    """Creates one private bucket whose objects nobody of ours can replace or delete, and where it is protected nobody before their time.

    Deliberately keeps no versions, since there is never a second one, and does not lock the retention: a lock can never be undone, so
    that a person sets it, once the time has proved right.
    """

    def __init__(self, scope: Construct, id: str, props: ReleaseBucketProps) -> None:
        super().__init__(scope, id)
        self.bucket = bucket = StorageBucket(
            self,
            "bucket",
            name=props.name,
            location=props.location.upper(),  # as Google reports it; another case would read as a move
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            encryption=StorageBucketEncryption(default_kms_key_name=props.kms_key) if props.kms_key else None,
            logging=StorageBucketLogging(log_bucket=props.log_bucket, log_object_prefix=props.name),
            # What can be destroyed with its bucket cannot be kept from being deleted.
            retention_policy=StorageBucketRetentionPolicy(retention_period=props.retention_days * SECONDS_PER_DAY)
            if props.deletion_protection
            else None,
            lifecycle_rule=[rule("AbortIncompleteMultipartUpload", StorageBucketLifecycleRuleCondition(age=7))],
            soft_delete_policy=StorageBucketSoftDeletePolicy(retention_duration_seconds=props.soft_delete_days * SECONDS_PER_DAY),
            force_destroy=not props.deletion_protection,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        for access, role, members in (
            ("adder", "roles/storage.objectCreator", props.adders),
            ("reader", "roles/storage.objectViewer", props.readers),
        ):
            for word, member in members.items():
                StorageBucketIamMember(self, f"{access}-{word}", bucket=bucket.name, role=role, member=member)
