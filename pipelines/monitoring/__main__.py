"""`python -m pipelines.monitoring --env dev --task vision --hours 24`: judges the traffic of the last hours.

With `--listen` it starts a monitor for each request of the schedule until it is stopped.
"""

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from environments.clients import Clients
from pipelines.listening import listen
from pipelines.monitoring import requests
from pipelines.monitoring.start import submit
from pipelines.monitoring.traffic import MonitoringError, moment
from pipelines.submit import command

HOURS = 24 * 366


def main() -> int:
    """Submit one run, or one for each request; the exit status is that of `pipelines.submit.command` or `pipelines.listening.listen`."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.monitoring", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", help="name in environments/tasks.yaml")
    what.add_argument("--listen", action="store_true", help="act on requests until it is stopped")
    what.add_argument("--once", action="store_true", help="act on the requests that are there and end")
    parser.add_argument("--hours", type=float, default=24, help="length of the window (default: %(default)s)")
    parser.add_argument(
        "--end", help="its end, ISO 8601 with a time zone (default: now, of which Vertex AI has logged all but the last minutes)"
    )
    arguments = parser.parse_args()
    if not 0 < arguments.hours <= HOURS:
        parser.error(f"--hours must be above 0 and at most {HOURS}, otherwise there is no window to judge")

    if arguments.listen or arguments.once:
        return listen("pipelines.monitoring", arguments.env, requests.pull, arguments.once)

    def begin() -> Any:
        end = moment(arguments.end) if arguments.end else datetime.now(UTC)
        start = end - timedelta(hours=arguments.hours)
        return submit(Clients.of(arguments.env), arguments.task, start.isoformat(), end.isoformat())

    try:
        return command("pipelines.monitoring", arguments.env, begin)
    except MonitoringError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
