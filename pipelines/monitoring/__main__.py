"""`python -m pipelines.monitoring --env dev --task vision --hours 24`: judges the traffic of the last hours."""

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from environments.clients import Clients
from pipelines.monitoring.start import submit
from pipelines.monitoring.traffic import MonitoringError, moment
from pipelines.submit import command

HOURS = 24 * 366


def main() -> int:
    """Submit one run; the exit status is that of `pipelines.submit.command`."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.monitoring", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    parser.add_argument("--task", required=True, help="name in environments/tasks.yaml")
    parser.add_argument("--hours", type=float, default=24, help="length of the window (default: %(default)s)")
    parser.add_argument(
        "--end", help="its end, ISO 8601 with a time zone (default: now, of which Vertex AI has logged all but the last minutes)"
    )
    arguments = parser.parse_args()
    if not 0 < arguments.hours <= HOURS:
        parser.error(f"--hours must be above 0 and at most {HOURS}, otherwise there is no window to judge")

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
