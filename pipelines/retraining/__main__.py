"""`python -m pipelines.retraining --env dev`: starts a retraining for each event until it is stopped."""

import argparse
import os
import sys

from environments import ConfigurationError
from environments.clients import Clients
from pipelines.images import ImagesError
from pipelines.retraining.events import Event, EventError
from pipelines.retraining.start import RetrainingError, start


def main() -> int:
    """Pull events; the exit status is 1 when Google Cloud refuses, 2 when the configuration or what was asked for is wrong."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    from pipelines.retraining.subscriber import pull

    parser = argparse.ArgumentParser(prog="python -m pipelines.retraining", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    parser.add_argument("--once", action="store_true", help="act on what is there and end")
    parser.add_argument("--again", nargs=2, metavar=("EVENT", "TASK"), help="start this event's retraining, again if its last run failed")
    arguments = parser.parse_args()
    try:
        clients = Clients.of(arguments.env)
        if arguments.again:
            event, task = arguments.again
            print(start(clients, Event.of({"event_id": event, "task": task}), again=True).resource_name)
            return 0
        pull(clients)
        while not arguments.once:
            pull(clients)
    except (ConfigurationError, EventError, RetrainingError, ImagesError) as error:
        print(error, file=sys.stderr)
        return 2
    except (GoogleAPICallError, GoogleAuthError) as error:
        command = f"playbook run --env {arguments.env} -- python -m pipelines.retraining"
        print(
            f"Google Cloud refused: {error}. Events that were not acknowledged come again. Mend that, or reach it by: {command}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
