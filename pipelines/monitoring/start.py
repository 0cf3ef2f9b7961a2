"""Starts the monitor's pipeline for a window of time."""

import hashlib
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from environments import tasks
from environments.clients import TIMEOUT_SECONDS, Clients
from pipelines import compile as specification
from pipelines import images
from pipelines.definitions import monitoring
from pipelines.monitoring.traffic import window
from pipelines.submit import RUN


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
    names = clients.names
    tasks().named(task)
    # The event's id follows from the window, so one moment has one spelling.
    first, last = (moment.isoformat() for moment in window(start, end))
    digests = images.built(clients)
    aiplatform = clients.vertex()
    parameters = {"environment": names.environment.name, "task": task, "start": first, "end": last}
    with tempfile.TemporaryDirectory() as folder:
        template = specification.write(names, Path(folder) / f"{monitoring.NAME}.yaml", digests, monitoring)
        asked = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode() + template.read_bytes()).hexdigest()[:12]
        for running in aiplatform.PipelineJob.list(filter=f'labels.{RUN}="{asked}"'):
            if not running.done():
                return running
        job = aiplatform.PipelineJob(
            display_name=names.name(f"{monitoring.NAME}-{task}"),
            template_path=str(template),
            job_id=f"{names.name(f'{monitoring.NAME}-{task}')}-{asked}-{datetime.now(UTC):%Y%m%d%H%M%S}",
            pipeline_root=names.uri("pipelines", monitoring.NAME, task),
            parameter_values=parameters,
            labels={**names.labels, "task": task, RUN: asked},
        )
        job.submit(
            service_account=names.service_account("pipelines"), experiment=names.experiment(task), create_request_timeout=TIMEOUT_SECONDS
        )
    return job
