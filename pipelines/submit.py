"""`python -m pipelines.submit --env dev --task vision --rows gs://…/rows.parquet`: starts one run of the training pipeline."""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from environments import ConfigurationError, tasks
from environments.clients import TIMEOUT_SECONDS, Clients
from pipelines import compile as specification
from pipelines import images
from pipelines.definitions import training

RUN = "run"
"""Label with the digest of what a run was asked to do, by which a run that is under way is found again."""


def submit(clients: Clients, task: str, rows_uri: str, declared: bool) -> Any:
    """Start the training pipeline for one task, or join the run that was started with the same inputs and still works.

    Args:
        clients: clients of the environment.
        task: name of the task.
        rows_uri: `gs://…/rows.parquet`, the raw rows.
        declared: whether the rows are the task's declared dataset, to which its gates apply.

    Returns:
        The `google.cloud.aiplatform.PipelineJob`.

    Raises:
        ImagesError: when the images of this source were never built in the environment.
    """
    return join_or_start(clients, training, task, {"rows_uri": rows_uri, "declared": declared})


def join_or_start(clients: Clients, definition: ModuleType, task: str, inputs: Mapping[str, Any]) -> Any:
    """The run of a pipeline that was started with the same inputs and still works, or a new one.

    Args:
        clients: clients of the environment.
        definition: module of `pipelines.definitions`.
        task: name of the task.
        inputs: parameters of the pipeline beside environment and task.

    Returns:
        The `google.cloud.aiplatform.PipelineJob`.

    Raises:
        ImagesError: when the images of this source were never built in the environment.
    """
    tasks().named(task)
    with compiled(clients, definition) as template:
        asked = hashlib.sha256(json.dumps([task, inputs], sort_keys=True).encode() + template.read_bytes()).hexdigest()[:12]
        for running in clients.vertex().PipelineJob.list(filter=f'labels.{RUN}="{asked}"'):
            if not running.done():
                return running
        # The SDK's own id has a resolution of one second, which two tasks submitted together would share.
        job_id = f"{clients.names.name(f'{definition.NAME}-{task}')}-{asked}-{datetime.now(UTC):%Y%m%d%H%M%S}"
        return start(clients, definition, template, job_id, task, inputs, {RUN: asked})


@contextmanager
def compiled(clients: Clients, definition: ModuleType) -> Iterator[Path]:
    """The specification of a pipeline, with the images of this source.

    Raises:
        ImagesError: when they were never built in the environment.
    """
    digests = images.built(clients)
    with tempfile.TemporaryDirectory() as folder:
        yield specification.write(clients.names, Path(folder) / f"{definition.NAME}.yaml", digests, definition)


def start(
    clients: Clients, definition: ModuleType, template: Path, job_id: str, task: str, inputs: Mapping[str, Any], labels: Mapping[str, str]
) -> Any:
    """Start a run under an id; Vertex AI refuses an id that a run has (`AlreadyExists`)."""
    names = clients.names
    job = clients.vertex().PipelineJob(
        display_name=names.name(f"{definition.NAME}-{task}"),
        template_path=str(template),
        job_id=job_id,
        pipeline_root=names.uri("pipelines", definition.NAME, task),
        # No enable_caching: it would overrule the steps that must look at the registry and the endpoint themselves.
        parameter_values={"environment": names.environment.name, "task": task, **inputs},
        labels={**names.labels, "task": task, **labels},
    )
    job.submit(
        service_account=names.service_account("pipelines"), experiment=names.experiment(task), create_request_timeout=TIMEOUT_SECONDS
    )
    return job


def command(module: str, environment: str, begin: Callable[[], Any]) -> int:
    """Start a run for whoever asked for it at a terminal, and print its resource name.

    Args:
        module: the command, e.g. `pipelines.submit`.
        environment: name of the environment.
        begin: starts the run.

    Returns:
        Exit status: 1 without images or where Google Cloud refuses it, 2 when what was asked for is wrong.
    """
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        print(begin().resource_name)
    except (ConfigurationError, KeyError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except images.ImagesError as error:
        print(error, file=sys.stderr)
        return 1
    except (GoogleAPICallError, GoogleAuthError) as error:
        reached = f"playbook run --env {environment} -- python -m {module} …"
        print(f"Google Cloud refused the run, and nothing was started: {error}. Mend that, or reach it by: {reached}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Submit one run; the exit status is that of `command`."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.submit", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    parser.add_argument("--task", required=True, help="name in environments/tasks.yaml")
    parser.add_argument("--rows", required=True, help="gs:// address of the raw rows")
    parser.add_argument("--declared", action="store_true", help="the rows are the task's declared dataset, so its gates apply")
    asked = parser.parse_args()
    return command("pipelines.submit", asked.env, lambda: submit(Clients.of(asked.env), asked.task, asked.rows, asked.declared))


if __name__ == "__main__":
    sys.exit(main())
