"""The same raw rows through every engine that serves a model, and what the smaller variants of the converted model lose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from playbook.loop.parity import BROWSER
from playbook.loop.results import Result
from playbook.report import tracks
from playbook.report.markup import Html, panel, quantity, section, source, table, verdict

Summary = dict[str, Any]


def numbers(result: Result, task: str) -> Summary:
    """What the engines answered, the sizes of the variants, and what the Node server answered as a second deployed model."""
    compared, closed = result.parity.get(task), result.closed.get(task)
    node = closed.node if closed else None
    sizes = _sizes(result, task)
    variants = compared["variants"] if compared else {}
    return {
        "rows": compared and compared["rows"],
        "tolerance": compared and compared["tolerance"],
        "passed": compared and compared["passed"],
        "engines": compared["engines"] if compared else {},
        "variants": {name: {"accuracy": accuracy, "bytes": sizes.get(name)} for name, accuracy in variants.items()},
        "node_server": node and asdict(node),
    }


def without_browser(result: Result) -> bool:
    """Whether the engines were compared and the page was not among them."""
    return any(BROWSER not in compared["engines"] for compared in result.parity.values())


def _sizes(result: Result, task: str) -> dict[str, int]:
    """Bytes of each variant of the version that answered: its conversion is the training's, or after an earlier loop a retraining's."""
    closed, answers = result.closed.get(task), result.answers.get(task)
    for run in (result.runs.get(task), closed.retrained if closed else None):
        if run and answers and str(run.documents.get("register", {}).get("version")) == answers.model_version:
            variants: Mapping[str, Mapping[str, Any]] = run.documents.get("convert", {}).get("variants", {})
            return {name: int(variant["bytes"]) for name, variant in variants.items()}
    return {}


def told(summary: Summary) -> Summary:
    """The tasks of which more than one engine was asked."""
    return {task: one for task, one in summary["parity"].items() if one["engines"] or one["node_server"]}


def chapter(summary: Summary) -> str:
    """The table of all tasks, and the variants of each."""
    found = told(summary)
    if not found:
        return ""
    return section("parity", "The same answers from every engine", _engines(found), _variants(found))


def _engines(found: Mapping[str, Summary]) -> str:
    compared = {task: one for task, one in found.items() if one["engines"]}
    rows = [
        (
            task,
            name,
            f"{one['rows']:,}",
            "a row was refused" if engine["largest_difference"] is None else f"{engine['largest_difference']:.1e}",
            "none" if engine["same_label"] is None else f"{engine['same_label']:.2%}",
            len(engine["differing"]),
            verdict(engine["passed"], "passed" if engine["passed"] else "differs"),
        )
        for task, one in compared.items()
        for name, engine in one["engines"].items()
    ]
    parts = ["<h3>Each engine beside the endpoint, from raw rows to probabilities</h3>"]
    if rows:
        tolerances = ", ".join(sorted({f"{one['tolerance']:g}" for one in compared.values()}))
        parts.append(f"<p>A probability may differ by at most {tolerances}.</p>")
        heads = ("task", "engine", "rows", "largest |Δp|", "same label", "rows that differ", "verdict")
        parts.append(table(heads, rows, numbers=(2, 3, 4, 5)))
        parts.append(_differing(compared))
    for task, one in found.items():
        if node := one["node_server"]:
            asked = node["requests"]
            parts.append(
                f"<p>{verdict(node['same'] == node['rows'], task)}: as a second deployed model the Node server answered {asked['Node']} of "
                f"{quantity(sum(asked.values()), 'request')}; {node['same']} of {quantity(node['rows'], 'row')} got the Python server's "
                "label.</p>"
            )
    parts.append(source("ml.evaluation.parity over the endpoint's answers (LiteRT, Python server) and those of serving.javascript"))
    return panel(*parts)


def _differing(compared: Mapping[str, Summary]) -> str:
    rows = [
        (task, name, row["id"][:12], row["reference"], row["label"] or Html("<i>refused</i>"), f"{row['margin']:.1e}")
        for task, one in compared.items()
        for name, engine in one["engines"].items()
        for row in engine["differing"]
    ]
    if not rows:
        return "<p>No row got another label.</p>"
    return "<h3>Rows that got another label</h3>" + table(("task", "engine", "row", "endpoint", "engine's", "margin"), rows, numbers=(5,))


def _variants(found: Mapping[str, Summary]) -> str:
    parts = []
    for task, one in found.items():
        if not one["variants"]:
            continue
        first = next(iter(one["variants"].values()))["accuracy"]
        bars = [
            (name, float(variant["bytes"] or 0), f"{_bytes(variant['bytes'])}, accuracy {variant['accuracy']:.3f}{_loss(variant, first)}")
            for name, variant in one["variants"].items()
        ]
        parts.append(f"<div><h3>{task}: {quantity(one['rows'], 'row')}</h3>{tracks.bars(bars)}</div>")
    if not parts:
        return ""
    return panel(
        "<h3>Sizes of the converted model: what a smaller download costs</h3>",
        f'<div class="pair">{"".join(parts)}</div>',
        source("web.json of ml.export.tfjs; accuracy of TensorFlow.js in Node on the rows above"),
    )


def _bytes(count: int | None) -> str:
    return "size unknown" if count is None else f"{count / 1000:,.0f} kB"


def _loss(variant: Summary, first: float) -> str:
    return f" ({variant['accuracy'] - first:+.3f})" if variant["accuracy"] != first else ""
