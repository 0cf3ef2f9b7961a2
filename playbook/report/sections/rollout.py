"""Who took whose place: the retrained challenger, the one that its gate refused, the one that the canary sent back, and who serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.runs import Run
from playbook.loop.results import Result
from playbook.report import tracks
from playbook.report.markup import Html, panel, section, source, table, text, verdict
from playbook.report.sections.traffic import history

CHALLENGERS = ("retrained", "refused", "rolled_back")
FIGURES = {"requests": "requests", "failures": "failed", "accuracy": "right", "milliseconds": "median ms"}
PARTS = (("frozen", "all"), ("new",))
"""Rows that are drawn on one scale: on the new ones, the accuracies lie elsewhere."""

Summary = dict[str, Any]


def numbers(result: Result, task: str) -> Summary:
    """What became of each challenger, the states of the traffic in the order of time, and what serves at the end."""
    closed = result.closed.get(task)
    if closed is None:
        return {}
    drift = closed.watched["shifted"].documents.get("monitor", {}) if "shifted" in closed.watched else {}
    retrained = _challenger(closed.retrained)
    sent_back = closed.rolled_back
    last = sent_back["steps"][-1]["challenger"]["version"] if sent_back and sent_back["steps"] else None
    return {
        "skipped": closed.skipped,
        "tolerated_loss": result.rows[task].source.task.gates.maximum_loss,
        "retrained": retrained and {**retrained, "event_id": drift.get("event_id")},
        "refused": _challenger(closed.refused),
        "rolled_back": sent_back
        and {"version": last, **{name: sent_back[name] for name in ("outcome", "text", "former", "steps", "endpoint")}},
        "traffic": history(result, task),
        "serving": _serving(result, task),
    }


def _challenger(run: Run | None) -> Summary | None:
    """A challenger from its comparison to the end of its canary."""
    if run is None:
        return None
    documents = run.documents
    gate, rollout = documents.get("gate"), documents.get("deploy")
    return {
        "version": documents.get("register", {}).get("version"),
        "pipeline": run.job,
        "rows": documents.get("join"),
        "accuracy": documents.get("evaluate", {}).get("accuracy"),
        "comparison": documents.get("compare"),
        "gate": gate,
        "canary": rollout["steps"] if rollout else [],
        "outcome": rollout["outcome"] if rollout else "refused" if gate and not gate["passed"] else "unfinished",
        "text": rollout["text"] if rollout else "",
        "former": rollout["former"] if rollout else None,
        "features": documents.get("write-features"),
    }


def _serving(result: Result, task: str) -> Summary | None:
    """The version with all traffic, by the newest word of a rollout."""
    closed, run = result.closed[task], result.runs.get(task)
    retrained = closed.retrained.documents.get("deploy") if closed.retrained else None
    for found in (closed.rolled_back, retrained, run.documents.get("deploy") if run else None):
        if found:
            return {"version": found["version"], "deployed_model": found["deployed_model"], "endpoint": found["endpoint"]}
    return None


def chapter(summary: Summary) -> str:
    """The rollouts of every task."""
    found = {task: one for task, one in summary["rollout"].items() if one}
    if not found:
        return ""
    return section("rollout", "Retraining and rollout", *(_task(task, one) for task, one in found.items()))


def _task(task: str, one: Summary) -> str:
    parts = []
    if one["skipped"]:
        parts.append(panel(f"<h3>{text(task)}: nothing was retrained</h3><p>{text(one['skipped'])}</p>"))
    if one["traffic"]:
        parts.append(_traffic(task, one))
    if not one["skipped"] and not one["retrained"]:
        parts.append(panel(f"<h3>{text(task)}: no challenger yet</h3><p>The run ended before one was trained.</p>"))
    if retrained := one["retrained"]:
        parts.append(_retrained(task, one, retrained))
    if refused := one["refused"]:
        stopped = refused["outcome"] == "refused"
        said = verdict(stopped, "refused, as it must be" if stopped else refused["outcome"])
        parts.append(
            panel(
                f"<h3>{text(task)}: a challenger that learned from shuffled labels, version {text(refused['version'])}</h3>",
                f"<p>{said}{'; it never had traffic' if stopped else ''}.</p>",
                _comparison(refused["comparison"], one["tolerated_loss"]),
                _reasons(refused["gate"]),
                source("comparison.json of ml.evaluation.comparison; gate.json of ml.evaluation.gate"),
            )
        )
    if sent_back := one["rolled_back"]:
        stopped = sent_back["outcome"] == "rolled back"
        said = verdict(stopped, "rolled back, as it must be" if stopped else sent_back["outcome"])
        parts.append(
            panel(
                f"<h3>{text(task)}: an artifact that was changed after it had been measured, version {text(sent_back['version'])}</h3>",
                f"<p>{said}: {text(sent_back['text'])}.</p>",
                _canary(sent_back["steps"]),
                source("serving.rollout: the answers of both deployed models to labelled requests"),
            )
        )
    return "".join(parts)


def _traffic(task: str, one: Summary) -> str:
    splits = [tracks.Split((state["began"] or "")[11:19], state["name"], state["split"], state["text"]) for state in one["traffic"]]
    serving = one["serving"]
    end = f"<p>At the end version {serving['version']} serves, deployed model {serving['deployed_model']}.</p>" if serving else ""
    return panel(
        f"<h3>{text(task)}: traffic of the endpoint, from above to below</h3>",
        tracks.traffic(splits),
        end,
        source("the traffic splits that serving.rollout and the loop have set, and what was answered under each; times are UTC"),
    )


def _retrained(task: str, one: Summary, retrained: Summary) -> str:
    rows, former = retrained["rows"], retrained["former"]
    said = verdict(retrained["outcome"] == "serving", retrained["outcome"])
    against = f" against version {text(former)}" if former else ""
    learned = f" It learned from {rows['counts']['train']:,} of {rows['new']:,} new rows beside the frozen ones." if rows else ""
    event = f"; started by the event {retrained['event_id'][:16]}" if retrained["event_id"] else ""
    return panel(
        f"<h3>{text(task)}: the retrained challenger, version {text(retrained['version'])}{against}</h3>",
        f"<p>{said}{': ' if retrained['text'] else ''}{text(retrained['text'])}.{learned}</p>",
        _comparison(retrained["comparison"], one["tolerated_loss"]),
        _reasons(retrained["gate"]),
        _canary(retrained["canary"]),
        source(f"comparison.json of ml.evaluation.comparison, gate.json of ml.evaluation.gate, deployment.json of serving.rollout{event}"),
    )


def _comparison(compared: Mapping[str, Any] | None, tolerated: float) -> str:
    if not compared:
        return "<p>Not compared: the run ended before.</p>"
    drawn = [
        tracks.dumbbells([_change(part, compared[part]) for part in parts if compared[part]["rows"]], tolerated)
        for parts in PARTS
        if any(compared[part]["rows"] for part in parts)
    ]
    key = (
        '<div class="key"><span><i class="dot before"></i>champion</span><span><i class="dot after"></i>challenger</span>'
        '<span><i class="band up"></i>95 % interval of the difference</span>'
        f'<span><i class="bound"></i>loss that is tolerated ({tolerated:g})</span></div>'
    )
    return f"<h4>Accuracy on the same rows</h4>{key}{''.join(drawn)}"


def _change(part: str, one: Mapping[str, Any]) -> tracks.Change:
    low, high = one["interval"]
    good = one["verdict"] in ("better", "not worse")
    word = verdict(good, one["verdict"]) if good or one["verdict"] == "worse" else one["verdict"]
    before, after = one["champion_accuracy"], one["challenger_accuracy"]
    said = Html(f"{before:.3f} → {after:.3f}: {one['difference']:+.3f} ({low:+.3f} to {high:+.3f}), {text(word)}")
    return tracks.Change(f"{one['rows']:,} {part} rows" if part != "all" else f"all {one['rows']:,} rows", before, after, (low, high), said)


def _reasons(gate: Mapping[str, Any] | None) -> str:
    if not gate:
        return "<p>The gate was not asked.</p>"
    items = "".join(f"<li>{text(reason)}</li>" for reason in gate["reasons"])
    return f"<p>Gate: {verdict(gate['passed'], 'passed' if gate['passed'] else 'refused')}</p><ul>{items}</ul>"


def _canary(steps: Sequence[Mapping[str, Any]]) -> str:
    if not steps:
        return ""
    rows = [
        (
            f"{share} %",
            f"{side}, version {step[side]['version']}",
            *(_figure(step[side][name]) for name in FIGURES),
            verdict(step["decision"]["verdict"] == "advance", step["decision"]["verdict"]) if side == "challenger" else "",
        )
        for step in steps
        for side, share in (("challenger", step["share"]), ("champion", 100 - step["share"]))
    ]
    return f"<h4>Canary</h4>{table(('share', 'model', *FIGURES.values(), 'gate'), rows, numbers=(0, 2, 3, 4, 5))}"


def _figure(found: float | None) -> str:
    return "none" if found is None else f"{found:g}"
