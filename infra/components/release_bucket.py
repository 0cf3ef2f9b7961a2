"""The bucket of releases, reviews and the ledger: what was done, and with whose consent, stays as evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf_cdktf_provider_google.storage_bucket import StorageBucketLifecycleRuleCondition, StorageBucketRetentionPolicy
from cdktf_cdktf_provider_google.storage_bucket_iam_member import StorageBucketIamMember
from constructs import Construct

from infra.components.bucket import ROLES, SECONDS_PER_DAY, declared, rule


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
    viewers: Mapping[str, str]
    """Short stable word → member that may see how the bucket is set up."""


class ReleaseBucket(Construct):
    """Creates one private bucket whose objects nobody of ours can replace or delete, and where it is protected nobody before their time.

    Deliberately keeps no versions, since there is never a second one, and does not lock the retention: a lock can never be undone, so
    that a person sets it, once the time has proved right.
    """

    def __init__(self, scope: Construct, id: str, props: ReleaseBucketProps) -> None:
        super().__init__(scope, id)
        self.bucket = declared(
            self,
            name=props.name,
            location=props.location,
            kms_key=props.kms_key,
            log_bucket=props.log_bucket,
            soft_delete_days=props.soft_delete_days,
            deletion_protection=props.deletion_protection,
            rules=[rule("AbortIncompleteMultipartUpload", StorageBucketLifecycleRuleCondition(age=7))],
            # What can be destroyed with its bucket cannot be kept from being deleted.
            retention_policy=StorageBucketRetentionPolicy(retention_period=props.retention_days * SECONDS_PER_DAY)
            if props.deletion_protection
            else None,
        )
        for access, members in (("adder", props.adders), ("reader", props.readers), ("viewer", props.viewers)):
            for word, member in members.items():
                StorageBucketIamMember(self, f"{access}-{word}", bucket=self.bucket.name, role=ROLES[access], member=member)
