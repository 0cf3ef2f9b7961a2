"""The registry of the environment's container images."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_google.artifact_registry_repository import (
    ArtifactRegistryRepository,
    ArtifactRegistryRepositoryCleanupPolicies,
    ArtifactRegistryRepositoryCleanupPoliciesCondition,
    ArtifactRegistryRepositoryCleanupPoliciesMostRecentVersions,
    ArtifactRegistryRepositoryDockerConfig,
    ArtifactRegistryRepositoryVulnerabilityScanningConfig,
)
from cdktf_cdktf_provider_google.artifact_registry_repository_iam_member import ArtifactRegistryRepositoryIamMember
from constructs import Construct

KEPT_VERSIONS = 20
UNTAGGED_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class ImageRepositoryProps:
    """A repository and who may pull from it and push to it."""

    repository_id: str
    location: str
    kms_key: str | None
    """Full name of the key that encrypts its images; another one replaces the repository."""
    deletion_protection: bool
    readers: Mapping[str, str]
    """Short stable word → member that may pull."""
    writers: Mapping[str, str]
    """Short stable word → member that may push, and pull."""


class ImageRepository(Construct):
    """Creates one Docker repository with tags that never move, a scan of every image, a clean-up of old untagged ones, and the rights to
    pull and push.

    Deliberately builds no image: Cloud Build does, as the identity that may push.
    """

    def __init__(self, scope: Construct, id: str, props: ImageRepositoryProps) -> None:
        super().__init__(scope, id)
        repository = ArtifactRegistryRepository(
            self,
            "repository",
            repository_id=props.repository_id,
            location=props.location,
            format="DOCKER",
            description="Container images of pipelines, training and serving",
            kms_key_name=props.kms_key,
            docker_config=ArtifactRegistryRepositoryDockerConfig(immutable_tags=True),
            # As the project says, which enables the scanner: a repository can only switch itself off.
            vulnerability_scanning_config=ArtifactRegistryRepositoryVulnerabilityScanningConfig(enablement_config="INHERITED"),
            cleanup_policies=[
                ArtifactRegistryRepositoryCleanupPolicies(
                    id="keep-recent",
                    action="KEEP",
                    most_recent_versions=ArtifactRegistryRepositoryCleanupPoliciesMostRecentVersions(keep_count=KEPT_VERSIONS),
                ),
                ArtifactRegistryRepositoryCleanupPolicies(
                    id="delete-untagged",
                    action="DELETE",
                    condition=ArtifactRegistryRepositoryCleanupPoliciesCondition(
                        tag_state="UNTAGGED", older_than=f"{UNTAGGED_DAYS * 86_400}s"
                    ),
                ),
            ],
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.deletion_protection else None,
        )
        for right, members in (("reader", props.readers), ("writer", props.writers)):
            for word, member in members.items():
                ArtifactRegistryRepositoryIamMember(
                    self,
                    f"{right}-{word}",
                    location=repository.location,
                    repository=repository.name,
                    role=f"roles/artifactregistry.{right}",
                    member=member,
                )
