"""Few-shot labels by Gemini for a slice of the training rows, which counts as unlabelled from here on.

The request holds one pair of turns with examples and their answers, then the rows to label in the same form: numbered
rows in, a JSON array of row, label and confidence out. Many rows share a request, so that a slice costs a few calls.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from PIL import Image
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from environments import catalogue
from environments.tasks import Task
from ml.data.rows import read, write, write_json
from ml.export.pictures import FORMATS, decode

if TYPE_CHECKING:
    from google import genai
    from google.genai import types

ROWS_PER_REQUEST = 100
MAX_TEXT = 2000
"""Characters of one text that are sent: a label rarely hangs on more, and tokens are paid for."""
MIME_TYPES = {"image/png", "image/jpeg", "image/webp"}
LARGEST_SIDE = 384
"""Pixels; a larger picture is counted, and paid for, as several tiles."""
LARGEST_FILE = 64_000
"""Bytes; with a hundred rows and their examples a request stays below the 20 MB that are taken."""

Row = dict[str, Any]


class Answer(BaseModel):
    """What Gemini says about one row; `label` is narrowed to the classes of the data when a request is made."""

    row: int
    label: str
    confidence: float = Field(ge=0, le=1)


def label(rows: Path, out: Path, task: Task, model: str, client: genai.Client) -> dict[str, Any]:
    """Label a slice of the training rows.

    Args:
        rows: Rows with splits. Their true labels choose the examples and measure the agreement; a labelled row's own
            truth is not sent.
        out: Folder for `labels.parquet` (id, label, confidence, accepted) and `labelling.json`.
        task: How many rows and examples, and the confidence below which an answer counts as an abstention.
        model: Alias in `environments/models.yaml`.
        client: The Gemini client.

    Returns:
        The content of `labelling.json`. Agreement is measured on the accepted rows alone (null where there are none);
        coverage is the share of the rows that were accepted.
    """
    training = read(rows, split="train").sort_by("id")
    classes = sorted(set(training["label"].to_pylist()))
    examples, asked = _choose(training, classes, task)

    answers: dict[str, Answer] = {}
    versions: Counter[str] = Counter()
    unanswered: Counter[str] = Counter()
    for start in range(0, len(asked), ROWS_PER_REQUEST):
        batch = asked[start : start + ROWS_PER_REQUEST]
        response = client.models.generate_content(
            model=catalogue().id(model), contents=_contents(examples, batch), config=_configuration(classes)
        )
        versions[response.model_version or "not stated"] += 1
        found, reason = _answers(response, classes)
        answers |= {row["id"]: found[number] for number, row in enumerate(batch, 1) if number in found}
        unanswered[reason] += sum(number not in found for number in range(1, len(batch) + 1))

    threshold = task.labelling.minimum_confidence
    table = pa.table(
        {
            "id": pa.array([row["id"] for row in asked], pa.string()),
            "label": pa.array([answers[row["id"]].label if row["id"] in answers else None for row in asked], pa.string()),
            "confidence": pa.array([answers[row["id"]].confidence if row["id"] in answers else 0.0 for row in asked], pa.float64()),
            "accepted": pa.array([row["id"] in answers and answers[row["id"]].confidence >= threshold for row in asked], pa.bool_()),
        }
    )
    write(table, out / "labels.parquet")
    truth = {row["id"]: row["label"] for row in asked}
    accepted = [row for row in table.to_pylist() if row["accepted"]]
    report = {
        "model": model,
        "model_version": ", ".join(sorted(versions)),
        "requests": sum(versions.values()),
        "rows": len(asked),
        "accepted": len(accepted),
        "abstained": len(asked) - len(accepted),
        "unanswered": {reason: count for reason, count in unanswered.items() if count},
        "coverage": len(accepted) / len(asked) if asked else 0.0,
        "agreement": sum(truth[row["id"]] == row["label"] for row in accepted) / len(accepted) if accepted else None,
        "agreement_before_abstention": (sum(truth[key] == answer.label for key, answer in answers.items()) / len(answers))
        if answers
        else None,
        "minimum_confidence": threshold,
        "examples": len(examples),
    }
    write_json(report, out / "labelling.json")
    return report


def _choose(training: pa.Table, classes: Sequence[str], task: Task) -> tuple[list[Row], list[Row]]:
    """Examples (the same number of each class) and the slice to label, disjoint; ids are digests, so their order is random."""
    wanted = task.labelling.rows
    if not wanted:
        return [], []
    table = training.select(["id", "label"]).to_pylist()
    left = dict.fromkeys(classes, task.labelling.examples_per_class)
    example_at: list[int] = []
    asked_at: list[int] = []
    for at, row in enumerate(table):
        if left[row["label"]]:
            left[row["label"]] -= 1
            example_at.append(at)
        elif len(asked_at) < wanted:
            asked_at.append(at)
    return training.take(example_at).to_pylist(), training.take(asked_at).to_pylist()


def _contents(examples: Sequence[Row], batch: Sequence[Row]) -> list[types.Content]:
    """Turns: examples, their answers, the rows to label."""
    from google.genai import types

    answers = [Answer(row=number, label=row["label"], confidence=1).model_dump() for number, row in enumerate(examples, 1)]
    return [
        types.Content(role="user", parts=_numbered(examples)),
        types.Content(role="model", parts=[types.Part.from_text(text=json.dumps(answers))]),
        types.Content(role="user", parts=_numbered(batch)),
    ]


def _numbered(batch: Sequence[Row]) -> list[types.Part]:
    """`Row 1:` and its content, `Row 2:` and its content, …: a text part each, a picture as a part of its own."""
    from google.genai import types

    parts: list[types.Part] = []
    for number, row in enumerate(batch, 1):
        content = row["content"]
        if isinstance(content, bytes):
            data, mime_type = _sendable(content)
            parts += [types.Part.from_text(text=f"Row {number}:"), types.Part.from_bytes(data=data, mime_type=mime_type)]
        else:
            parts.append(types.Part.from_text(text=f"Row {number}: {content[:MAX_TEXT]}"))
    return parts


def _sendable(content: bytes) -> tuple[bytes, str]:
    """A picture in a format that Gemini takes and not larger than it looks at, and its media type."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        mime_type = picture.get_format_mimetype() or ""
        if mime_type in MIME_TYPES and max(picture.size) <= LARGEST_SIDE and len(content) <= LARGEST_FILE:
            return content, mime_type
    pixels = decode(content)
    smaller = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    smaller.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    encoded = io.BytesIO()
    smaller.save(encoded, "JPEG", quality=85)
    return encoded.getvalue(), "image/jpeg"


def _configuration(classes: Sequence[str]) -> types.GenerateContentConfig:
    """Instruction, response schema and settings that make the answer repeatable."""
    from google.genai import types

    return types.GenerateContentConfig(
        system_instruction=(
            f"Label every numbered row with one of: {', '.join(classes)}. Answer with one entry per row, in their order. "
            "Confidence is the probability, between 0 and 1, that a careful person would give the same label."
        ),
        response_mime_type="application/json",
        response_schema=_answers_of(classes),
        temperature=0,
        seed=1,
    )


def _answers_of(classes: Sequence[str]) -> Any:
    """The type of a list of `Answer`s whose label must be one of the classes."""
    fields: dict[str, Any] = {"label": (Literal[tuple(classes)], ...)}
    return list[create_model("LabelledRow", __base__=Answer, **fields)]  # type: ignore[misc]


def _answers(response: types.GenerateContentResponse, classes: Sequence[str]) -> tuple[dict[int, Answer], str]:
    """Row number → answer, and why rows without one have none.

    A blocked, truncated or malformed response labels nothing: it is never read as a class.
    """
    candidate = response.candidates[0] if response.candidates else None
    if candidate is None:
        feedback = response.prompt_feedback
        return {}, f"blocked: {feedback.block_reason.name if feedback and feedback.block_reason else 'no candidate'}"
    if candidate.finish_reason is None or candidate.finish_reason.name != "STOP":
        return {}, f"finished with {candidate.finish_reason.name if candidate.finish_reason else 'no reason'}"
    try:
        found: list[Answer] = TypeAdapter(_answers_of(classes)).validate_json(response.text or "")
    except ValidationError:
        return {}, "the answer does not fit the response schema"
    return {answer.row: answer for answer in found}, "the row was left out of the answer"
