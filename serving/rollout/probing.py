"""Labelled rows sent through an endpoint, each answer attributed to the deployed model that gave it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.instances import instance

PROBES = 400
"""Rows; more would tell no more than the offline comparison has told."""
TIMEOUT_SECONDS = 10.0
ANSWERED_BY = "X-Vertex-AI-Deployed-Model-Id"
"""Header of raw predictions, which a failed one carries too; the JSON of `predict` names the deployed model only when all went well.
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/rawPredict"""


@dataclass(frozen=True)
class Probe:
    """A row whose label is known."""

    id: str
    instance: dict[str, str]
    """As the serving contract takes it."""
    label: str


@dataclass(frozen=True)
class Answer:
    """What one request came to."""

    deployed_model: str
    """Id; empty where the answer does not say who gave it."""
    fault: str
    """Empty when every row was answered."""
    milliseconds: float
    right: dict[str, bool]
    """Row id → whether the answer was the row's label."""


def probes(rows: Path, limit: int = PROBES) -> list[Probe]:
    """The first test rows by digest, which is a random sample that no model has learned from."""
    from ml.data.rows import read

    table = read(rows, columns=["id", "content", "label"], split="test").sort_by("id").slice(0, limit)
    return [Probe(row["id"], instance(row["content"]), row["label"]) for row in table.to_pylist()]


def ask(endpoint: Any, batch: Sequence[Probe]) -> Answer:
    """Send one request to an `aiplatform.Endpoint`; what goes wrong is the answer's fault and raises nothing."""
    import requests

    body = json.dumps({"instances": [one.instance for one in batch]}).encode()
    began = time.perf_counter()
    try:
        response = endpoint.raw_predict(body, {"Content-Type": "application/json"}, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        return Answer("", f"no answer: {error}", _since(began), {})
    milliseconds = _since(began)
    deployed_model = response.headers.get(ANSWERED_BY, "")
    if not response.ok:
        return Answer(deployed_model, f"status {response.status_code}: {response.text[:200]}", milliseconds, {})
    try:
        labels = [prediction["label"] for prediction in response.json()["predictions"]]
        right = {one.id: label == one.label for one, label in zip(batch, labels, strict=True)}
    except (ValueError, KeyError, TypeError):
        return Answer(deployed_model, f"not a prediction for each instance: {response.text[:200]}", milliseconds, {})
    return Answer(deployed_model, "", milliseconds, right)


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
