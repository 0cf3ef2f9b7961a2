"""Pulls the events of the retraining subscription and starts a run for each."""

import sys
from collections.abc import Callable
from typing import Any

from google.api_core.exceptions import DeadlineExceeded

from environments.clients import Clients
from pipelines.retraining.events import Event, EventError
from pipelines.retraining.start import RetrainingError, start

AT_ONCE = 10
WAIT_SECONDS = 20.0


def pull(clients: Clients, report: Callable[[str], None] = print, wait: float = WAIT_SECONDS) -> list[Any]:
    """Act on the messages that are there, and wait a while when there is none.

    A message is acknowledged once its run exists. One that is no event is acknowledged too, since it never will be one; one whose
    run cannot start now is left to be delivered again.

    Args:
        clients: clients of the environment.
        report: told what was started.
        wait: seconds to wait for a message.

    Returns:
        The runs, as `google.cloud.aiplatform.PipelineJob`, one for each event.
    """
    runs = []
    with clients.subscriber() as subscriber:
        subscription = subscriber.subscription_path(clients.names.project, clients.names.subscription("retraining"))
        try:
            received = subscriber.pull(subscription=subscription, max_messages=AT_ONCE, timeout=wait).received_messages
        except DeadlineExceeded:
            return []
        for message in received:
            try:
                job = start(clients, Event.of(message.message.attributes))
            except RetrainingError as error:
                print(error, file=sys.stderr)
                subscriber.modify_ack_deadline(subscription=subscription, ack_ids=[message.ack_id], ack_deadline_seconds=0)
                continue
            except EventError as error:
                print(error, file=sys.stderr)
            else:
                report(f"{job.resource_name} runs for {message.message.attributes['event_id']}")
                runs.append(job)
            subscriber.acknowledge(subscription=subscription, ack_ids=[message.ack_id])
    return list({job.resource_name: job for job in runs}.values())
