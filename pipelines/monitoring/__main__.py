"""`python -m pipelines.monitoring --env dev --task vision --hours 24`: judges the traffic of the last hours.

With `--listen` it starts a monitor for each request of the schedule until it is stopped.
"""

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from environments import ConfigurationError
from environments.clients import Clients
from pipelines.images import ImagesError
from pipelines.monitoring import requests
from pipelines.monitoring.start import submit
from pipelines.monitoring.traffic import MonitoringError, moment
from pipelines.submit import command

HOURS = 24 * 366


def main() -> int:
    """Submit one run, or one for each request; the exit status is that of `pipelines.submit.command`."""
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
        return listen(arguments.env, arguments.once)

    def begin() -> Any:
        end = moment(arguments.end) if arguments.end else datetime.now(UTC)
        start = end - timedelta(hours=arguments.hours)
        return submit(Clients.of(arguments.env), arguments.task, start.isoformat(), end.isoformat())

    try:
        return command("pipelines.monitoring", arguments.env, begin)
    except MonitoringError as error:
        print(error, file=sys.stderr)
        return 2


def listen(environment: str, once: bool) -> int:
    """Act on requests; the exit status is 1 when Google Cloud refuses or there are no images, 2 when the configuration is wrong."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        clients = Clients.of(environment)
        requests.pull(clients)
        while not once:
            requests.pull(clients)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except ImagesError as error:
        print(error, file=sys.stderr)
        return 1
    except (GoogleAPICallError, GoogleAuthError) as error:
        reached = f"playbook run --env {environment} -- python -m pipelines.monitoring"
        print(
            f"Google Cloud refused: {error}. Requests that were not acknowledged come again. Mend that, or reach it by: {reached}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
