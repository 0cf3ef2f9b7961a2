"""An environment goes to sleep: what is paid for by the hour and comes back by itself is stopped; nothing is lost."""

from collections.abc import Callable

from environments import Names
from environments.schema import Environment
from environments.tasks import Tasks
from infra.saving.found import KINDS, ours
from infra.terraform import endpoints
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google

NOTEBOOKS = "https://notebooks.googleapis.com/v2"
RUNNING = ("ACTIVE", "PROVISIONING", "STARTING")


def sleep(names: Names, tasks: Tasks, google: Google, say: Callable[[str], None]) -> int:
    """Undeploy every model and stop every workbench; how many were awake.

    Args:
        names: of the environment.
        tasks: each has an endpoint.
        google: Google's REST APIs.
        say: where progress goes.

    Raises:
        TerraformFailed: when the environment is protected.
        Refused: when Google refuses; the same command goes on.
    """
    environment = names.environment
    if environment.protected:
        raise TerraformFailed(
            f"{environment.name} is protected, so it is not put to sleep: its endpoints would answer nobody. Nothing was changed. "
            f"Whoever means it sets protected: false in environments/{environment.name}.yaml, and that change is reviewed."
        )
    awake = endpoints.undeploy(google, environment.region, [names.endpoint(task.name) for task in tasks.tasks], say)
    for instance in ours(names, google, tuple(kind for kind in KINDS if kind.name == "workbench")):
        if instance.body.get("state") in RUNNING:
            say(f"stopping the workbench {instance.name.rpartition('/')[2]}")
            google.finished(NOTEBOOKS, google.call("POST", f"{instance.url}:stop", None, {}))
            awake += 1
    say(
        f"{environment.name} sleeps. A rollout deploys its models again; who opens a workbench starts it." if awake else "nothing was awake"
    )
    for what in sleepless(environment):
        say(f"still paid for by the hour: {what}; it cannot be stopped: switch it off in environments/{environment.name}.yaml and deploy")
    return awake


def sleepless(environment: Environment) -> list[str]:
    """What the environment has switched on and cannot stop."""
    switched = {
        "the online store (features.online_store)": environment.features.online_store is not None,
        "the resource pool (serving.resource_pool)": environment.serving.resource_pool,
        "the load balancer (web.domain)": environment.web.domain is not None,
    }
    return [what for what, on in switched.items() if on]
