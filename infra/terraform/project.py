"""The project that Terraform's state lives in: in mode `create` it is made before any stack, and the foundation stack adopts it."""

from environments import Names
from infra.terraform.rest import Google, Refused

PROJECTS = "https://cloudresourcemanager.googleapis.com/v1"
BILLING = "https://cloudbilling.googleapis.com/v1"


def ensure(names: Names, google: Google) -> bool:
    """Make the environment's project where it is to be created and is not there; true when it was made now.

    Only what the state bucket needs: parent and billing. Everything else is the foundation stack's.

    Raises:
        Refused: when Google refuses.
    """
    project = names.environment.project
    if project.mode == "use":
        return False
    try:
        google.call("GET", f"{PROJECTS}/projects/{project.id}")
    except Refused as error:
        # A project that is not there and one that may not be seen are answered alike.
        if error.status not in (403, 404):
            raise
    else:
        return False
    body = {"projectId": project.id, "name": project.id, "parent": {"type": "folder", "id": project.folder}}
    google.finished(PROJECTS, google.call("POST", f"{PROJECTS}/projects", None, body))
    account = {"billingAccountName": f"billingAccounts/{project.billing_account}"}
    google.call("PUT", f"{BILLING}/projects/{project.id}/billingInfo", None, account)
    return True
