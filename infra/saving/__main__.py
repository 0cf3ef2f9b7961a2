"""`python -m infra.saving {sleep,sweep} --env E`: an environment that nobody needs costs as little as it can."""

import argparse
import datetime
import sys
from collections.abc import Sequence

from environments import ConfigurationError, tasks
from environments.clients import Clients
from infra.saving.sleep import sleep
from infra.saving.sweep import delete, listed, look
from infra.terraform.errors import TerraformFailed
from infra.terraform.rest import Google
from infra.terraform.together import google_errors, on_standard_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when done, 1 when something could not be deleted, 2 when nothing could be done, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m infra.saving", description="What costs money while nobody needs it.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for verb, help_ in (("sleep", "undeploy models and stop workbenches"), ("sweep", "list what has expired and what serves nobody")):
        one = verbs.add_parser(verb, help=help_)
        one.add_argument("--env", required=True, metavar="E", help="environment")
    verbs.choices["sweep"].add_argument("--delete", action="store_true", help="delete what is listed, except what stacks declare")
    options = parser.parse_args(arguments)
    try:
        clients = Clients.of(options.env)
        if options.verb == "sleep":
            sleep(clients.names, tasks(), Google(), on_standard_error)
            return 0
        return _sweep(clients, options.delete)
    except (ConfigurationError, TerraformFailed) as error:
        print(error, file=sys.stderr)
    except google_errors() as error:
        print(
            f"Google refused: {error}\nWhat was done before stays done. Check that you are logged in (gcloud auth application-default "
            f"login) and may do it in {options.env}; the same command goes on where it stopped.",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("interrupted: what was done stays done; the same command goes on", file=sys.stderr)
        return 130
    return 2


def _sweep(clients: Clients, asked_to: bool) -> int:
    google = Google()
    swept = look(clients.names, google, clients.storage(), datetime.datetime.now(datetime.UTC).date())
    environment = clients.names.environment.name
    print("\n".join(listed(swept, environment)) or f"nothing to sweep in {environment}")
    if not asked_to:
        if swept.expired or swept.orphaned:
            print(f"Nothing was deleted. playbook sweep --env {environment} --delete does it.")
        return 0
    kept = delete(swept, clients.names, google, print)
    for what in kept:
        print(f"not deleted: {what}\n  Empty it or undeploy what it serves, by hand, then run this again.", file=sys.stderr)
    return int(bool(kept))


if __name__ == "__main__":
    sys.exit(main())
