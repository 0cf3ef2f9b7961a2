"""Acts on messages until it is stopped: `python -m pipelines.monitoring --listen`, `python -m pipelines.retraining`."""

import sys
from collections.abc import Callable
from typing import Any

from environments import ConfigurationError
from environments.clients import Clients
from environments.names import Subscription
from pipelines.images import ImagesError

AT_ONCE = 10
WAIT_SECONDS = 20.0
"""For an answer. Not short: a message in an answer that comes too late is out of reach until its deadline for acknowledgement."""


class Later(Exception):
    """A message cannot be acted on now, and is to be delivered again; the text is complete and meant for people."""


def take(clients: Clients, purpose: Subscription, act: Callable[[Any], None]) -> None:
    """Act on the messages of a subscription that are there, and wait a while when there is none.

    A message is acknowledged once it was acted on, and delivered again at once where that raises `Later`. What goes wrong otherwise ends
    the pull, and leaves the message to be delivered again.

    Args:
        clients: clients of the environment.
        purpose: which subscription.
        act: what a `PubsubMessage` asks for.
    """
    from google.api_core.exceptions import DeadlineExceeded

    with clients.subscriber() as subscriber:
        subscription = subscriber.subscription_path(clients.names.project, clients.names.subscription(purpose))
        try:
            received = subscriber.pull(subscription=subscription, max_messages=AT_ONCE, timeout=WAIT_SECONDS).received_messages
        except DeadlineExceeded:
            return
        for one in received:
            try:
                act(one.message)
            except Later as error:
                print(error, file=sys.stderr)
                subscriber.modify_ack_deadline(subscription=subscription, ack_ids=[one.ack_id], ack_deadline_seconds=0)
            else:
                subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id])


def listen(module: str, environment: str, pull: Callable[[Clients], Any], once: bool) -> int:
    """Pull again and again, and say for people what ended it.

    Args:
        module: the command, e.g. `pipelines.retraining`.
        environment: name of the environment.
        pull: acts on the messages that are there, and waits a while when there is none.
        once: whether one pull is all.

    Returns:
        Exit status: 1 without images or where Google Cloud refuses, 2 when the configuration is wrong.
    """
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        clients = Clients.of(environment)
        pull(clients)
        while not once:
            pull(clients)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except ImagesError as error:
        print(error, file=sys.stderr)
        return 1
    except (GoogleAPICallError, GoogleAuthError) as error:
        reached = f"playbook run --env {environment} -- python -m {module} …"
        print(
            f"Google Cloud refused: {error}. Messages that were not acknowledged come again. Mend that, or reach it by: {reached}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        pass
    return 0
