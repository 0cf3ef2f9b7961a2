"""The project that Terraform's state lives in: in mode `create` it is made before any stack, and the foundation stack adopts it."""

from environments import Names
from infra.terraform.rest import Google
from infra.terraform.step import MISSING, Step, found

PROJECTS = "https://cloudresourcemanager.googleapis.com/v1"
BILLING = "https://cloudbilling.googleapis.com/v1"


def steps(names: Names, google: Google) -> list[Step]:
    """The project, where it is to be created. Only what the state bucket needs: parent and billing."""
    project = names.environment.project
    if project.mode == "use":
        return []

    link, account = f"{BILLING}/projects/{project.id}/billingInfo", f"billingAccounts/{project.billing_account}"

    def lacking() -> str:
        return "" if found(google, f"{PROJECTS}/projects/{project.id}") else MISSING

    def make() -> None:
        body = {"projectId": project.id, "name": project.id, "parent": {"type": "folder", "id": project.folder}}
        google.finished(PROJECTS, google.call("POST", f"{PROJECTS}/projects", None, body))

    def unlinked() -> str:
        linked = found(google, link)
        return "" if linked and linked.get("billingAccountName") == account else "to be linked"

    def connect() -> None:
        google.call("PUT", link, None, {"billingAccountName": account})

    # Who applies may not link it; a run that was killed in between has left a project without.
    return [Step(f"project {project.id}", lacking, make), Step(f"billing account of {project.id}", unlinked, connect)]


def number(names: Names, google: Google) -> str:
    """The project's number, as Google has it.

    Raises:
        Refused: when the project cannot be seen.
    """
    return str(google.call("GET", f"{PROJECTS}/projects/{names.project}")["projectNumber"])
