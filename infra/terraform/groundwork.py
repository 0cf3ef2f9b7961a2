"""What must exist before Terraform can: the project, its APIs, Google's service agents, the state bucket, who plans and applies, and what
approvals are given with.

Whatever of it Terraform has a resource for, the stacks adopt. A second run finds everything and changes nothing.
"""

import time
from collections.abc import Callable, Sequence

from environments import Names
from infra.terraform import actors, consent, enabled, project, restored, state
from infra.terraform.rest import Google, Refused
from infra.terraform.step import MISSING

NOT_YET = ("has not been used in project", "does not exist")
"""How Google says that an API which was just enabled, or an account which was just made, is not known everywhere."""
PAUSES = (1, 2, 4, 8, 15, 30, 30)
"""Seconds until the next try: that is so within a minute or two."""


def lay(names: Names, google: Google, say: Callable[[str], None]) -> bool:
    """Look at everything, say what is lacking, and make it; true when the state bucket was made now.

    Raises:
        Refused: when Google refuses.
    """
    bucket = state.bucket(names, google)
    steps = [
        *project.steps(names, google),
        *enabled.steps(names, google),
        bucket,
        *restored.steps(names, google),
        *actors.steps(names, google),
        *consent.steps(names, google),
    ]
    todo = [(step, lacking) for step in steps if (lacking := step.lacking())]
    for step, lacking in todo:
        say(f"{step.what}: {lacking}")
    for step, _ in todo:
        settled(step.make)
    settled(lambda: enabled.ask_for_agents(names, google))
    if todo:
        say(f"done: {names.environment.name} is ready for its stacks")
    number = project.number(names, google)
    if number != names.environment.project.number:
        say(
            f"the number of {names.project} is {number}, and environments/{names.environment.name}.yaml does not say so: Google's service "
            f'agents would be granted nothing. Write number: "{number}" there, below project'
        )
    return (bucket, MISSING) in todo


def settled(make: Callable[[], None], pauses: Sequence[float] = PAUSES) -> None:
    """Do it, and again while Google does not know yet what was made just before.

    Raises:
        Refused: for any other reason, or when Google still does not know after the last pause.
    """
    for pause in pauses:
        try:
            make()
        except Refused as error:
            if not any(text in str(error) for text in NOT_YET):
                raise
            time.sleep(pause)
        else:
            return
    make()
