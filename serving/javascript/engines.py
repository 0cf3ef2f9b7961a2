"""Asks TensorFlow.js in Node and in Chromium: raw pictures or texts in, probabilities out."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from serving.instances import instance

SERVING = Path(__file__).parent.parent
NODE = SERVING / "node" / "dist" / "predict.js"
BROWSER = SERVING / "web" / "browser" / "dist" / "predict.js"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_SECONDS = 300

Backend = Literal["wasm", "cpu", "webgl"]
"""WebGL is there in browsers only; it is looser in its arithmetic."""
Probabilities = npt.NDArray[np.float32]


class EngineError(Exception):
    """An engine did not answer; the message is complete and meant for people."""


def node(
    model: str | Path, contents: Sequence[bytes | str], backend: Backend = "wasm", variants: Sequence[str] = ("float32",)
) -> dict[str, Probabilities]:
    """(rows, classes) probabilities by TensorFlow.js in Node, by variant; a row that it refuses is not a number.

    Args:
        model: folder that `ml.export.tfjs.convert` wrote, also `gs://`.
        contents: encoded pictures or texts.
        backend: what computes.
        variants: which of the converted model's sizes.

    Raises:
        EngineError: when Node does not run, or the model cannot be loaded.
    """
    questions = [instance(content) for content in contents]
    chosen = [word for variant in variants for word in ("--variant", variant)]
    answers = _ask([str(NODE), "--model", str(model), "--backend", backend, *chosen], questions, times=len(variants))
    width = max((len(answer) for answer in answers if isinstance(answer, list)), default=0)
    rows = np.array([answer if isinstance(answer, list) else [np.nan] * width for answer in answers], np.float32)
    return dict(zip(variants, rows.reshape(len(variants), len(contents), width), strict=True))


def browser(
    site: str | Path, contents: Mapping[str, Sequence[bytes | str]], backends: Sequence[Backend] = ("wasm",), variant: str = "float32"
) -> dict[str, dict[str, Probabilities]]:
    """(rows, classes) probabilities by the published page in headless Chromium, by task and backend.

    Args:
        site: the web bucket (`gs://…`), or a folder laid out like it.
        contents: for each task, encoded pictures or texts; a row that the page refuses is an error.
        backends: what computes.
        variant: which of the converted model's sizes.

    Raises:
        EngineError: when there is no Chromium, or the page fails.
    """
    wanted = [(task, backend) for backend in backends for task in contents]
    questions = [
        {"task": task, "backend": backend, "instance": instance(content)} for task, backend in wanted for content in contents[task]
    ]
    graphics = ["--graphics"] if "webgl" in backends else []
    answers = iter(_ask([str(BROWSER), "--site", str(site), "--variant", variant, *graphics], questions))
    found: dict[str, dict[str, Probabilities]] = {task: {} for task in contents}
    for task, backend in wanted:
        found[task][backend] = np.array([next(answers) for _ in contents[task]], np.float32)
    return found


def has_browser() -> bool:
    """Whether this machine has a Chromium."""
    return any(map(shutil.which, CHROMIUM))


def _ask(arguments: Sequence[str], questions: Sequence[Any], times: int = 1) -> list[Any]:
    """The answer to each question, so many times; both are JSON lines."""
    lines = "".join(f"{json.dumps(question)}\n" for question in questions)
    try:
        ended = subprocess.run(["node", *arguments], input=lines, capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_SECONDS)
    except OSError as error:
        raise EngineError(f"node cannot be run: {error.strerror}. Nothing was predicted. Run 'make setup'.") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{Path(arguments[0]).name} did not answer within {TIMEOUT_SECONDS} s for {len(questions)} rows.") from None
    if ended.returncode:
        said = ended.stderr.strip() or "it said nothing"
        raise EngineError(f"{' '.join(arguments)} failed: {said}. Run 'make setup' if it was never built.")
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    if len(answers) != len(questions) * times:
        raise EngineError(f"{' '.join(arguments)} answered {len(answers)} of {len(questions) * times} rows: {ended.stderr.strip()}")
    return answers
