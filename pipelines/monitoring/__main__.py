"""`python -m pipelines.monitoring --env dev --task vision --hours 24`: judges the traffic of the last hours."""

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta

from environments import ConfigurationError
from environments.clients import Clients
from pipelines.images import ImagesError
from pipelines.monitoring.start import submit
from pipelines.monitoring.traffic import MonitoringError, moment

HOURS = 24 * 366


def main() -> int:
    """Submit one run and print its resource name; 1 without images or where Google Cloud refuses it, 2 when what was asked for is wrong."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

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
    try:
        end = moment(arguments.end) if arguments.end else datetime.now(UTC)
        start = end - timedelta(hours=arguments.hours)
        job = submit(Clients.of(arguments.env), arguments.task, start.isoformat(), end.isoformat())
    except (ConfigurationError, KeyError, MonitoringError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except ImagesError as error:
        print(error, file=sys.stderr)
        return 1
    except (GoogleAPICallError, GoogleAuthError) as error:
        command = f"playbook run --env {arguments.env} -- python -m pipelines.monitoring …"
        print(f"Google Cloud refused the run, and nothing was started: {error}. Mend that, or reach it by: {command}", file=sys.stderr)
        return 1
    print(job.resource_name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
