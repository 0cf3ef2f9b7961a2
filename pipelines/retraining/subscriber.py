"""Pulls the events of the retraining subscription and starts a run for each."""

import sys
from collections.abc import Callable
from typing import Any

from environments.clients import Clients
from pipelines.listening import Later, take
from pipelines.retraining.events import Event, EventError
from pipelines.retraining.start import RetrainingError, start


def pull(clients: Clients, report: Callable[[str], None] = print) -> list[Any]:
    """Act on the messages that are there, and wait a while when there is none.

    A message whose run cannot start now is delivered again; one that is no event is not, since it never will be one.

    Args:
        clients: clients of the environment.
        report: told what was started.

    Returns:
        The runs, as `google.cloud.aiplatform.PipelineJob`, one for each event.
    """
    runs: dict[str, Any] = {}

    def act(message: Any) -> None:
        try:
            job = start(clients, Event.of(message.attributes))
        except RetrainingError as error:
            raise Later(str(error)) from None
        except EventError as error:
            print(error, file=sys.stderr)
        else:
            report(f"{job.resource_name} runs for {message.attributes['event_id']}")
            runs[job.resource_name] = job

    take(clients, "retraining", act)
    return list(runs.values())
