"""`python -m serving.rollout show|rollback|serve --env dev --task vision`: what serves, the way back to the champion before, and the page.

`serve` lets the Cloud Run service behind the page (`web.server`) answer with a version: `--version champion --image IMAGE@sha256:…`.
"""

import argparse
import os
import sys
from functools import partial

from environments import ConfigurationError, tasks
from environments.clients import Clients
from serving.registry import versions
from serving.rollout import deployment, promotion, web, web_server


def main() -> int:
    """Show, roll back or serve; the exit status is 1 when that is not possible, 2 when the configuration is wrong."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    parser = argparse.ArgumentParser(prog="python -m serving.rollout", description=__doc__)
    parser.add_argument("do", choices=("show", "rollback", "serve"))
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    parser.add_argument("--task", required=True, help="name in environments/tasks.yaml")
    parser.add_argument("--reason", help="why the champion goes; becomes a label of its version")
    parser.add_argument("--version", default="champion", help="what serve serves: version id or alias (default: %(default)s)")
    parser.add_argument("--image", help="the build of serving-node by digest, as make images records it; serve needs it")
    arguments = parser.parse_args()
    if arguments.do == "rollback" and not arguments.reason:
        parser.error("a rollback needs a --reason, otherwise nobody will know why this version is not to be tried again")
    if arguments.do == "serve" and not arguments.image:
        parser.error("serve needs the --image that is to answer, by digest; make images records it")
    try:
        clients = Clients.of(arguments.env)
        task = tasks().named(arguments.task).name
        if arguments.do == "rollback":
            promotion.rollback(clients, task, arguments.reason, partial(web.show, clients, task))
        if arguments.do == "serve":
            print(f"{web_server.run(clients, task, arguments.version, arguments.image)} answers")
            return 0
        show(clients, task)
    except (ConfigurationError, KeyError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except (deployment.RolloutError, web.WebError, web_server.WebServerError) as error:
        print(error, file=sys.stderr)
        return 1
    except (GoogleAPICallError, GoogleAuthError) as error:
        command = f"playbook run --env {arguments.env} -- python -m serving.rollout …"
        print(f"Google Cloud refused: {error}. Run it again, which goes on where this ended; or reach it by: {command}", file=sys.stderr)
        return 1
    return 0


def show(clients: Clients, task: str) -> None:
    """Print each deployed version with its share of the traffic, its aliases and its verdicts."""
    endpoint = deployment.endpoint(clients, task)
    split = endpoint.traffic_split
    for one in endpoint.list_models():
        version = versions.find(clients, task, one.model_version_id)
        aliases = [alias for alias in version.version_aliases if not alias.startswith(versions.DIGEST)] if version else []
        print(f"version {one.model_version_id}: {split.get(one.id, 0)} % of the traffic, {', '.join(aliases) or 'no alias'}")


if __name__ == "__main__":
    sys.exit(main())
