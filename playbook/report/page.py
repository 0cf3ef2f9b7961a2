"""`report.html`: the run on one self-contained page. No script, no external asset; light and dark follow the reader's system."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import Any

from playbook.loop.results import Result
from playbook.report import charts
from playbook.report.markup import fold, panel, section, source, table, tile, tiles, verdict
from playbook.report.sections import drift, parity, rollout, training
from playbook.report.summary import summarise

STYLE = Path(__file__).with_name("page.css")

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
    chapters = [
        _timeline(result, summary),
        *(training.chapter(result, summary, task) for task in result.rows),
        parity.chapter(summary),
        drift.chapter(result, summary),
        rollout.chapter(summary),
        _infrastructure(summary),
        _fallbacks(summary),
        _evidence(summary),
        _steps(summary),
    ]
    title = f"Loop report · {escape(summary['environment'])}"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main>",
            _head(summary),
            _contents(summary),
            *chapters,
            "</main></body></html>\n",
        )
    )


# The page's frame, in the order in which it is read


def _head(summary: Summary) -> str:
    passed = summary["outcome"] == "passed"
    word = "Passed" if passed else "Failed"
    figures = [
        tile(f"{summary['wall_seconds']:.1f} s", "from the command to this report"),
        *_accuracies(summary),
        *_closing(summary),
        tile(
            str(sum(step["status"] == "cached" for step in summary["steps"])),
            f"of {len(summary['steps'])} steps from a cache or with nothing to do",
        ),
        tile(str(len(summary["fallbacks"])), "stand-ins took the place of the real thing (below)"),
    ]
    return (
        "<h1>From infrastructure to served models, watched and retrained</h1>"
        f'<p class="soft">Environment <code>{escape(summary["environment"])}</code>, project <code>{escape(summary["project"])}</code>, '
        f"answered by the {escape(summary['address'])}, began {escape(summary['began'])}</p>"
        f'<p class="verdict">{verdict(passed, f"{word}: {_outcome(summary)}")}</p>'
        f'<div class="figures">{tiles(*figures)}</div>'
    )


def _outcome(summary: Summary) -> str:
    if summary["outcome"] == "passed":
        return "every model passed its gate, is deployed and answers, and its loop closed"
    return summary["failure"] or "not every model is deployed, or not every loop closed"


def _accuracies(summary: Summary) -> list[str]:
    return [
        tile(f"{model['accuracy']:.3f}", f"{task}: accuracy of the training on {model['evaluation']['rows']:,} frozen rows")
        for task, model in summary["models"].items()
        if model["accuracy"] is not None
    ]


def _closing(summary: Summary) -> list[str]:
    """A tile for each chapter of the second half that has something to say."""
    found = []
    differences = [e["largest_difference"] for one in summary["parity"].values() for e in one["engines"].values()]
    if differences:
        largest = "refused rows" if None in differences else f"{max(differences):.1e}"
        found.append(tile(largest, "largest difference of a probability between engines"))
    windows = [(kind, window) for one in summary["drift"].values() for kind, window in one.items() if window["status"] != drift.NOT_JUDGED]
    if windows:
        right = sum(drift.as_expected(kind, window) for kind, window in windows)
        found.append(tile(f"{right} of {len(windows)}", "windows of traffic judged as they must be"))
    outcomes = [one[part]["outcome"] for one in summary["rollout"].values() for part in rollout.CHALLENGERS if one.get(part)]
    if outcomes:
        counts = (outcomes.count(word) for word in ("serving", "refused", "rolled back"))
        found.append(tile(" · ".join(map(str, counts)), "challengers: promoted, refused, rolled back"))
    return found


def _contents(summary: Summary) -> str:
    """Links to the chapters that there are."""
    links = [("timeline", "Timeline"), *((task, task) for task in summary["data"])]
    links += [("parity", "Engines")] if parity.told(summary) else []
    links += [("drift", "Drift")] if any(summary["drift"].values()) else []
    links += [("rollout", "Rollout")] if any(summary["rollout"].values()) else []
    links += [("fallbacks", "Stand-ins"), ("evidence", "Evidence"), ("steps", "Steps")]
    return "<nav>" + "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name in links) + "</nav>"


def _timeline(result: Result, summary: Summary) -> str:
    return section(
        "timeline",
        "Timeline",
        panel(
            charts.timeline(result.record.steps, summary["wall_seconds"]),
            source("begin and end as the loop and the pipelines' own step records say; pale bars came from a cache or had nothing to do"),
        ),
    )


def _infrastructure(summary: Summary) -> str:
    found = summary["infrastructure"]
    if not found:
        return ""
    counts = ("added", "changed", "destroyed", "adopted")
    rows = ([stack["stack"], *(stack[count] for count in counts), f"{stack['seconds']:.1f}"] for stack in found["stacks"])
    return section(
        "infrastructure",
        "Infrastructure",
        panel(
            f"<p>Applied by {escape(found['terraform'])} with the {escape(found['provider'])}.</p>",
            table(("stack", *counts, "seconds"), rows, numbers=range(1, 6)),
            source("infra.terraform, one state a stack; a row of zeros is a plan that found everything as declared"),
        ),
    )


def _fallbacks(summary: Summary) -> str:
    items = "".join(f"<li>{escape(fallback)}</li>" for fallback in summary["fallbacks"])
    return section("fallbacks", "What took the place of the real thing", panel(f"<ul>{items}</ul>" if items else "<p>Nothing.</p>"))


def _evidence(summary: Summary) -> str:
    rows = ((e["result"], e["level"], e["proves"], e["open"]) for e in summary["evidence"])
    heads = ("result", "level of evidence", "proves", "does not prove")
    return section("evidence", "What each result proves", panel(table(heads, rows)))


def _steps(summary: Summary) -> str:
    rows = ((s["name"], s["status"], f"{s['started']:.1f}", f"{s['seconds']:.1f}", s["detail"]) for s in summary["steps"])
    listed = table(("step", "status", "began (s)", "took (s)", "numbers"), rows, numbers=(2, 3))
    return section("steps", "Every step", panel(fold(f"{len(summary['steps'])} steps with their numbers", listed)))
