"""`report.json`: the run in numbers, for programs. Every number is copied from the document of the step that computed it.

Keys:
    outcome, failure: `passed` or `failed`, and why.
    environment, project, address, began, wall_seconds: which run this is.
    steps: name, status, started, seconds and detail of each.
    infrastructure: what Terraform has done, by stack.
    data: task → what was ingested, and its address.
    models: task → what the training measured, registered, deployed, and what the endpoint answered.
    parity: task → `engines` beside the endpoint, `variants` of the converted model with accuracy and bytes, `node_server`.
    drift: task → window (`control`, `shifted`) → the monitor's verdict with its tests, harm, drivers (no content) and alert.
    rollout: task → the `retrained` challenger, the one that was `refused`, the one `rolled_back`, the states of the `traffic`, and
        what is `serving` at the end; `skipped` says why nothing was retrained.
    fallbacks: what took the place of the real thing.
    evidence: what each kind of result proves.
A run that failed has what was known by then: tasks and parts that it did not reach are missing or null.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from playbook.loop.results import Result
from playbook.report.evidence import evidence
from playbook.report.sections import drift, parity, rollout, training


def summarise(result: Result) -> dict[str, Any]:
    """The content of `report.json`."""
    record = result.record
    began = datetime.fromtimestamp(record.began, UTC)
    summary = {
        "outcome": "passed" if result.passed else "failed",
        "failure": result.failure,
        "environment": result.names.environment.name,
        "project": result.names.project,
        "address": "local Google Cloud" if result.emulated else "Google Cloud",
        "began": began.isoformat(timespec="seconds"),
        "wall_seconds": round(record.elapsed, 1),
        "steps": [{**asdict(step), "started": round(step.started, 3), "seconds": round(step.seconds, 3)} for step in record.steps],
        "infrastructure": asdict(result.provisioned) if result.provisioned else None,
        "data": {task: {**rows.dataset, "uri": result.uploaded.get(task)} for task, rows in result.rows.items()},
        "models": {task: training.numbers(result, task) for task in result.rows if task in result.runs},
        "parity": {task: parity.numbers(result, task) for task in result.rows},
        "drift": {task: drift.numbers(result, task) for task in result.rows},
        "rollout": {task: rollout.numbers(result, task) for task in result.rows},
        "fallbacks": fallbacks(result),
    }
    return {
        **summary,
        "evidence": [asdict(found) for found in evidence(result.emulated, stand_in(result), began.date(), _reached(summary))],
    }


def stand_in(result: Result) -> bool:
    """Whether the stand-in took the google provider's place."""
    return bool(result.provisioned and result.provisioned.stand_in)


def fallbacks(result: Result) -> list[str]:
    """What took the place of the real thing in this run."""
    found = list(result.provisioned.fallbacks) if result.provisioned else []
    if result.emulated:
        models = sorted({str(run.documents["label"]["model_version"]) for run in result.runs.values() if "label" in run.documents})
        found.append("Google Cloud: the local Google Cloud answered for Google's hosts")
        found.append(f"Gemini: small models on this machine answered in its place ({', '.join(models) or 'not asked in this run'})")
        found.append("Containers: the images' entry points ran as processes of this machine")
        found.append("E-mail: what alert policies send goes to the local inbox and to no mail server")
    if parity.without_browser(result):
        found.append("Chromium: none on this machine, so nobody opened the page; Node alone stands for TensorFlow.js ('make doctor')")
    return found


def _reached(summary: dict[str, Any]) -> set[str]:
    """The parts of the loop's second half that have something to prove."""
    tasks = summary["rollout"].values()
    found = {
        "parity": any(one["engines"] for one in summary["parity"].values()),
        "drift": any(window.get("tests") for one in summary["drift"].values() for window in one.values()),
        "rollout": any(one.get("traffic") for one in tasks),
        "features": any(model["features"] for model in summary["models"].values()),
    }
    return {name for name, there in found.items() if there}
