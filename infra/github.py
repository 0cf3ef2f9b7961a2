"""What we trust of GitHub's tokens: said once, for the bootstrap that makes the pool and for the stack that declares it."""

from environments.names import Duty, Names
from environments.schema import Repository

ISSUER = "https://token.actions.githubusercontent.com"
PROVIDER = "github"
DISPLAY_NAME = "GitHub Actions"
DESCRIPTION = "Workflows that plan and apply this environment"
MAPPING = {
    "google.subject": "assertion.sub",
    "attribute.repository_id": "assertion.repository_id",
    "attribute.repository_ref": 'assertion.repository_id + "@" + assertion.ref',
}
"""Google's attribute ← GitHub's claims. A reference alone would be every repository's, so that it goes with the number."""


EVENTS = ("push", "schedule", "workflow_dispatch")
"""What starts a workflow of the branch by the will of somebody who may write to it.
https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows"""


def condition(repository: Repository) -> str:
    """The tokens that are let in: of this repository, from the branch that applies or from a pull request.

    The event counts too: `pull_request_target`, `issue_comment` and others run on the branch, and strangers cause them.
    """
    meant = " || ".join(f"assertion.event_name == '{event}'" for event in EVENTS)
    branch = f"assertion.ref == '{repository.ref}' && ({meant})"
    pull = "assertion.ref.startsWith('refs/pull/') && assertion.event_name == 'pull_request'"
    return f"assertion.repository_id == '{repository.id}' && (({branch}) || ({pull}))"


def principals(names: Names) -> dict[Duty, dict[str, str]]:
    """Duty → short word → the workflows that may be its identity; empty where nobody acts from outside."""
    federation = names.environment.federation
    if federation.mode == "none":
        return {}
    repository = federation.repository
    everywhere = f"principalSet://iam.googleapis.com/{names.workload_identity_pool}"
    return {
        "plan": {"any-ref": f"{everywhere}/attribute.repository_id/{repository.id}"},
        "apply": {"one-branch": f"{everywhere}/attribute.repository_ref/{repository.id}@{repository.ref}"},
    }
