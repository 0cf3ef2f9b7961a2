"""What the monitor said of the two windows: silent about rows as they come, loud about shifted ones, and what drives the shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from playbook.loop.results import Result
from playbook.loop.watching import Kind
from playbook.report import tracks
from playbook.report.markup import Html, pair, panel, quantity, section, source, table, text, verdict

KINDS: tuple[Kind, ...] = get_args(Kind)
COPIED = (
    *("status", "reason", "p", "level", "tests", "rows", "reference_rows", "unreadable", "harm", "event_id", "start", "end", "version"),
    *("baseline", "separation", "words", "outputs"),
)
"""Of `drift.json`. Its `drivers` without their content, and nothing of `unknown_words`: what users sent stays where it is."""
CONTENT = ("text", "thumbnail")
NOT_JUDGED = "not judged"
"""The status of a window whose monitor has not ended."""
EXPECTED: dict[Kind, str] = {"control": "silent", "shifted": "shifted"}

Summary = dict[str, Any]


def numbers(result: Result, task: str) -> Summary:
    """The verdict on each window, with what it rests on."""
    closed = result.closed.get(task)
    if closed is None:
        return {}
    return {kind: _window(result, task, kind) for kind in KINDS if kind in closed.windows}


def _window(result: Result, task: str, kind: Kind) -> Summary:
    closed = result.closed[task]
    window, run = closed.windows[kind], closed.watched.get(kind)
    found = run.documents.get("monitor", {}) if run else {}
    alert = run.documents.get("alert", {}) if run else {}
    return {
        "sent": window.rows,
        "injected": window.shift,
        "status": NOT_JUDGED,
        **{name: found[name] for name in COPIED if name in found},
        "drivers": [{name: value for name, value in row.items() if name not in CONTENT} for row in found.get("drivers", ())],
        "alert": {name: alert[name] for name in ("point", "messages") if name in alert},
        "pipeline": run.job if run else None,
    }


def as_expected(kind: str, window: Mapping[str, Any]) -> bool:
    """Whether the monitor is right about a window."""
    return any(window["status"] == word for known, word in EXPECTED.items() if known == kind)


def chapter(result: Result, summary: Summary) -> str:
    """The windows of every task."""
    found = {task: windows for task, windows in summary["drift"].items() if windows}
    if not found:
        return ""
    return section("drift", "Drift", *(_task(result, task, windows) for task, windows in found.items()))


def _task(result: Result, task: str, windows: Summary) -> str:
    judged = {kind: window for kind, window in windows.items() if window.get("tests")}
    parts = [f"<h3>{text(task)}: two windows of traffic against the champion's baseline</h3>", *_sentences(windows)]
    if judged:
        parts.append(pair(_tests(judged), _scores(judged)))
    parts.append(source("drift.json and alert.json of the monitoring pipeline (ml.drift.detection, pipelines.monitoring.alert)"))
    return panel(*parts) + _drivers(result, task, windows.get("shifted", {}))


def _sentences(windows: Summary) -> list[str]:
    said = []
    for kind, window in windows.items():
        what = f"{window['sent']:,} rows, half of them changed ({window['injected']})" if window["injected"] else f"{window['sent']:,} rows"
        judged = f"{kind}: {window['status']}"
        parts = [f"{text(judged) if window['status'] == NOT_JUDGED else verdict(as_expected(kind, window), judged)}, {text(what)}"]
        if "reason" in window:
            parts.append(text(window["reason"]))
        if harm := window.get("harm"):
            low, high = harm["interval"]
            parts.append(
                f"accuracy {harm['reference_accuracy']:.3f} on the baseline, estimated without labels {harm['estimated_accuracy']:.3f} on "
                f"the window (change {low:+.3f} to {high:+.3f}), of which {harm['unfamiliar']:.0%} look like nothing in the baseline"
            )
        if messages := window["alert"].get("messages"):
            listed = ", ".join(f"<code>{text(topic)}</code>" for topic in messages)
            parts.append(f"alerted: event <code>{text(window.get('event_id', '')[:16])}</code> to the topics {listed}")
        elif window["alert"]:
            parts.append("nobody was alerted")
        said.append(f"<p>{'; '.join(parts)}.</p>")
    return said


def _tests(judged: Mapping[str, Summary]) -> str:
    names = list(dict.fromkeys(test["name"] for window in judged.values() for test in window["tests"]))
    adjusted = {kind: {test["name"]: test["adjusted"] for test in window["tests"]} for kind, window in judged.items()}
    level = next(iter(judged.values()))["level"]
    return (
        f"<div><h3>p of each test, corrected for their number</h3>{_key(judged)}{tracks.p_values(names, adjusted, level)}"
        f'<p class="source">Left of {level:g}, in the shaded part, a test alarms; logarithmic scale.</p></div>'
    )


def _key(judged: Mapping[str, Summary]) -> str:
    spans = "".join(f'<span><i class="dot {kind}"></i>{kind}</span>' for kind in judged)
    return f'<div class="key">{spans}</div>'


def _scores(judged: Mapping[str, Summary]) -> str:
    found = {kind: window["separation"] for kind, window in judged.items() if window.get("separation")}
    if not found:
        return ""
    tallest = max(max(tracks.shares(one[part])) for one in found.values() for part in ("reference", "window"))
    drawn = "".join(
        f"<figure><figcaption>{text(kind)}: {judged[kind]['rows']:,} against {judged[kind]['reference_rows']:,} rows</figcaption>"
        f"{tracks.histogram(one['edges'], one['reference'], one['window'], tallest)}</figure>"
        for kind, one in found.items()
    )
    key = '<div class="key"><span><i class="reference"></i>baseline</span><span><i class="window"></i>window</span></div>'
    return (
        f"<div><h3>Scores of a classifier that tells the window from the baseline</h3>{key}{drawn}"
        '<p class="source">Right: looks like the window. Where the two lie over each other, nothing tells them apart.</p></div>'
    )


def _drivers(result: Result, task: str, shifted: Summary) -> str:
    """The rows that the classifier is surest of, with their content, which `report.json` leaves out."""
    closed = result.closed.get(task)
    run = closed.watched.get("shifted") if closed else None
    rows: Sequence[Mapping[str, Any]] = run.documents.get("monitor", {}).get("drivers", ()) if run else ()
    if not rows:
        return ""
    words = any("text" in row for row in rows)
    cards = "".join(_driver(row) for row in rows)
    return panel(
        f"<h3>{text(task)}: what drives the shift</h3>",
        f"<p>The {quantity(len(rows), 'row')} of the shifted window that look least like the baseline, with the champion's answer.</p>",
        f'<div class="samples{" words" if words else ""}">{cards}</div>',
        _risen(shifted.get("words", ()), run.documents["monitor"].get("unknown_words", {}) if run else {}),
        source("drift.json: the drivers, by the classifier's score"),
    )


def _driver(row: Mapping[str, Any]) -> str:
    if "text" in row:
        content = f"<q>{text(row['text'])}</q>"
    else:
        content = f'<img alt="a row that drives the shift" src="data:image/png;base64,{text(row["thumbnail"])}">'
    return (
        f'<div class="sample driver">{content}{text(row["label"])} <span class="soft">{row["confidence"]:.0%}, '
        f"score {row['score']:.2f}</span></div>"
    )


def _risen(words: Sequence[Mapping[str, Any]], unknown: Mapping[str, int]) -> str:
    if not words and not unknown:
        return ""
    rows = [(word["word"], f"{word['reference']:.2%}", f"{word['window']:.2%}") for word in words]
    left = f"<div><h3>Words that became more frequent</h3>{table(('word', 'baseline', 'window'), rows, numbers=(1, 2))}</div>"
    strangers = ", ".join(f"{text(word)} <span class=soft>{count}×</span>" for word, count in unknown.items())
    return pair(left if rows else Html(""), f"<div><h3>Most frequent words that the model does not know</h3><p>{strangers}</p></div>")
