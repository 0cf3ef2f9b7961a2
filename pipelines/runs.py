"""Reads a run back: its steps, and the JSON documents that they wrote, as plain data for reports."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from environments.clients import Clients

RELEASE = ("register", "gate", "convert", "features", "attach", "deploy", "write-features")
STEPS = ("ingest", "label", "preprocess", "train", "evaluate", *RELEASE)
"""Of a training."""
RETRAINING_STEPS = ("ingest", "label", "join", "preprocess", "train", "evaluate", "compare", *RELEASE)
"""Of a retraining; those of a training are in it, in their order."""
MONITORING_STEPS = ("traffic", "monitor", "alert")
"""Of a monitor's run."""
DOCUMENTS = {
    "ingest": ("rows", "splits.json"),
    "label": ("labels", "labelling.json"),
    "join": ("joined", "joined.json"),
    "evaluate": ("evaluation", "evaluation.json"),
    "compare": ("comparison", "comparison.json"),
    "convert": ("converted", "web.json"),
    "features": ("features", "features.json"),
    "register": ("registration", "registration.json"),
    "gate": ("decision", "gate.json"),
    "deploy": ("rollout", "deployment.json"),
    "write-features": ("written", "written.json"),
    "monitor": ("drift", "drift.json"),
    "alert": ("alerted", "alert.json"),
}
"""Step → the artifact that is a folder with its document, and the document's name."""
WELL = ("SUCCEEDED", "SKIPPED")
ENDED = (*WELL, "FAILED", "CANCELLED", "NOT_TRIGGERED")
"""States of a step."""
STATE = "PIPELINE_STATE_"
RUNNING = ("UNSPECIFIED", "QUEUED", "PENDING", "RUNNING", "CANCELLING")
"""States of a run that has not ended."""
POLL_SECONDS = 1.0


class RunError(Exception):
    """A run did not succeed; the message names the step and is meant for people."""


@dataclass(frozen=True)
class Step:
    """One step of a run."""

    name: str
    state: str
    """Vertex AI's word: `SUCCEEDED`, `SKIPPED` (outputs came from the cache), `FAILED`, `NOT_TRIGGERED`, …"""
    started: datetime | None
    seconds: float
    cached: bool
    error: str

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state in ENDED


@dataclass(frozen=True)
class Run:
    """A finished run."""

    job: str
    """Resource name."""
    task: str
    state: str
    seconds: float
    steps: tuple[Step, ...]
    documents: Mapping[str, Mapping[str, Any]]
    """Step → its JSON document, for the steps that ran or came from the cache."""


def wait(jobs: Iterable[Any]) -> None:
    """Return when every job has ended, whatever way."""
    pending = list(jobs)
    while pending := [job for job in pending if not job.done()]:
        time.sleep(POLL_SECONDS)


def steps(job: Any) -> tuple[Step, ...]:
    """The steps of an `aiplatform.PipelineJob` as they stand now, in the order of the pipeline."""
    details = {detail.task_name: detail for detail in job.task_details}
    return tuple(_step(details[name]) for name in (*RETRAINING_STEPS, *MONITORING_STEPS) if name in details)


def state(job: Any) -> str:
    """The state of the job as it was read last, `SUCCEEDED` for example: reading it again would carry every step again."""
    return str(job.gca_resource.state.name.removeprefix(STATE))


def document(clients: Clients, job: Any, step: str) -> dict[str, Any]:
    """The JSON document of one step that has ended well; empty when the step writes none."""
    from google.cloud.storage import Blob

    if step not in DOCUMENTS:
        return {}
    artifact, name = DOCUMENTS[step]
    [detail] = [detail for detail in job.gca_resource.job_detail.task_details if detail.task_name == step]
    [folder] = detail.outputs[artifact].artifacts
    content: dict[str, Any] = json.loads(Blob.from_uri(f"{folder.uri}/{name}", client=clients.storage()).download_as_bytes())
    return content


def read(clients: Clients, job: Any) -> Run:
    """The run of an `aiplatform.PipelineJob` that has ended."""
    seen = steps(job)
    documents = {step.name: content for step in seen if step.state in WELL and (content := document(clients, job, step.name))}
    return Run(job.resource_name, dict(job.labels)["task"], state(job), _seconds(job.gca_resource), seen, documents)


def succeeded(run: Run) -> Run:
    """`run`, if it ended well.

    Raises:
        RunError: naming the step that failed and its error.
    """
    if run.state == "SUCCEEDED":
        return run
    failed = [step for step in run.steps if step.state == "FAILED"]
    reasons = "; ".join(f"{step.name}: {step.error.rstrip('.') or 'no reason given'}" for step in failed) or f"the run ended as {run.state}"
    raise RunError(
        f"the training of {run.task} failed in {reasons}. What served before keeps its traffic. "
        f"Read the step's log of {run.job}, mend the cause and submit again: finished steps come from the cache."
    )


def _step(detail: Any) -> Step:
    state = detail.state.name
    return Step(detail.task_name, state, detail.start_time, _seconds(detail), state == "SKIPPED", detail.error.message)


def _seconds(timed: Any) -> float:
    """From start to end of a job or a task; 0 where it never started."""
    if not timed.start_time or not timed.end_time:
        return 0.0
    return round(float((timed.end_time - timed.start_time).total_seconds()), 3)
