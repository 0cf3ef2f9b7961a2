"""`python -m pipelines.retraining --env dev`: starts a retraining for each event until it is stopped."""

import argparse
import os
import sys
from typing import Any

from environments.clients import Clients
from pipelines.listening import listen
from pipelines.retraining.events import Event, EventError
from pipelines.retraining.start import RetrainingError, start
from pipelines.retraining.subscriber import pull
from pipelines.submit import command


def main() -> int:
    """Pull events, or start one's retraining; the exit status is that of `pipelines.listening.listen` or `pipelines.submit.command`."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.retraining", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    parser.add_argument("--once", action="store_true", help="act on what is there and end")
    parser.add_argument("--again", nargs=2, metavar=("EVENT", "TASK"), help="start this event's retraining, again if its last run failed")
    arguments = parser.parse_args()
    if not arguments.again:
        return listen("pipelines.retraining", arguments.env, pull, arguments.once)

    def begin() -> Any:
        event, task = arguments.again
        return start(Clients.of(arguments.env), Event.of({"event_id": event, "task": task}), again=True)

    try:
        return command("pipelines.retraining", arguments.env, begin)
    except (EventError, RetrainingError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
