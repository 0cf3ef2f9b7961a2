"""The bucket of saved plans: secrets on their way from who plans to who applies."""

from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.storage_bucket import (
    StorageBucket,
    StorageBucketEncryption,
    StorageBucketLifecycleRuleCondition,
    StorageBucketLogging,
    StorageBucketSoftDeletePolicy,
)
from cdktf_cdktf_provider_google.storage_bucket_iam_member import StorageBucketIamMember
from constructs import Construct

from infra.components.bucket import rule

KEPT_DAYS = 1
"""A plan that nobody has applied by then is stale anyway."""


@dataclass(frozen=True, kw_only=True)
class PlanBucketProps:
    """A bucket, who puts plans into it, and who applies them."""

    name: str
    location: str
    kms_key: str | None
    """Full name of the key that encrypts its objects; None leaves that to Google's own."""
    log_bucket: str
    """Name of the bucket that is told of every access."""
    deletion_protection: bool
    planner: str
    """Member that adds plans, and can read none."""
    applier: str
    """Member that reads them, and deletes each once it was applied."""


class PlanBucket(Construct):
    """Creates one private bucket whose objects are gone for good when they are deleted, and after a day at the latest.

    A plan holds every value in the clear, passwords too. So, deliberately, nothing is kept of one that was deleted, neither a version
    nor a soft-deleted object, and nobody else is granted anything.
    """

    def __init__(self, scope: Construct, id: str, props: PlanBucketProps) -> None:
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
            lifecycle_rule=[
                rule("AbortIncompleteMultipartUpload", StorageBucketLifecycleRuleCondition(age=KEPT_DAYS)),
                rule("Delete", StorageBucketLifecycleRuleCondition(age=KEPT_DAYS)),
            ],
            soft_delete_policy=StorageBucketSoftDeletePolicy(retention_duration_seconds=0),
            force_destroy=not props.deletion_protection,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        for word, role, member in (
            ("planner", "roles/storage.objectCreator", props.planner),
            ("applier", "roles/storage.objectUser", props.applier),
        ):
            StorageBucketIamMember(self, word, bucket=bucket.name, role=role, member=member)
