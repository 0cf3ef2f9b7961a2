"""A tuning data set: JSONL in Gemini's chat format → inputs with their labels, what is wrong with the rest, and Google's statistics.

https://cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning-prepare
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.behaviours import Refusal
from emulator.engines.gemini import prompt as prompts
from emulator.engines.gemini.pieces import Content, parts_of
from emulator.engines.gemini.refused import Refused
from emulator.engines.gemini.request import conformed

Json = dict[str, Any]

ANY_LABEL = ("", "")
"""Stands for a head's labels while they are still unknown."""
LONGEST_LABEL = 200
"""Characters; what is longer is prose."""
SHOWN = 10
"""Dropped rows and sample messages that the statistics name."""
BUCKETS = 10


@dataclass(frozen=True)
class Row:
    """One example as it was sent."""

    number: int
    """Line in the file, from 1."""
    body: Json
    """The request that the example answers: system instruction and user turn."""
    label: str


@dataclass(frozen=True)
class Dropped:
    """A row that cannot be learnt from."""

    number: int
    reason: str


def read(content: bytes) -> tuple[list[Row], list[Dropped]]:
    """The rows of a JSONL file; empty lines are none."""
    rows: list[Row] = []
    dropped: list[Dropped] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(number, line))
        except (Refusal, Refused) as error:
            dropped.append(Dropped(number, error.reason if isinstance(error, Refused) else error.message))
    return rows, dropped


def _row(number: int, line: bytes) -> Row:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused(f"a line is not JSON ({error})", "Write one object a line.") from None
    if not isinstance(given, dict):
        raise Refused("a line is not an object", "Write one object with 'contents' a line.")
    body = conformed("generateContent", given)
    turns = body.get("contents") or []
    if [turn.get("role") for turn in turns] != ["user", "model"]:
        raise Refused("an example is one turn of the user and one of the model", "Split longer conversations.")
    label = "".join(part.get("text", "") for part in parts_of(turns[1]) if not part.get("thought")).strip()
    if not label:
        raise Refused("the model's turn has no text", "Write the label there.")
    return Row(number, {**body, "contents": turns[:1]}, label)


def content_of(row: Row, files: Mapping[str, bytes]) -> Content:
    """The one text or picture that the row's request asks about, read as the tuned model will read requests.

    Raises:
        Refused: There is not exactly one, or it cannot be read.
    """
    queries = prompts.read(row.body, files, ANY_LABEL).queries
    if len(queries) != 1:
        raise Refused(f"the row has {len(queries)} inputs and one answer", "Give every input a row of its own.")
    return queries[0].content


def check_labels(labels: Sequence[str]) -> None:
    """Holds the answers to what can be learnt: a set of labels that repeat.

    Raises:
        Refused: They are too few or differ too much.
    """
    different = set(labels)
    if len(different) < 2:
        raise Refused(f"the rows have {len(different)} different answers", "Give examples of two or more labels.")
    if len(different) > len(labels) / 2 or max(map(len, different)) > LONGEST_LABEL:
        raise Refused(
            f"the {len(labels)} rows have {len(different)} different answers, the longest of {max(map(len, different))} characters, "
            "and free text cannot be learnt",
            f"Answer with labels of {LONGEST_LABEL} characters at most, each in two rows or more. For free text tune Gemini itself.",
        )


def statistics(rows: Sequence[Row], dropped: Sequence[Dropped], steps: int, count: Callable[[str], int], picture_tokens: int) -> Json:
    """`SupervisedTuningDataStats`.

    Args:
        rows: What was learnt from.
        dropped: What was not.
        steps: Optimisation steps.
        count: Tokens of a text.
        picture_tokens: Tokens of a picture.
    """
    asked = [list(_parts(row.body)) for row in rows]
    inputs = [sum(count(part["text"]) if "text" in part else picture_tokens for part in parts) for parts in asked]
    outputs = [count(row.label) for row in rows]
    characters = [sum(len(part.get("text", "")) for part in parts) + len(row.label) for parts, row in zip(asked, rows, strict=True)]
    named = dropped[:SHOWN]
    return {
        "tuningDatasetExampleCount": str(len(rows) + len(dropped)),
        "totalTuningCharacterCount": str(sum(characters)),
        "totalBillableCharacterCount": str(sum(characters)),
        "totalBillableTokenCount": str(sum(inputs) + sum(outputs)),
        "tuningStepCount": str(steps),
        "totalTruncatedExampleCount": str(len(dropped)),
        "truncatedExampleIndices": [str(one.number) for one in named],
        "droppedExampleReasons": [one.reason for one in named],
        "userDatasetExamples": [row.body["contents"][0] for row in rows[:SHOWN] if all("text" in part for part in _parts(row.body))],
        "userInputTokenDistribution": _distribution(inputs),
        "userOutputTokenDistribution": _distribution(outputs),
        "userMessagePerExampleDistribution": _distribution([2] * len(rows)),
    }


def _parts(body: Json) -> Iterator[Mapping[str, Any]]:
    for turn in (body.get("systemInstruction") or {}, *body["contents"]):
        yield from parts_of(turn)


def _distribution(values: Sequence[int]) -> Json:
    """`SupervisedTuningDatasetDistribution`."""
    counts, edges = np.histogram(values, BUCKETS if len(set(values)) > 1 else 1)
    return {
        "sum": str(sum(values)),
        "billableSum": str(sum(values)),
        "min": float(min(values)),
        "max": float(max(values)),
        "mean": float(np.mean(values)),
        "median": float(np.median(values)),
        "p5": float(np.percentile(values, 5)),
        "p95": float(np.percentile(values, 95)),
        "buckets": [
            {"count": float(count), "left": float(left), "right": float(right)}
            for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True)
        ],
    }
