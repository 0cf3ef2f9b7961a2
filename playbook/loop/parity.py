"""Asks every engine that serves a model about the same raw rows: the endpoint, TensorFlow.js in Node, and the published page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playbook import PlaybookError
from playbook.loop.closing import Served
from playbook.loop.memory import Memory
from playbook.loop.record import Record

if TYPE_CHECKING:
    from serving.javascript.engines import Probabilities

NODE, BROWSER = "TensorFlow.js wasm in Node", "TensorFlow.js wasm in Chromium"
REDUCED = ("float16", "int8")
"""Smaller variants of the converted model: not held to the tolerance, their loss is measured."""


class ParityError(PlaybookError):
    """An engine answers otherwise than the model was measured."""


def compare(served: Sequence[Served], memory: Memory, record: Record) -> dict[str, dict[str, Any]]:
    """What each engine answers beside the endpoint, by task.

    Args:
        served: the models, each with what its endpoint has answered.
        memory: where a rerun finds what was compared.
        record: where the steps are kept.

    Returns:
        Task → the table of `ml.evaluation.parity`, and `variants`: the accuracy of each size of the converted model.

    Raises:
        ParityError: when an engine that is there answers otherwise.
    """
    import numpy as np

    from ml.evaluation import parity
    from serving.javascript import engines

    pages = {one.rows.source.task.name: memory.page("parity", one.rows.source.task.name, one.version) for one in served}
    before: dict[str, Any] = {task: page.read() for task, page in pages.items()}
    if all(before.values()):
        with record.step("parity · compare") as outcome:
            outcome.status, outcome.detail = "cached", _shown(before)
        return before
    answers = {one.rows.source.task.name: one.answers for one in served}
    contents = {task: [answer.content for answer in said.answers] for task, said in answers.items()}
    compared, accuracy = {}, {}
    found: dict[str, dict[str, Probabilities]] = {task: {} for task in answers}
    with record.step("parity · Node") as outcome:
        for one, task in zip(served, answers, strict=True):
            found[task] = engines.node(one.converted, contents[task], variants=("float32", *REDUCED))
        outcome.detail = ", ".join(f"{len(rows)} {task} rows in {1 + len(REDUCED)} sizes" for task, rows in contents.items())
    with record.step("parity · Chromium") as outcome:
        published = engines.browser(served[0].clients.names.uri("web"), contents) if engines.has_browser() else {}
        outcome.detail = "the published page in a headless browser" if published else "no Chromium here; 'make doctor' says how to get it"
        outcome.status = "done" if published else "skipped"
    with record.step("parity · compare") as outcome:
        for task, said in answers.items():
            classes = sorted(said.answers[0].scores)
            reference = np.array([[answer.scores[name] for name in classes] for answer in said.answers], np.float32)
            engines_asked = {NODE: found[task]["float32"]} | ({BROWSER: published[task]["wasm"]} if published else {})
            compared[task] = parity.compare([answer.id for answer in said.answers], classes, reference, engines_asked)
            truth = np.array([classes.index(answer.truth) if answer.truth in classes else -1 for answer in said.answers])
            accuracy[task] = {variant: float((chances.argmax(1) == truth).mean()) for variant, chances in found[task].items()}
        differing = [task for task, table in compared.items() if not table["passed"]]
        if differing:
            raise ParityError(f"{' and '.join(differing)}: an engine answers otherwise than the endpoint: {compared}. Nothing was changed.")
        tables = {task: {**table, "variants": accuracy[task]} for task, table in compared.items()}
        for task, page in pages.items():
            page.write(tables[task])
        outcome.detail = _shown(tables)
    return tables


def _shown(tables: Mapping[str, Mapping[str, Any]]) -> str:
    largest = {task: max(engine["largest_difference"] for engine in table["engines"].values()) for task, table in tables.items()}
    return "; ".join(f"{task}: largest difference {difference:.1e}" for task, difference in largest.items())
