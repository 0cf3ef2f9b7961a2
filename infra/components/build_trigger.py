"""What starts a build of Cloud Build."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_google.cloudbuild_trigger import (
    CloudbuildTrigger,
    CloudbuildTriggerApprovalConfig,
    CloudbuildTriggerRepositoryEventConfig,
    CloudbuildTriggerRepositoryEventConfigPullRequest,
    CloudbuildTriggerRepositoryEventConfigPush,
)
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class BuildTriggerProps:
    """An event of the repository, the file that says what is done, and who does it."""

    name: str
    description: str
    region: str
    repository: str
    """Full name of the linked repository."""
    branch: str
    pull_request: bool
    """Whether it is for pull requests into the branch, and not for what is pushed to it."""
    file: str
    """Path in the repository."""
    service_account: str
    """Full name of the identity that the build runs under."""
    approval: bool
    """Whether each build waits until somebody approves it."""
    substitutions: Mapping[str, str]
    ignored: Sequence[str] = ()
    """Globs; a change of these files alone starts nothing."""


class BuildTrigger(Construct):
    """Creates one trigger whose builds run under an identity of ours, never under Cloud Build's own.

    Deliberately runs for no pull request of somebody without write access until one who has it comments `/gcbrun`, and puts its log into
    Cloud Logging only, where the build's file says so.
    """

    def __init__(self, scope: Construct, id: str, props: BuildTriggerProps) -> None:
        super().__init__(scope, id)
        branch = f"^{props.branch}$"
        event = CloudbuildTriggerRepositoryEventConfig(
            repository=props.repository,
            pull_request=CloudbuildTriggerRepositoryEventConfigPullRequest(
                branch=branch, comment_control="COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"
            )
            if props.pull_request
            else None,
            push=None if props.pull_request else CloudbuildTriggerRepositoryEventConfigPush(branch=branch),
        )
        CloudbuildTrigger(
            self,
            "trigger",
            name=props.name,
            description=props.description,
            location=props.region,
            repository_event_config=event,
            filename=props.file,
            service_account=props.service_account,
            approval_config=CloudbuildTriggerApprovalConfig(approval_required=props.approval),
            substitutions=dict(props.substitutions),
            ignored_files=list(props.ignored) or None,
        )
