"""`report.html`: the run on one self-contained page. No script, no external asset; light and dark follow the reader's system."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from playbook.loop.results import Result
from playbook.report import charts
from playbook.report.samples import samples
from playbook.report.summary import summarise

STYLE = Path(__file__).with_name("page.css")
SHOWN = 24
"""So many predictions are shown."""
REASONS = 8
"""So many kinds of rejection are listed."""

Summary = dict[str, Any]


def write(result: Result, folder: Path) -> Path:
    """Write `report.json` and `report.html` into `folder`, each atomically; the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarise(result)
    _replace(folder / "report.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    _replace(folder / "report.html", render(result, summary))
    return folder / "report.html"


def _replace(path: Path, content: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(content, encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def render(result: Result, summary: Summary) -> str:
    """The page of a run and its summary."""
    title = f"Loop report · {escape(summary['environment'])}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main>",
        _head(summary),
        "<h2>Timeline</h2>",
        _panel(
            charts.timeline(result.record.steps, summary["wall_seconds"]),
            _source("begin and end as the loop and the pipelines' own step records say; pale bars came from a cache or had nothing to do"),
        ),
        *(_task(result, summary, task) for task in result.rows),
        _infrastructure(summary),
        _fallbacks(summary),
        _evidence(summary),
        _steps(summary),
        "</main></body></html>\n",
    ]
    return "".join(parts)


# The page's parts, in the order in which they are read


def _head(summary: Summary) -> str:
    passed = summary["outcome"] == "passed"
    said = "every model passed its gate, is deployed and answers" if passed else summary["failure"] or "not every model is deployed"
    tiles = [_tile(f"{summary['wall_seconds']:.1f} s", "from the command to this report")]
    for task, model in summary["models"].items():
        if model["accuracy"] is not None:
            tiles.append(_tile(f"{model['accuracy']:.3f}", f"{task}: accuracy on {model['evaluation']['rows']:,} frozen rows"))
    tiles.append(_tile(str(sum(step["status"] == "cached" for step in summary["steps"])), f"of {len(summary['steps'])} steps from a cache"))
    tiles.append(_tile(str(len(summary["fallbacks"])), "stand-ins took the place of the real thing (below)"))
    return (
        "<h1>From infrastructure to served models</h1>"
        f'<p class="soft">Environment <code>{escape(summary["environment"])}</code>, project <code>{escape(summary["project"])}</code>, '
        f"answered by the {escape(summary['address'])}, began {escape(summary['began'])}</p>"
        f'<p class="verdict {"good" if passed else "bad"}">{"✓ Passed" if passed else "✗ Failed"}: {escape(said)}</p>'
        f'<div class="tiles">{"".join(tiles)}</div>'
    )


def _task(result: Result, summary: Summary, task: str) -> str:
    data, model = summary["data"][task], summary["models"].get(task)
    parts = [f"<h2>{escape(task)} · {escape(data['kind'].replace('_', ' '))}</h2>", _data(result, task, data)]
    if model:
        parts.append('<div class="pair">')
        parts.append(_accuracy(result, task, model))
        parts.append(_labelling(model["labelling"]))
        parts.append("</div>")
        parts.append(_confusion(model["evaluation"]))
        parts.append(_answers(result, task, model))
        parts.append(_lineage(data, model))
    return "".join(parts)


def _data(result: Result, task: str, data: Summary) -> str:
    rows = result.rows[task]
    counts = result.runs[task].documents.get("ingest", {}).get("counts", {}) if task in result.runs else {}
    split = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    where = f"<code>{escape(rows.source.place)}</code>" if rows.source.own else f"the public data set <b>{escape(data['dataset'])}</b>"
    parts = [
        "<h3>Data</h3>",
        f"<p>{data['rows']:,} rows in {len(data['classes']):,} classes from {where}{': ' + split if split else ''}. ",
        f"{data['rejected']:,} rows could not be used{'.' if not data['rejected'] else ':'}</p>",
    ]
    if data["rejected"]:
        reasons = Counter(str(row["reason"]) for row in rows.rejected).most_common(REASONS)
        examples = {row["reason"]: row["source"] for row in reversed(rows.rejected)}
        parts.append(
            _table(
                ("rows", "reason", "for example"),
                ((str(count), reason, Path(str(examples[reason])).name) for reason, count in reasons),
                numbers={0},
            )
        )
        parts.append(f"<p>All are listed in <code>{escape(str(rows.folder / 'rejected.jsonl'))}</code>.</p>")
    parts.append(_source("dataset.json and rejected.jsonl of ml.data.ingest; splits.json of ml.data.splits"))
    return _panel(*parts)


def _accuracy(result: Result, task: str, model: Summary) -> str:
    measured, gate, answers = model["evaluation"], model["gate"], model["predictions"]
    if not measured:
        return _panel("<h3>Accuracy</h3><p>Not measured: the run ended before.</p>")
    marks = [("majority class", measured["majority_accuracy"])]
    if result.rows[task].dataset["declared"]:
        marks.append(("gate", _gates(result, task)))
    if baseline := measured.get("baseline"):
        marks.append(("TF-IDF", baseline["baseline_accuracy"]))
    interval = measured.get("interval")
    parts = [
        "<h3>Accuracy</h3>",
        charts.scale(measured["accuracy"], tuple(interval) if interval else None, marks),
        f"<p><b>{measured['accuracy']:.4f}</b> on {measured['rows']:,} frozen rows",
        f", 95 % interval {interval[0]:.4f} to {interval[1]:.4f}" if interval else "",
        f"; macro F1 {measured['macro_f1']:.4f}.</p>",
    ]
    if baseline:
        low, high = baseline["interval"]
        parts.append(
            f"<p>Baseline, TF-IDF with logistic regression on the same rows: {baseline['baseline_accuracy']:.4f}; ours minus baseline, "
            f"95 % interval {low:+.4f} to {high:+.4f}.</p>"
        )
    if gate:
        word = '<span class="good">✓ passed</span>' if gate["passed"] else '<span class="bad">✗ refused</span>'
        parts.append(f"<p>Gate: {word}: {escape('; '.join(gate['reasons']))}</p>")
    if answers:
        parts.append(f"<p>Asked through the endpoint, {answers['asked']} of these rows: {answers['accuracy']:.4f} right.</p>")
    parts.append(_source("evaluation.json of ml.evaluation.classification on what is served (LiteRT); gate.json of ml.evaluation.gate"))
    return _panel(*parts)


def _gates(result: Result, task: str) -> float:
    return result.rows[task].source.task.gates.minimum_accuracy


def _labelling(labelling: Summary | None) -> str:
    if not labelling:
        return _panel("<h3>Labelled by Gemini</h3><p>No rows were labelled in this run.</p>")
    agreement = labelling["agreement"]
    return _panel(
        "<h3>Labelled by Gemini</h3>",
        '<div class="tiles">',
        _tile(str(labelling["accepted"]), f"of {labelling['rows']} rows: labels accepted"),
        _tile("none" if agreement is None else f"{agreement:.3f}", "agreement with the truth"),
        _tile(f"{labelling['coverage']:.3f}", f"coverage; {labelling['abstained']} abstentions"),
        "</div>",
        f"<p>Answered by <code>{escape(str(labelling['model_version']))}</code>. These rows counted as unlabelled: accepted labels took "
        "the place of the truth in training, abstentions were left out.</p>",
        _source("labelling.json of ml.gemini.labelling"),
    )


def _confusion(measured: Summary) -> str:
    if not measured:
        return ""
    classes, matrix = measured["classes"], measured["confusion"]
    confused = sorted(
        (
            (count, classes[row], classes[column])
            for row, counts in enumerate(matrix)
            for column, count in enumerate(counts)
            if row != column
        ),
        reverse=True,
    )[:6]
    mistakes = [(truth, taken, str(count)) for count, truth, taken in confused if count]
    worst = _table(("truth", "taken for", "rows"), mistakes, numbers={2}) if mistakes else "<p>None on the frozen rows.</p>"
    return _panel(
        '<h3>Confusion: rows are the truth, columns the prediction</h3><div class="pair">',
        charts.confusion(classes, matrix),
        f"<div><h3>Most frequent mistakes</h3>{worst}</div></div>",
        _source("evaluation.json of ml.evaluation.classification, all frozen rows"),
    )


def _answers(result: Result, task: str, model: Summary) -> str:
    answers = result.answers.get(task)
    if answers is None:
        return _panel("<h3>Predictions</h3><p>The endpoint was not asked: no version of this run is deployed.</p>")
    said = model["predictions"]
    return _panel(
        "<h3>Predictions through the endpoint</h3>",
        f"<p>The first {said['asked']} of {said['frozen_rows']:,} frozen rows in {said['requests']} requests, median "
        f"{said['median_milliseconds']:.0f} ms a request. Below are the first of them; green is right, red is wrong.</p>",
        samples(answers.answers[:SHOWN]),
        _source(f"Endpoint.predict, deployed model {said['deployed_model']}, model version {said['model_version']}"),
    )


def _lineage(data: Summary, model: Summary) -> str:
    chain = [
        ("Rows, by digest", str(data["digest"])[:16]),
        ("Raw rows", data["uri"] or "not uploaded"),
        ("Pipeline run", model["pipeline"]),
    ]
    if registration := model["registration"]:
        chain.append(("Artifact", registration["uri"]))
        chain.append(("Model version", f"{registration['model']}@{registration['version']}"))
    if deployment := model["deployment"]:
        chain.append(("Endpoint", deployment["endpoint"]))
        chain.append(("Deployed model", deployment["deployed_model"]))
    return _panel(
        "<h3>Lineage: each row was made from the one above</h3>",
        _table(("what", "name"), chain),
        _source("dataset.json, registration.json and deployment.json of this run"),
    )


def _infrastructure(summary: Summary) -> str:
    found = summary["infrastructure"]
    if not found:
        return ""
    rows = (
        [s["stack"], *(str(s[count]) for count in ("added", "changed", "destroyed", "adopted")), f"{s['seconds']:.1f}"]
        for s in found["stacks"]
    )
    return "<h2>Infrastructure</h2>" + _panel(
        f"<p>Applied by {escape(found['terraform'])} with the {escape(found['provider'])}.</p>",
        _table(("stack", "added", "changed", "destroyed", "adopted", "seconds"), rows, numbers={1, 2, 3, 4, 5}),
        _source("infra.terraform, one state a stack; a row of zeros is a plan that found everything as declared"),
    )


def _fallbacks(summary: Summary) -> str:
    items = "".join(f"<li>{escape(fallback)}</li>" for fallback in summary["fallbacks"])
    return "<h2>What took the place of the real thing</h2>" + _panel(f"<ul>{items}</ul>" if items else "<p>Nothing.</p>")


def _evidence(summary: Summary) -> str:
    rows = ((e["result"], e["level"], e["proves"], e["open"]) for e in summary["evidence"])
    return "<h2>What each result proves</h2>" + _panel(_table(("result", "level of evidence", "proves", "does not prove"), rows))


def _steps(summary: Summary) -> str:
    rows = ((s["name"], s["status"], f"{s['started']:.1f}", f"{s['seconds']:.1f}", s["detail"]) for s in summary["steps"])
    return "<h2>Every step</h2>" + _panel(_table(("step", "status", "began (s)", "took (s)", "numbers"), rows, numbers={2, 3}))


# What the parts are made of


def _panel(*parts: str) -> str:
    return f'<div class="panel">{"".join(parts)}</div>'


def _tile(figure: str, label: str) -> str:
    return f'<div class="tile"><b>{escape(figure)}</b><span>{escape(label)}</span></div>'


def _source(text: str) -> str:
    return f'<p class="source">From: {escape(text)}.</p>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int] = frozenset()) -> str:  # type: ignore[assignment]
    """A table; the columns in `numbers` are set to the right."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}{' class=number' if i in numbers else ''}>{escape(str(cell))}</{tag}>" for i, cell in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', heads)}</tr>{body}</table>"
