"""Starts the monitor's pipeline for a window of time."""

from typing import Any

from environments.clients import Clients
from pipelines.definitions import monitoring
from pipelines.monitoring.traffic import window
from pipelines.submit import join_or_start


def submit(clients: Clients, task: str, start: str, end: str) -> Any:
    """Start the monitor for one window of one task, or join the run that judges this window and still works.

    Args:
        clients: clients of the environment.
        task: name of the task.
        start: first moment of the window, ISO 8601 with a time zone.
        end: the moment before which it ends.

    Returns:
        The `google.cloud.aiplatform.PipelineJob`.

    Raises:
        MonitoringError: when the two are no window.
        ImagesError: when the images of this source were never built in the environment.
    """
    # The event's id follows from the window, so one moment has one spelling.
    first, last = (moment.isoformat() for moment in window(start, end))
    return join_or_start(clients, monitoring, task, {"start": first, "end": last})
