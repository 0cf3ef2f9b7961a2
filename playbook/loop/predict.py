"""Asks the deployed models about frozen rows, as any caller would, and compares with the truth and with the evaluation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from environments.clients import TIMEOUT_SECONDS, Clients
from playbook import PlaybookError
from playbook.loop.ingest import Rows
from playbook.loop.record import Record
from serving.instances import REQUEST_BYTES, batches, fits, instance

ASKED = 500
ROWS_PER_REQUEST = 50


class PredictionError(PlaybookError):
    """The endpoint does not answer as the model was measured."""


@dataclass(frozen=True)
class Answer:
    """One frozen row and what the endpoint said about it."""

    id: str
    content: bytes | str
    truth: str
    label: str
    confidence: float
    scores: Mapping[str, float]
    """Class → probability."""

    @property
    def right(self) -> bool:
        """Whether the answer is the truth."""
        return self.label == self.truth


@dataclass(frozen=True)
class Answers:
    """What an endpoint said."""

    answers: tuple[Answer, ...]
    frozen: int
    """Frozen test rows in all, of which the first were asked."""
    requests: int
    milliseconds: float
    """Median of the requests."""
    deployed_model: str
    model_version: str

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return sum(answer.right for answer in self.answers) / len(self.answers)


def ask(clients: Clients, rows: Rows, splits_digest: str, record: Record) -> Answers:
    """Predict the first frozen test rows through the endpoint.

    Args:
        clients: clients of the environment.
        rows: the raw rows of the task.
        splits_digest: digest of the split that the pipeline froze; ours must be the same rows.
        record: where the step is kept.

    Raises:
        PredictionError: when the frozen rows differ from the pipeline's, or there are none.
    """
    task = rows.source.task.name
    with record.step(f"{task} · predict") as outcome:
        frozen = _frozen(rows, splits_digest)
        endpoint = clients.vertex().Endpoint(clients.names.endpoint(task))
        answers: list[Answer] = []
        times: list[float] = []
        asked = fitting(frozen[:ASKED], task)
        for batch in batches(asked, ROWS_PER_REQUEST, lambda row: instance(row["content"])):
            began = time.monotonic()
            prediction = endpoint.predict(instances=[instance(row["content"]) for row in batch], timeout=TIMEOUT_SECONDS)
            times.append((time.monotonic() - began) * 1000)
            answers += [
                Answer(row["id"], row["content"], row["label"], said["label"], float(said["confidence"]), dict(said["scores"]))
                for row, said in zip(batch, prediction.predictions, strict=True)
            ]
        found = Answers(
            tuple(answers),
            len(frozen),
            len(times),
            sorted(times)[len(times) // 2],
            str(prediction.deployed_model_id),
            str(prediction.model_version_id),
        )
        right = sum(answer.right for answer in answers)
        outcome.detail = f"{right} of {len(answers)} frozen rows right through the endpoint ({found.accuracy:.3f})"
        if larger := len(frozen[:ASKED]) - len(asked):
            outcome.detail += f"; {larger} too large for a request"
    return found


def _frozen(rows: Rows, splits_digest: str) -> list[dict[str, Any]]:
    if rows.splits_digest != splits_digest:
        raise PredictionError(
            f"The rows that {rows.source.task.name} would be asked about ({rows.splits_digest[:12]}) are not those that its pipeline froze "
            f"({splits_digest[:12]}), so the comparison would prove nothing. Run the loop again; finished steps come from the cache."
        )
    frozen = rows.frozen()
    if not frozen:
        raise PredictionError(f"{rows.source.task.name} has no frozen test rows, so nothing can be asked. Add data.")
    return frozen


def fitting(rows: list[dict[str, Any]], task: str) -> list[dict[str, Any]]:
    """The rows that fit into a request of their own.

    Raises:
        PredictionError: when none does.
    """
    found = [row for row in rows if fits(instance(row["content"]))]
    if not found:
        raise PredictionError(
            f"Every frozen row of {task} is larger than the {REQUEST_BYTES:,} bytes that one request may have, so nothing can be asked. "
            "Make the pictures smaller."
        )
    return found
