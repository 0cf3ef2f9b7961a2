"""The bucket of saved plans: secrets on their way from who plans to who applies."""

from dataclasses import dataclass

from cdktf_cdktf_provider_google.storage_bucket import StorageBucketLifecycleRuleCondition
from cdktf_cdktf_provider_google.storage_bucket_iam_member import StorageBucketIamMember
from constructs import Construct

from infra.components.bucket import ROLES, declared, rule

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
        self.bucket = declared(
            self,
            name=props.name,
            location=props.location,
            kms_key=props.kms_key,
            log_bucket=props.log_bucket,
            soft_delete_days=0,
            deletion_protection=props.deletion_protection,
            rules=[
                rule("AbortIncompleteMultipartUpload", StorageBucketLifecycleRuleCondition(age=KEPT_DAYS)),
                rule("Delete", StorageBucketLifecycleRuleCondition(age=KEPT_DAYS)),
            ],
        )
        for word, access, member in (("planner", "adder", props.planner), ("applier", "writer", props.applier)):
            StorageBucketIamMember(self, word, bucket=self.bucket.name, role=ROLES[access], member=member)
