"""`python -m pipelines.submit --env dev --task vision --rows gs://…/rows.parquet`: starts one run of the training pipeline."""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from environments import ConfigurationError, tasks
from environments.clients import TIMEOUT_SECONDS, Clients
from pipelines import compile as specification
from pipelines import images
from pipelines.definitions.training import NAME

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
    names = clients.names
    tasks().named(task)
    digests = images.built(clients)
    aiplatform = clients.vertex()
    parameters = {"environment": names.environment.name, "task": task, "rows_uri": rows_uri, "declared": declared}
    with tempfile.TemporaryDirectory() as folder:
        template = specification.write(names, Path(folder) / f"{NAME}.yaml", digests)
        asked = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode() + template.read_bytes()).hexdigest()[:12]
        for running in aiplatform.PipelineJob.list(filter=f'labels.{RUN}="{asked}"'):
            if not running.done():
                return running
        job = aiplatform.PipelineJob(
            display_name=names.name(f"{NAME}-{task}"),
            template_path=str(template),
            # The SDK's own id has a resolution of one second, which two tasks submitted together would share.
            job_id=f"{names.name(f'{NAME}-{task}')}-{asked}-{datetime.now(UTC):%Y%m%d%H%M%S}",
            pipeline_root=names.uri("pipelines", NAME, task),
            # No enable_caching: it would overrule the steps that must look at the registry and the endpoint themselves.
            parameter_values=parameters,
            labels={**names.labels, "task": task, RUN: asked},
        )
        job.submit(
            service_account=names.service_account("pipelines"), experiment=names.experiment(task), create_request_timeout=TIMEOUT_SECONDS
        )
    return job


def main() -> int:
    """Submit one run and print its resource name; 1 without images or where Google Cloud refuses it, 2 for a wrong configuration."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    parser = argparse.ArgumentParser(prog="python -m pipelines.submit", description=__doc__)
    parser.add_argument("--env", default=os.environ.get("ENV", "local"), help="environment (default: ENV, or local)")
    parser.add_argument("--task", required=True, help="name in environments/tasks.yaml")
    parser.add_argument("--rows", required=True, help="gs:// address of the raw rows")
    parser.add_argument("--declared", action="store_true", help="the rows are the task's declared dataset, so its gates apply")
    arguments = parser.parse_args()
    try:
        job = submit(Clients.of(arguments.env), arguments.task, arguments.rows, arguments.declared)
    except (ConfigurationError, KeyError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except images.ImagesError as error:
        print(error, file=sys.stderr)
        return 1
    except (GoogleAPICallError, GoogleAuthError) as error:
        command = f"playbook run --env {arguments.env} -- python -m pipelines.submit …"
        print(f"Google Cloud refused the run, and nothing was started: {error}. Mend that, or reach it by: {command}", file=sys.stderr)
        return 1
    print(job.resource_name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
