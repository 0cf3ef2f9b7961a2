"""A task from its data to the answers of its endpoint: what the training measured, labelled, mistook, served."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from playbook.loop.results import Result
from playbook.report import charts
from playbook.report.markup import Html, pair, panel, section, source, table, text, tile, tiles, verdict
from playbook.report.samples import samples

SHOWN = 24
"""So many predictions are shown."""
REASONS = 8
"""So many kinds of rejection are listed."""
MISTAKES = 6

Summary = dict[str, Any]


def numbers(result: Result, task: str) -> Summary:
    """What the training run measured; a retraining's numbers stand in `rollout`."""
    run = result.runs[task]
    documents = run.documents
    answers = result.answers.get(task)
    measured = {key: value for key, value in documents.get("evaluate", {}).items() if key != "samples"}
    return {
        "accuracy": measured.get("accuracy"),
        "evaluation": measured,
        "labelling": documents.get("label"),
        "gate": documents.get("gate"),
        "registration": documents.get("register"),
        "deployment": documents.get("deploy"),
        "features": documents.get("write-features"),
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


def chapter(result: Result, summary: Summary, task: str) -> str:
    """Everything about a task up to its endpoint's answers."""
    data, model = summary["data"][task], summary["models"].get(task)
    parts = [_data(result, task, data)]
    if model:
        parts.append(pair(_accuracy(result, task, model), _labelling(model["labelling"])))
        parts.append(_confusion(model["evaluation"]))
        parts.append(_answers(result, task, model))
        parts.append(_lineage(data, model))
    return section(task, f"{task} · {data['kind'].replace('_', ' ')}", *parts)


def _data(result: Result, task: str, data: Summary) -> str:
    rows = result.rows[task]
    counts = result.runs[task].documents.get("ingest", {}).get("counts", {}) if task in result.runs else {}
    split = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    where = f"<code>{text(rows.source.place)}</code>" if rows.source.own else f"the public data set <b>{text(data['dataset'])}</b>"
    parts = [
        "<h3>Data</h3>",
        f"<p>{data['rows']:,} rows in {len(data['classes']):,} classes from {where}{': ' + split if split else ''}. ",
        f"{data['rejected']:,} rows could not be used{'.' if not data['rejected'] else ':'}</p>",
    ]
    if data["rejected"]:
        reasons = Counter(str(row["reason"]) for row in rows.rejected).most_common(REASONS)
        examples = {row["reason"]: row["source"] for row in reversed(rows.rejected)}
        listed = ((count, reason, Path(str(examples[reason])).name) for reason, count in reasons)
        parts.append(table(("rows", "reason", "for example"), listed, numbers=(0,)))
        parts.append(f"<p>All are listed in <code>{text(rows.folder / 'rejected.jsonl')}</code>.</p>")
    parts.append(source("dataset.json and rejected.jsonl of ml.data.ingest; splits.json of ml.data.splits"))
    return panel(*parts)


def _accuracy(result: Result, task: str, model: Summary) -> str:
    measured, gate, answers = model["evaluation"], model["gate"], model["predictions"]
    if not measured:
        return panel("<h3>Accuracy</h3><p>Not measured: the run ended before.</p>")
    marks = [("majority class", measured["majority_accuracy"])]
    if result.rows[task].dataset["declared"]:
        marks.append(("gate", result.rows[task].source.task.gates.minimum_accuracy))
    if baseline := measured.get("baseline"):
        marks.append(("TF-IDF", baseline["baseline_accuracy"]))
    interval = measured.get("interval")
    parts = [
        "<h3>Accuracy of the training</h3>",
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
        word = verdict(gate["passed"], "passed" if gate["passed"] else "refused")
        parts.append(f"<p>Gate: {word}: {text('; '.join(gate['reasons']))}</p>")
    if answers:
        parts.append(f"<p>Asked through the endpoint, {answers['asked']} of these rows: {answers['accuracy']:.4f} right.</p>")
    parts.append(source("evaluation.json of ml.evaluation.classification on what is served (LiteRT); gate.json of ml.evaluation.gate"))
    return panel(*parts)


def _labelling(labelling: Summary | None) -> str:
    if not labelling:
        return panel("<h3>Labelled by Gemini</h3><p>No rows were labelled in this run.</p>")
    agreement = labelling["agreement"]
    return panel(
        "<h3>Labelled by Gemini</h3>",
        tiles(
            tile(str(labelling["accepted"]), f"of {labelling['rows']} rows: labels accepted"),
            tile("none" if agreement is None else f"{agreement:.3f}", "agreement with the truth"),
            tile(f"{labelling['coverage']:.3f}", f"coverage; {labelling['abstained']} abstentions"),
        ),
        f"<p>Answered by <code>{text(labelling['model_version'])}</code>. These rows counted as unlabelled: accepted labels took "
        "the place of the truth in training, abstentions were left out.</p>",
        source("labelling.json of ml.gemini.labelling"),
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
    )[:MISTAKES]
    mistakes = [(truth, taken, count) for count, truth, taken in confused if count]
    worst = table(("truth", "taken for", "rows"), mistakes, numbers=(2,)) if mistakes else "<p>None on the frozen rows.</p>"
    return panel(
        "<h3>Confusion: rows are the truth, columns the prediction</h3>",
        pair(charts.confusion(classes, matrix), f"<div><h3>Most frequent mistakes</h3>{worst}</div>"),
        source("evaluation.json of ml.evaluation.classification, all frozen rows"),
    )


def _answers(result: Result, task: str, model: Summary) -> str:
    answers = result.answers.get(task)
    if answers is None:
        return panel("<h3>Predictions</h3><p>The endpoint was not asked: no version of this run is deployed.</p>")
    said = model["predictions"]
    return panel(
        "<h3>Predictions through the endpoint</h3>",
        f"<p>The first {said['asked']} of {said['frozen_rows']:,} frozen rows in {said['requests']} requests, median "
        f"{said['median_milliseconds']:.0f} ms a request. Below are the first of them; green is right, red is wrong.</p>",
        samples(answers.answers[:SHOWN]),
        source(f"Endpoint.predict, deployed model {said['deployed_model']}, model version {said['model_version']}"),
    )


def _lineage(data: Summary, model: Summary) -> str:
    chain: list[tuple[str, Any]] = [
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
    if written := model["features"]:
        chain.append(("Features", Html(f"{text(written['table'])}: {written['rows']:,} rows appended")))
    return panel(
        "<h3>Lineage: each row was made from the one above</h3>",
        table(("what", "name"), chain),
        source("dataset.json, registration.json, deployment.json and written.json of this run"),
    )
