"""Buckets, BigQuery, images and topics: private, kept, and found again after a mistake."""

from collections.abc import Iterator

from infra.policies.policy import of
from infra.policies.subject import Resource, SynthesisedStack

WEEK_SECONDS = 7 * 86_400


@of(
    "google_storage_bucket",
    id="uniform-access",
    reason="access lists per object are seen by no review",
    remedy="Set uniform_bucket_level_access to true, as infra/components/bucket.py does",
    reference="CIS 5.2, https://cloud.google.com/storage/docs/uniform-bucket-level-access",
)
def uniform_access(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Access to a bucket is granted on the bucket and never on an object."""
    if resource.at("uniform_bucket_level_access") is not True:
        yield "allows access lists per object"


@of(
    "google_storage_bucket",
    id="public-access",
    reason="one grant would make it public",
    remedy="Set public_access_prevention to enforced, as infra/components/bucket.py does",
    reference="CIS 5.1, https://cloud.google.com/storage/docs/public-access-prevention",
)
def public_access(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """A bucket can never become public."""
    if resource.at("public_access_prevention") != "enforced":
        yield "does not prevent public access"


@of(
    "google_storage_bucket",
    id="soft-delete",
    reason="an object that is deleted by mistake or malice could not be restored",
    remedy="Set data.soft_delete_days of the environment to 7 or more",
    reference="https://cloud.google.com/storage/docs/soft-delete",
)
def soft_delete(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Where the environment protects its data, deleted objects stay for a week at least."""
    kept = resource.at("soft_delete_policy.retention_duration_seconds")
    if stack.environment.data.deletion_protection and (not isinstance(kept, int) or kept < WEEK_SECONDS):
        yield f"keeps deleted objects for {kept or 0} seconds"


@of(
    "google_storage_bucket",
    id="object-lifecycle",
    reason="old versions and broken uploads would be paid for for ever",
    remedy="Add a lifecycle_rule, as infra/components/bucket.py does",
    reference="https://cloud.google.com/storage/docs/lifecycle",
)
def object_lifecycle(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Every bucket says when what it holds ends."""
    if not resource.blocks("lifecycle_rule"):
        yield "has no lifecycle rule"


@of(
    "google_artifact_registry_repository",
    id="immutable-tags",
    reason="a tag that moves runs other code than was reviewed",
    remedy="Set docker_config.immutable_tags to true, as infra/components/image_repository.py does",
    reference="https://cloud.google.com/artifact-registry/docs/repositories/create-repos#immutable-tags",
)
def immutable_tags(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """The tag of an image never moves."""
    if resource.at("format") == "DOCKER" and resource.at("docker_config.immutable_tags") is not True:
        yield "lets tags move"


@of(
    "google_artifact_registry_repository",
    id="vulnerability-scan",
    reason="a known hole in an image would be found by others first",
    remedy='Set vulnerability_scanning_config.enablement_config to "INHERITED" and enable containerscanning.googleapis.com',
    reference="https://cloud.google.com/artifact-analysis/docs/enable-automatic-scanning",
)
def vulnerability_scan(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Images are scanned when they are pushed."""
    if resource.at("format") == "DOCKER" and resource.at("vulnerability_scanning_config.enablement_config") != "INHERITED":
        yield "does not say that its images are scanned"


@of(
    "google_artifact_registry_repository",
    id="image-cleanup",
    reason="every image that was ever built would be paid for for ever",
    remedy="Add cleanup_policies, as infra/components/image_repository.py does, with cleanup_policy_dry_run left off",
    reference="https://cloud.google.com/artifact-registry/docs/repositories/cleanup-policy",
)
def image_cleanup(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Old images end, and the newest stay."""
    actions = {block.get("action") for block in resource.blocks("cleanup_policies")}
    if resource.at("mode") not in {"REMOTE_REPOSITORY", "VIRTUAL_REPOSITORY"} and actions != {"KEEP", "DELETE"}:
        yield "has no cleanup policy that keeps the newest and deletes the rest"
    if resource.at("cleanup_policy_dry_run") is True:
        yield "only pretends to clean up"


@of(
    "google_pubsub_subscription",
    id="dead-letter",
    reason="a message that cannot be handled is delivered again until it expires, and then is lost without a trace",
    remedy="Add dead_letter_policy with a topic of its own",
    reference="https://cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic",
)
def dead_letter(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """What cannot be handled is put aside, where somebody sees it."""
    # What keeps the dead letters themselves has nowhere left to put them.
    last = resource.at("name") == stack.names.subscription("undelivered")
    if not last and not resource.at("dead_letter_policy.dead_letter_topic"):
        yield "has no dead letter topic"


@of(
    "google_pubsub_topic",
    id="message-region",
    reason="messages could rest in any region, whatever the organisation promised its customers",
    remedy="Set message_storage_policy.allowed_persistence_regions, as infra/components/topic.py does",
    reference="https://cloud.google.com/pubsub/docs/resource-location-restriction",
)
def message_region(resource: Resource, stack: SynthesisedStack) -> Iterator[str]:
    """Messages rest where the environment's data rests."""
    allowed = {stack.environment.region, stack.environment.data_location}
    regions = resource.at("message_storage_policy.allowed_persistence_regions") or []
    if not regions or not set(regions) <= allowed:
        yield f"lets messages rest in {', '.join(regions) or 'any region'}"


POLICIES = (
    uniform_access,
    public_access,
    soft_delete,
    object_lifecycle,
    immutable_tags,
    vulnerability_scan,
    image_cleanup,
    dead_letter,
    message_region,
)
