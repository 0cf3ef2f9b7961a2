"""`report.json`: the run in numbers, for programs. Every number is copied from the document of the step that computed it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from playbook.loop.results import Result
from playbook.report.evidence import evidence


def summarise(result: Result) -> dict[str, Any]:
    """The content of `report.json`."""
    record = result.record
    began = datetime.fromtimestamp(record.began, UTC)
    return {
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
        "models": {task: _model(result, task) for task in result.rows if task in result.runs},
        "fallbacks": fallbacks(result),
        "evidence": [asdict(found) for found in evidence(result.emulated, stand_in(result), began.date())],
    }


def _model(result: Result, task: str) -> dict[str, Any]:
    run = result.runs[task]
    documents = run.documents
    answers = result.answers.get(task)
    measured = {key: value for key, value in documents.get("evaluation", documents.get("evaluate", {})).items() if key != "samples"}
    return {
        "accuracy": measured.get("accuracy"),
        "evaluation": measured,
        "labelling": documents.get("label"),
        "gate": documents.get("gate"),
        "registration": documents.get("register"),
        "deployment": documents.get("deploy"),
        "pipeline": run.job,
        "predictions": answers
        and {
            "asked": len(answers.answers),
            "frozen_rows": answers.frozen,
            "accuracy": answers.accuracy,
            "requests": answers.requests,
            "median_milliseconds": round(answers.milliseconds, 1),
            "deployed_model": answers.deployed_model,
            "model_version": answers.model_version,
        },
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
    return found
