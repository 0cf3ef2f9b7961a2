"""Gemini labels a slice of the training rows; what it does not say is never a label."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.genai import types
from PIL import Image, UnidentifiedImageError

from environments import tasks
from environments.clients import Clients
from environments.tasks import Labelling, Task
from ml.data.rows import digest, read, schema, write
from ml.data.splits import split
from ml.gemini.labelling import _answers, _sendable, label
from ml.tasks import module
from tests.ml import drawn

CLASSES = ["bad", "good"]


def _task(name: str, **changes: Any) -> Task:
    task = next(one for one in tasks().tasks if one.name == name)
    settings = {"model": "flash", "rows": 20, "examples_per_class": 4, "minimum_confidence": 0.5, **changes}
    return task.model_copy(update={"labelling": Labelling(**settings)})


def _rows(contents: list[tuple[bytes | str, str]], kind: Any, folder: Path) -> Path:
    columns = [[digest(content) for content, _ in contents], [content for content, _ in contents], [name for _, name in contents]]
    write(pa.table(columns, schema=schema(kind)), folder / "data.parquet")
    split(folder / "data.parquet", folder)
    return folder / "rows.parquet"


def _response(text: str, reason: str = "STOP") -> types.GenerateContentResponse:
    content = {"role": "model", "parts": [{"text": text}]}
    return types.GenerateContentResponse.model_validate({"candidates": [{"content": content, "finish_reason": reason}]})


def test_pictures_are_labelled_through_the_client(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    pictures: list[tuple[bytes | str, str]] = [(drawn.picture(shape, seed), shape) for shape in drawn.SHAPES for seed in range(24)]
    rows = _rows(pictures, module("vision").KIND, tmp_path)
    report = label(rows, tmp_path / "out", _task("vision", minimum_confidence=0.0), "flash", Clients.of("local").gemini())
    assert (report["rows"], report["accepted"], report["requests"]) == (20, 20, 1)
    assert report["agreement"] > 0.5
    assert report["model_version"]
    assert json.loads((tmp_path / "out/labelling.json").read_text()) == report


def test_answers_below_the_confidence_are_abstentions(google_cloud: dict[str, Any], tmp_path: Path) -> None:
    texts: list[tuple[bytes | str, str]] = [(f"The {at}th film was {word}.", word) for word in ("dull", "bright") for at in range(30)]
    rows = _rows(texts, module("nlp").KIND, tmp_path)
    report = label(rows, tmp_path / "out", _task("nlp", minimum_confidence=1.0), "flash", Clients.of("local").gemini())
    assert (report["rows"], report["accepted"], report["abstained"], report["coverage"]) == (20, 0, 20, 0.0)
    assert report["agreement"] is None
    table = read(tmp_path / "out/labels.parquet")
    assert set(table["accepted"].to_pylist()) == {False}
    assert not set(table["id"].to_pylist()) & set(read(rows, split="test")["id"].to_pylist())


def test_no_rows_ask_nothing(tmp_path: Path) -> None:
    rows = _rows([(f"text {at}", CLASSES[at % 2]) for at in range(40)], module("nlp").KIND, tmp_path)
    report = label(rows, tmp_path / "out", _task("nlp", rows=0), "flash", None)
    assert (report["rows"], report["requests"], report["agreement"]) == (0, 0, None)
    assert len(read(tmp_path / "out/labels.parquet")) == 0


def test_answers_are_joined_by_their_row_number() -> None:
    found, reason = _answers(_response('[{"row": 2, "label": "good", "confidence": 0.7}]'), CLASSES)
    assert {number: answer.label for number, answer in found.items()} == {2: "good"}
    assert "left out" in reason


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (_response('[{"row": 1, "label": "good", "confidence": 0.7}]', "SAFETY"), "SAFETY"),
        (_response('[{"row": 1, "la', "MAX_TOKENS"), "MAX_TOKENS"),
        (_response('[{"row": 1, "label": "excellent", "confidence": 0.7}]'), "response schema"),
        (_response('[{"row": 1, "label": "good", "confidence": 7}]'), "response schema"),
        (_response("good"), "response schema"),
        (types.GenerateContentResponse(), "blocked: no candidate"),
        (types.GenerateContentResponse.model_validate({"prompt_feedback": {"block_reason": "SAFETY"}}), "blocked: SAFETY"),
    ],
)
def test_a_blocked_or_malformed_answer_labels_nothing(response: types.GenerateContentResponse, reason: str) -> None:
    found, said = _answers(response, CLASSES)
    assert found == {}
    assert reason in said


def test_pictures_are_sent_in_formats_and_sizes_that_gemini_takes() -> None:
    small = drawn.picture("circle", 1)
    assert _sendable(small) == (small, "image/png")
    content, mime_type = _sendable(drawn.picture("circle", 1, side=2000, form="BMP"))
    assert mime_type == "image/jpeg"
    assert len(content) < 64_000


def test_a_format_that_runs_what_it_says_is_never_opened() -> None:
    with pytest.raises(UnidentifiedImageError):
        _sendable(drawn.encoded(Image.new("RGB", (8, 8)), "EPS"))
