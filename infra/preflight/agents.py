"""Whether Google's own service agents are there to be granted what the stacks grant them.

Google makes most of them when an API is first used, not when it is enabled, and refuses a grant to one that is not there: "does not
exist", in the middle of an apply. `make bootstrap` has those made that `infra/services.py` lists; nothing but a grant tells afterwards
that one is there, so that what cannot be seen is traced to who makes it.
"""

import json

from infra import services
from infra.preflight.apis import enabled
from infra.preflight.asked import Asked
from infra.preflight.findings import Finding, unread
from infra.terraform.rest import Google, Refused

CHECK = "service agent"
PROJECTS = "https://cloudresourcemanager.googleapis.com/v1"


def findings(asked: Asked, google: Google) -> list[Finding]:
    """One finding an agent that something is granted to."""
    if not asked.agents:
        return []
    try:
        policy = json.dumps(google.call("POST", f"{PROJECTS}/projects/{asked.project}:getIamPolicy", None, {}))
        on = enabled(asked.project, google)
    except Refused as error:
        mend = f"ask for roles/browser on {asked.project}; a project that is to be created: make bootstrap first"
        return [unread(CHECK, f"service agents of {asked.project}", error, mend)]
    names = asked.stacks[0].names
    made = {names.service_agent(agent): f"{agent}.googleapis.com" for agent in services.agents(asked.environment)}
    return [judged(agent, policy, made.get(agent, ""), on, asked.environment.name) for agent in sorted(asked.agents)]


def judged(agent: str, policy: str, api: str, on: set[str], environment: str) -> Finding:
    """Whether one agent is there, or will be before it is granted something.

    Args:
        agent: its e-mail.
        policy: the project's IAM policy, as text: an agent that has worked holds its role there.
        api: the API whose agent `make bootstrap` has made under this e-mail; empty where it makes none.
        on: APIs that are enabled.
        environment: for the mend.
    """
    if agent in policy:
        return Finding(check=CHECK, subject=agent, status="ok", says="holds a role on the project")
    if api and api in on:
        return Finding(check=CHECK, subject=agent, status="ok", says=f"made by the bootstrap, which has enabled {api}")
    if api:
        says = f"not there: {api} is not enabled, and grants to its agent would be refused as of somebody who does not exist"
        return Finding(check=CHECK, subject=agent, status="blocks", says=says, mend=f"make bootstrap ENV={environment}")
    says = "nobody has it made before it is granted something, so that the grant would be refused as of somebody who does not exist"
    return Finding(
        check=CHECK, subject=agent, status="blocks", says=says, mend="add it to AGENTS in infra/services.py, then make bootstrap"
    )
