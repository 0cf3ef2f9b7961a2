"""Acts on messages until it is stopped: `python -m pipelines.monitoring --listen`, `python -m pipelines.retraining`."""

import sys
from collections.abc import Callable
from typing import Any

from environments import ConfigurationError
from environments.clients import Clients
from pipelines.images import ImagesError


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
