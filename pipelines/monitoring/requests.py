"""Requests for a monitor, as a schedule publishes them: pulled from Pub/Sub, and a run started for each."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from environments import tasks
from environments.clients import Clients
from pipelines.listening import take
from pipelines.monitoring.start import submit

LONGEST_HOURS = 744
Start = Callable[[Clients, str, str, str], Any]


class RequestError(Exception):
    """A message asks for no monitor; the message is complete and meant for people."""


@dataclass(frozen=True)
class Request:
    """A task and the window that is to be judged."""

    task: str
    start: datetime
    end: datetime

    @classmethod
    def of(cls, message: Any) -> "Request":
        """What a `PubsubMessage` asks for: a window that ends when it was published, however late and often it is delivered.

        Raises:
            RequestError: when an attribute is missing or wrong, or there is no such task.
        """
        attributes = dict(message.attributes)
        task, hours = attributes.get("task", ""), attributes.get("hours", "")
        known = [one.name for one in tasks().tasks]
        if task not in known or not hours.isdecimal() or not 0 < int(hours) <= LONGEST_HOURS:
            raise RequestError(
                f"the message with the attributes {attributes} names none of the tasks {', '.join(known)}, or no hours from 1 to "
                f"{LONGEST_HOURS}. No monitor was started. Mend whoever published it: environments/<env>.yaml, monitoring.schedule."
            )
        end = message.publish_time
        return cls(task, end - timedelta(hours=int(hours)), end)


def pull(clients: Clients, report: Callable[[str], None] = print, start: Start = submit) -> list[Any]:
    """Act on the messages that are there, and wait a while when there is none.

    A message that asks for no monitor is not delivered again, since it never will ask for one.

    Args:
        clients: clients of the environment.
        report: told what was started.
        start: starts the monitor for a task, a start and an end, as `pipelines.monitoring.start.submit` does.

    Returns:
        The runs, as `google.cloud.aiplatform.PipelineJob`.
    """
    runs = []

    def act(message: Any) -> None:
        try:
            asked = Request.of(message)
        except RequestError as error:
            print(error, file=sys.stderr)
        else:
            job = start(clients, asked.task, asked.start.isoformat(), asked.end.isoformat())
            report(f"{job.resource_name} judges {asked.task} from {asked.start.isoformat()} to {asked.end.isoformat()}")
            runs.append(job)

    take(clients, "monitoring", act)
    return runs
