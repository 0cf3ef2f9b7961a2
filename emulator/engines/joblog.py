"""What the replicas of a job print: lines of the job's log, and entries of Cloud Logging as Vertex AI writes them.

https://cloud.google.com/vertex-ai/docs/training/monitor-debug-interactive-shell, https://cloud.google.com/logging/docs/api/v2/resource-list
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from emulator.clock import now
from emulator.engines import entries

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Json = dict[str, Any]

BATCH_SECONDS = 0.2
"""How long a line waits for others that are written with it."""
SEVERITIES = {"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}


class JobLog:
    """The log of one job.

    Args:
        cloud: The local Google Cloud.
        name: The custom job.
        job: Name of the job that the entries are found by: the custom job's, or for a trial that of its tuning job.
        trial: Id of the trial; empty for a job that is none.
    """

    def __init__(self, cloud: Cloud, name: str, job: str, trial: str = "") -> None:
        self._cloud, self._name = cloud, name
        self._project, self._job, self._trial = name.split("/")[1], job.rpartition("/")[2], trial
        self._waiting: list[tuple[str, Json]] = []
        self._flushing: asyncio.TimerHandle | None = None

    def add(self, task: str, line: str) -> None:
        """Takes a line that the replica `task` printed."""
        labels = {"ml.googleapis.com/job_id": self._job, "ml.googleapis.com/task_name": task}
        if self._trial:
            labels |= {"ml.googleapis.com/trial_id": self._trial, "ml.googleapis.com/trial_type": "hyperparameter_tuning"}
        resource = {"type": "ml_job", "labels": {"project_id": self._project, "job_id": self._job, "task_name": task}}
        entry = {"logName": f"projects/{self._project}/logs/{task}", "resource": resource, "labels": labels, "timestamp": now()}
        self._waiting.append((f"[{task}] {line}", {**entry, **payload(line)}))
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(BATCH_SECONDS, self.flush)

    def flush(self) -> None:
        """Writes the lines that wait, in one transaction."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        waiting, self._waiting = self._waiting, []
        with self._cloud.store.transaction():
            for line, _ in waiting:
                self._cloud.log(self._name, line)
            entries.write(self._cloud, [entry for _, entry in waiting])


def payload(line: str) -> Json:
    """Payload and severity of a printed line: of one that is a JSON object, what it says; both output streams come here as one."""
    if line.startswith("{"):
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if isinstance(said, dict) and isinstance(said.get("message"), str):
            severity = str(said.pop("severity", "INFO")).upper()
            return {"severity": severity if severity in SEVERITIES else "DEFAULT", "jsonPayload": said}
    return {"severity": "INFO", "jsonPayload": {"message": line}}
